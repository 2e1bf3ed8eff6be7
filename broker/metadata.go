package broker

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/token"
)

const cacheForMinutes = "public, max-age=300"

// serverMetadata is RFC 8414 §2; only what is served is advertised. The list of trusted issuers is not in it (ID-JAG §6).
type serverMetadata struct {
	Issuer                   string          `json:"issuer"`
	AuthorizationEndpoint    string          `json:"authorization_endpoint"` // the MCP SDKs refuse metadata without it
	TokenEndpoint            string          `json:"token_endpoint"`
	JWKSURI                  string          `json:"jwks_uri"`
	ScopesSupported          []string        `json:"scopes_supported"`
	ResponseTypes            []string        `json:"response_types_supported"` // required by RFC 8414 §2, empty while no code flow is served
	GrantTypes               []string        `json:"grant_types_supported"`
	GrantProfiles            []string        `json:"authorization_grant_profiles_supported"` // ID-JAG §6
	TokenAuthMethods         []client.Method `json:"token_endpoint_auth_methods_supported"`
	TokenAuthSigningAlgs     []string        `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpoint    string          `json:"introspection_endpoint"`
	IntrospectionAuthMethods []client.Method `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionSigningAlgs []string        `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpoint       string          `json:"revocation_endpoint"`
	RevocationAuthMethods    []client.Method `json:"revocation_endpoint_auth_methods_supported"`
	RevocationSigningAlgs    []string        `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	DPoPSigningAlgs          []string        `json:"dpop_signing_alg_values_supported"` // RFC 9449 §5.1
	CodeChallengeMethods     []string        `json:"code_challenge_methods_supported"`  // MCP clients refuse metadata without S256
	SubjectTypes             []string        `json:"subject_types_supported"`
	IDTokenSigningAlgorithms []string        `json:"id_token_signing_alg_values_supported"`
	peopleMetadata
	comersMetadata
}

func metadataFor(t *snapshot.Tenant, has served, dev bool) serverMetadata {
	return serverMetadata{
		Issuer: t.Issuer,
		// Where nobody signs in the list of response types is empty, and the endpoint says so.
		AuthorizationEndpoint:    t.Issuer + "/authorize",
		TokenEndpoint:            t.Issuer + "/token",
		JWKSURI:                  t.Issuer + "/.well-known/jwks.json",
		ScopesSupported:          has.scopes(t),
		ResponseTypes:            has.responseTypes(t),
		GrantTypes:               has.grantTypes(t),
		GrantProfiles:            []string{oauth.ProfileIDJAG},
		TokenAuthMethods:         has.holders(t),
		TokenAuthSigningAlgs:     client.SigningAlgorithms(),
		IntrospectionEndpoint:    t.Issuer + "/introspect",
		IntrospectionAuthMethods: client.Methods(),
		IntrospectionSigningAlgs: client.SigningAlgorithms(),
		RevocationEndpoint:       t.Issuer + "/revoke",
		RevocationAuthMethods:    has.revokers(t),
		RevocationSigningAlgs:    client.SigningAlgorithms(),
		DPoPSigningAlgs:          dpop.Algorithms(),
		CodeChallengeMethods:     []string{"S256"},
		SubjectTypes:             []string{"public"},
		// OpenID Connect Discovery §3 requires the member, where no ID token is issued too.
		IDTokenSigningAlgorithms: []string{token.IdentityAlgorithm},
		peopleMetadata:           has.people(t),
		comersMetadata:           has.comers(t, dev),
	}
}

func (s *Server) metadata(c *gin.Context) {
	t, err := s.picture(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	body, err := s.documents.metadata(t, func() serverMetadata { return metadataFor(t, s.has, s.DevDocuments) })
	if err != nil {
		s.refuse(c, err)
		return
	}
	publicDocument(c, body)
}

func publicDocument(c *gin.Context, body []byte) {
	c.Header("Cache-Control", cacheForMinutes)
	c.Header("Access-Control-Allow-Origin", "*") // public documents: RFC 8414 §3, for browser clients
	c.Data(http.StatusOK, "application/json", body)
}

// documentPreflight lets any page read what is public anyway, with the header that MCP clients send along.
func documentPreflight(c *gin.Context) {
	c.Header("Access-Control-Allow-Origin", "*")
	c.Header("Access-Control-Allow-Methods", "GET, HEAD")
	c.Header("Access-Control-Allow-Headers", "MCP-Protocol-Version")
	c.Header("Access-Control-Max-Age", "600")
	c.Status(http.StatusNoContent)
}

func (s *Server) jwks(c *gin.Context) {
	t, err := s.picture(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	body, err := s.JWKS.JWKS(c.Request.Context(), t.UID)
	if err != nil {
		s.refuse(c, &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter})
		return
	}
	publicDocument(c, body)
}

// resourceMetadata is RFC 9728 §2 of a resource that we host the document for.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	JWKSURI              string   `json:"jwks_uri,omitempty"`
	ScopesSupported      []string `json:"scopes_supported"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	DPoPSigningAlgs      []string `json:"dpop_signing_alg_values_supported"`
	DPoPBound            bool     `json:"dpop_bound_access_tokens_required"`
	ResourceName         string   `json:"resource_name"`
}

// protectedResource serves the document of one registered resource. It carries our issuer byte for byte: that string
// becomes the audience of ID-JAGs.
func (s *Server) protectedResource(c *gin.Context) {
	t, err := s.picture(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	r, ok := t.ResourceByName(c.Param("resource"))
	if !ok || r.Disabled {
		s.notFound(c)
		return
	}
	body, err := json.Marshal(resourceMetadata{
		Resource:             r.URI,
		AuthorizationServers: []string{t.Issuer},
		ScopesSupported:      append([]string{}, r.ScopeNames...),
		BearerMethods:        []string{"header"}, // RFC 9700 §4.3.2: never in the query
		DPoPSigningAlgs:      dpop.Algorithms(),
		DPoPBound:            r.DPoPRequired,
		ResourceName:         r.Name,
	})
	if err != nil {
		s.refuse(c, err)
		return
	}
	publicDocument(c, body)
}

// documents keeps each tenant's metadata as prepared bytes for as long as its picture stays.
type documents struct {
	mu      sync.RWMutex
	entries map[tenant.UID]document
}

type document struct {
	version int64
	issuer  string
	body    []byte
}

func (d *documents) metadata(t *snapshot.Tenant, build func() serverMetadata) ([]byte, error) {
	d.mu.RLock()
	entry, ok := d.entries[t.UID]
	d.mu.RUnlock()
	if ok && entry.version == t.Version && entry.issuer == t.Issuer {
		return entry.body, nil
	}
	body, err := json.Marshal(build())
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.entries == nil {
		d.entries = map[tenant.UID]document{}
	}
	d.entries[t.UID] = document{version: t.Version, issuer: t.Issuer, body: body}
	return body, nil
}

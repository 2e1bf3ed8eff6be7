package registration

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Record is a client that registered itself, as it is kept.
type Record struct {
	Tenant    tenant.UID
	ClientID  string // made here; it is its uid too
	Revision  int64
	Metadata  Metadata
	Secret    *Digest // nil: it has none
	Access    Digest  // of its registration access token
	TokenID   string  // of the initial access token that let it come; "" for none
	CreatedAt time.Time
	UpdatedAt time.Time
	UsedAt    time.Time // to the day
}

// IsClientID tells whether a client_id is one that was made here for a client that registered itself. Nobody gets to choose
// one: not a URL, not a user's id, not another client's.
func IsClientID(clientID string) bool {
	_, ok := id.Time(id.DynamicClient, clientID)
	return ok
}

// client is the client without what the tenant's rules give.
func (r Record) client() *client.Client {
	m := r.Metadata
	kind := client.Confidential
	if m.Method == client.MethodNone {
		kind = client.Public
	}
	c := &client.Client{
		UID: r.ClientID, Name: r.ClientID, ClientID: r.ClientID, DisplayName: m.ClientName, Type: kind,
		Auth: client.Auth{
			Method: m.Method, Audience: client.AudienceIssuer,
			// An address that is private stays out of reach, whatever is allowed for IdPs: a stranger names it.
			Keys: jwks.Source{Issuer: r.ClientID, URI: m.JWKSURI, Inline: m.JWKS},
		},
		GrantTypes: slices.Clone(m.GrantTypes), RequireDPoP: m.RequireDPoP,
		RedirectURIs: slices.Clone(m.RedirectURIs), PostLogoutURIs: slices.Clone(m.PostLogoutURIs), MustPush: m.RequirePAR,
		Origin: client.OriginDynamic,
	}
	if c.DisplayName == "" {
		c.DisplayName = r.ClientID
	}
	if r.Secret != nil && m.usesSecret() {
		c.Auth.Secrets = []client.SecretDigest{{Digest: *r.Secret}}
	}
	return c
}

// answer is RFC 7591 §3.2.1 and RFC 7592 §3: what holds, not what was asked.
type answer struct {
	Metadata
	ClientID        string `json:"client_id"`
	IssuedAt        int64  `json:"client_id_issued_at"`
	Secret          string `json:"client_secret,omitempty"`
	SecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
	AccessToken     string `json:"registration_access_token,omitempty"`
	ClientURI       string `json:"registration_client_uri"`
	Scope           string `json:"scope,omitempty"`
}

func (r Record) answer(issuer string, scopes []string, secretText, accessText string) ([]byte, error) {
	a := answer{
		Metadata: r.Metadata, ClientID: r.ClientID, IssuedAt: r.CreatedAt.Unix(), Secret: secretText, AccessToken: accessText,
		ClientURI: issuer + "/register/" + r.ClientID, Scope: strings.Join(scopes, " "),
	}
	if secretText != "" {
		a.SecretExpiresAt = new(int64)
	}
	return json.Marshal(a) //nolint:gosec // the answer in which the client is shown it, this once
}

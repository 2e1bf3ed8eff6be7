package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Type tells whether a client can keep a credential (RFC 6749 §2.1).
type Type string

// The types.
const (
	Confidential Type = "confidential"
	Public       Type = "public"
)

// Method is a way to authenticate, by its registered name
// (token_endpoint_auth_method, RFC 7591 §2).
type Method string

// The methods. MethodTLS is not served yet: a client that asks for it cannot
// authenticate. MethodWorkload is no registered name: the client shows no credential
// of its own, a verified token of its platform leads to it, and in no other way can
// it be known.
const (
	MethodNone          Method = "none"
	MethodBasic         Method = "client_secret_basic"
	MethodPost          Method = "client_secret_post"
	MethodPrivateKeyJWT Method = "private_key_jwt"
	MethodTLS           Method = "tls_client_auth"
	MethodWorkload      Method = "workload"
)

// usesSecret: a client whose method is not said has what it was given, and only a
// secret can be given to it.
func (m Method) usesSecret() bool { return m == MethodBasic || m == MethodPost || m == "" }

// Methods lists what is served, for token_endpoint_auth_methods_supported
// (RFC 8414 §2), without none: who may come without a credential is a grant's
// matter.
func Methods() []Method { return []Method{MethodPrivateKeyJWT, MethodBasic, MethodPost} }

// Audience says what a client assertion may be addressed to.
type Audience string

// The audiences. Our issuer alone is what RFC 7523bis demands; the other is for
// clients whose library still names the token endpoint.
const (
	AudienceIssuer                Audience = "issuer"
	AudienceIssuerOrTokenEndpoint Audience = "issuer_or_token_endpoint" //nolint:gosec // a name, no credential
)

// Auth is how a client authenticates.
type Auth struct {
	Method   Method
	Audience Audience    // absent is AudienceIssuer
	Keys     jwks.Source // Issuer: the client_id; with neither URI nor Inline there are none
	Secrets  []SecretDigest
}

// SecretDigest is a live secret as it rests. Secrets that were generated have
// 256 bits, so a plain SHA-256 keeps them (scheme SchemeSHA256).
type SecretDigest struct {
	ID     string // sec_…, "" for one that the configuration supplies
	Digest [32]byte
}

// Client is a registered client, as authentication and grants need it. It is
// shared and must not be changed.
type Client struct {
	UID         string
	Name        string
	ClientID    string
	DisplayName string
	Owner       string // whom the registration names as answering for it; "" for nobody
	Type        Type
	Disabled    bool
	ExpiresAt   time.Time // zero: never
	Auth        Auth
	GrantTypes  []string
	Scopes      []string
	Resources   []string // names
	RequireDPoP bool
	Plan        string
	Environment string
	// RedirectURIs are where answers of the code flow may go, exactly (RFC 9700 §2.1). Absent: nowhere.
	RedirectURIs []string
	// PostLogoutURIs are where a browser may go after a logout that the client asked for.
	PostLogoutURIs []string
	// MustPush: authorization requests come through the PAR endpoint only (RFC 9126 §6).
	MustPush bool
	// Approved: an administrator consented for everybody. Never of a client that appeared by itself.
	Approved bool
	Origin   Origin
	// Host is that of a metadata document, of which it was fetched; "" for every other client.
	Host string
}

// Origin says who vouches for a client.
type Origin int

// The origins. The zero value is nobody's word.
const (
	OriginDynamic  Origin = iota // it registered itself (RFC 7591)
	OriginDocument               // its client ID metadata document was fetched, or preloaded
	OriginCompany                // an administrator made its Client object
)

// MayUse tells whether the client lists the grant type. Absent means none.
func (c *Client) MayUse(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// ErrUnknown is a Registry's answer for a client that the tenant does not have.
var ErrUnknown = errors.New("no such client")

// Registry finds clients.
type Registry interface {
	// Lookup finds a tenant's client by its exact client_id, or answers ErrUnknown.
	// Any other error means that it is not known whether there is one.
	Lookup(ctx context.Context, t tenant.UID, clientID string) (*Client, error)
	// Named is Lookup by the name of the Client object.
	Named(ctx context.Context, t tenant.UID, name string) (*Client, error)
}

// Keys finds the public keys of clients; *jwks.Cache does.
type Keys interface {
	Keys(ctx context.Context, owner string, src jwks.Source, wantKID string) ([]jwks.Key, error)
	Renew(ctx context.Context, owner string, src jwks.Source, tried []jwks.Key) ([]jwks.Key, bool, error)
}

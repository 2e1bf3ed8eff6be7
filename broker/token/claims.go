package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/federation/strict"
)

// Type is the media type of our access tokens (RFC 9068 §2.1).
const Type = "at+jwt"

// Claims are what an access token says. Members that are not marked optional are
// required.
type Claims struct {
	Issuer    string
	Subject   string // our immutable user id, or the client's for itself
	Audience  string // the resource's URI, exactly one
	ClientID  string
	Scope     string // optional: space-separated
	IssuedAt  time.Time
	ExpiresAt time.Time
	ID        string // jti

	// Of the person's authentication, where known: fixed then, not renewed (RFC 9068 §2.2.1).
	AuthTime time.Time // optional
	ACR      string    // optional
	AMR      []string  // optional

	Actor      *Actor // optional: who acts for the subject (RFC 8693 §4.1)
	Thumbprint string // optional: cnf.jkt, the key the token is bound to (RFC 9449 §6.1)

	Tenant      string // name
	Plan        string // optional
	Environment string // optional

	// Extra holds what the resource's token.claims asks for (groups, email). A name
	// that has a meaning of its own is refused.
	Extra map[string]any
	// Policy holds what policy adds, together under "{issuer}/claims".
	Policy map[string]any
}

// Actor is who acts, and for whom he acts in turn.
type Actor struct {
	Subject  string
	ClientID string // optional
	Actor    *Actor // optional
}

// maxActors bounds a chain of delegation (T19).
const maxActors = 4

// errClaims says that what shall be minted is no token.
var errClaims = errors.New("claims do not make an access token")

// reserved are the names that Extra cannot use: those that we write, and those
// that a verifier may act on.
var reserved = strict.Reserve(
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope",
	"auth_time", "acr", "amr", "act", "may_act", "cnf", "status",
	"tenant", "plan", "environment", "typ", "azp", "nonce", "sid", "events", "sub_id",
	"authorization_details", "resource", "aud_tenant", "aud_sub",
	"active", "token_type", "username", // RFC 7662 §2.2: introspection says them beside the claims
)

func (c Claims) validate() error {
	for _, required := range []struct{ name, value string }{
		{"iss", c.Issuer},
		{"sub", c.Subject},
		{"aud", c.Audience},
		{"client_id", c.ClientID},
		{"jti", c.ID},
		{"tenant", c.Tenant},
	} {
		if required.value == "" { // RFC 9068 §2.2
			return fmt.Errorf("%w: %s is empty", errClaims, required.name)
		}
	}
	if c.IssuedAt.IsZero() || !c.ExpiresAt.After(c.IssuedAt) {
		return fmt.Errorf("%w: it would not live", errClaims)
	}
	depth := 0
	for a := c.Actor; a != nil; a = a.Actor {
		if depth++; depth > maxActors {
			return fmt.Errorf("%w: more than %d actors", errClaims, maxActors)
		}
		if a.Subject == "" {
			return fmt.Errorf("%w: an actor without sub", errClaims)
		}
	}
	namespace := c.namespace()
	for name := range c.Extra {
		_, resembles := reserved.Resembles(name)
		if name == "" || resembles || reserved.Has(name) || name == namespace {
			return fmt.Errorf("%w: %q is reserved", errClaims, name)
		}
	}
	return nil
}

// namespace is a name that nobody else can give a meaning to (RFC 7519 §4.2).
func (c Claims) namespace() string { return c.Issuer + "/claims" }

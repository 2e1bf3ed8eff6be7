package code

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// Grant is what a code stands for: what a person let a client have, and how it is to
// be fetched.
type Grant struct {
	ClientUID     string     `json:"client"`
	RedirectURI   string     `json:"redirect_uri"`
	RedirectNamed bool       `json:"redirect_named,omitempty"` // by the authorization request: then by the token request too
	Challenge     string     `json:"challenge"`                // PKCE, S256
	Thumbprint    string     `json:"jkt,omitempty"`            // of the key to which the code is bound (RFC 9449 §10)
	Resources     []Resource `json:"resources"`
	Identity      []string   `json:"identity,omitempty"` // openid and what goes with it
	Offline       bool       `json:"offline,omitempty"`
	Nonce         string     `json:"nonce,omitempty"`
	UserUID       string     `json:"user"`
	IdPUID        string     `json:"idp"`
	Session       Digest     `json:"session"`            // the digest under which the session rests
	AuthTime      time.Time  `json:"auth_time,omitzero"` // zero: the IdP does not say
	ACR           string     `json:"acr,omitempty"`
	AMR           []string   `json:"amr,omitempty"`
	DecisionID    string     `json:"decision,omitempty"`
	// Version is the tenant's when the person was asked: what was taken back at a higher one, the code does not give.
	Version int64 `json:"version,omitempty"`
}

// Resource is one that tokens may be for, with those of its scopes that were
// granted. What was made again under its URI has another uid, and is another one.
type Resource struct {
	UID    string   `json:"uid"`
	URI    string   `json:"uri"`
	Scopes []string `json:"scopes"`
}

// isWhole: a resource without scopes would be one for nothing, or for everything.
func (r Resource) isWhole() bool {
	return r.UID != "" && r.URI != "" && len(r.Scopes) > 0 && !slices.Contains(r.Scopes, "")
}

// Digest is a SHA-256 digest, written in base64url.
type Digest [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, d[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if !isDigest(string(text)) {
		return errForm
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	copy(d[:], raw)
	return err
}

var errIncomplete = errors.New("a code needs what it is bound to")

// validate refuses a grant in which a check would be empty.
func (g Grant) validate(now time.Time) error {
	for _, must := range []struct {
		name string
		is   bool
	}{
		{"a client", g.ClientUID != ""},
		{"a redirect URI", g.RedirectURI != ""},
		{"a PKCE challenge", isDigest(g.Challenge)},
		{"a key thumbprint, or none", g.Thumbprint == "" || isDigest(g.Thumbprint)},
		{"resources and scopes of each", len(g.Resources) > 0 && !slices.ContainsFunc(g.Resources, func(r Resource) bool { return !r.isWhole() })},
		{"a user", g.UserUID != ""},
		{"an IdP", g.IdPUID != ""},
		{"a session", g.Session != Digest{}},
		{"a version of its tenant", g.Version > 0},
		{"a past in which the person authenticated", !g.AuthTime.After(now.Add(federation.MaxClockSkew))}, // by its IdP's clock
	} {
		if !must.is {
			return fmt.Errorf("%w: %s", errIncomplete, must.name)
		}
	}
	return nil
}

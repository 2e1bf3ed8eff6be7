package ledger

import (
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// RevocationKey is a token's id as the key of its revocation: the id itself,
// filled up with zeros, so that SQL can compare it with a row of issued_tokens.
// It is false for what is no id of ours.
func RevocationKey(jti string) (key [32]byte, ok bool) {
	if _, ok = id.Time(id.Token, jti); !ok {
		return key, false
	}
	copy(key[:], jti) // tok_ and a ULID: 30 bytes
	return key, true
}

// Revocation is the redemption that ends a token. Nobody needs it after the
// token's expiry, so the sweeper that removes redemptions removes it too.
func Revocation(t tenant.UID, jti string, expires time.Time) (Redemption, bool) {
	key, ok := RevocationKey(jti)
	return Redemption{Tenant: t, Space: SpaceRevokedToken, Key: key, ExpiresAt: expires}, ok
}

// versioned notes on a token, and on a family that begins with it, which version
// of its tenant it was decided on: the one that the commit compares. The caller's
// own stay as they are.
func (e Entry) versioned() Entry {
	if e.Token == nil {
		return e
	}
	t := *e.Token
	for _, p := range e.Pictures {
		if p.Tenant == e.Tenant {
			t.Version = p.Version
		}
	}
	e.Token = &t
	if e.Family != nil {
		f := *e.Family
		f.Version = t.Version
		e.Family = &f
	}
	return e
}

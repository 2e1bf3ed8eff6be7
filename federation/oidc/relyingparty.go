package oidc

import (
	"errors"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// RelyingParty signs people in. It is safe for concurrent use; what it remembers is
// the metadata of IdPs, by owner and issuer.
type RelyingParty struct {
	door  Door
	keys  *jwks.Cache
	now   func() time.Time
	known *places
}

// New makes a RelyingParty.
func New(door Door, keys *jwks.Cache, now func() time.Time) *RelyingParty {
	return &RelyingParty{door: door, keys: keys, now: now, known: newPlaces()}
}

// ErrIncomplete is returned for a call in which a check would be empty. It is a mistake
// of the caller, not of who signs in.
var ErrIncomplete = errors.New("oidc: the call is incomplete")

// check refuses a call that could not check anything. owner is the tenant's uid, to
// which what is cached belongs.
func (rp *RelyingParty) check(owner string, e *Entry, trail *federation.Trail) error {
	if rp.door == nil || rp.keys == nil || rp.now == nil || rp.known == nil || owner == "" || e == nil {
		return ErrIncomplete
	}
	if err := e.Validate(); err != nil {
		return errors.Join(ErrIncomplete, err)
	}
	trail.For(e.Provider)
	if e.Provider.Disabled {
		return trail.Refuse(federation.CodeIssDisabled, "idp", e.Provider.Name, "an enabled entry", nil)
	}
	return nil
}

// Forget drops what is known of an IdP's endpoints, so that they are read anew: for an
// administrator who has seen that they moved and accepts it.
func (rp *RelyingParty) Forget(owner, issuer string) { rp.known.forget(owner, issuer) }

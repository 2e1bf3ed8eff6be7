package keys

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation/jwks"
)

var errNoSigner = errors.New("no active key for the algorithm")

// Ring is a tenant's keys at one time: immutable, and shared by all requests.
// Only the clock moves on in it: a prepared key begins to sign at its hour, a
// retiring one ends at its own.
type Ring struct {
	keys    []ringKey
	jwks    []byte
	longest time.Duration
	now     func() time.Time
}

type ringKey struct {
	pair
	state     State
	activeAt  time.Time
	expiresAt time.Time // zero: none
}

// signs is the rule of line in schedule.go. An active key is never early: a clock
// that went back must not leave a tenant without one.
func (k ringKey) signs(now time.Time) bool {
	return k.state == Active || k.state == Prepared && !now.Before(k.activeAt)
}

// newRing takes the keys that are published; revoked ones are not among them.
func newRing(keys []ringKey, longest time.Duration, now func() time.Time) *Ring {
	slices.SortFunc(keys, func(a, b ringKey) int {
		return cmp.Or(a.activeAt.Compare(b.activeAt), cmp.Compare(a.id, b.id))
	})
	list := make([][]byte, len(keys))
	for i, k := range keys {
		list[i] = k.jwk
	}
	set := slices.Concat([]byte(`{"keys":[`), bytes.Join(list, []byte(",")), []byte(`]}`))
	return &Ring{keys: keys, jwks: set, longest: longest, now: now}
}

// Signer returns the key that signs at this moment: of those that may, the one
// whose time came last.
func (r *Ring) Signer(algorithm string) (Signer, bool) {
	now := r.now()
	for i := len(r.keys) - 1; i >= 0; i-- {
		k := &r.keys[i]
		if k.algorithm == algorithm && k.signs(now) {
			return Signer{id: k.id, algorithm: k.algorithm, private: k.private, longest: r.longest}, true
		}
	}
	return Signer{}, false
}

// JWKS returns the key set to publish, as prepared bytes that must not be
// changed: prepared, active and retiring keys.
func (r *Ring) JWKS() []byte { return r.jwks }

// Keys returns the public keys that our tokens verify with at this moment.
func (r *Ring) Keys() []jwks.Key {
	now := r.now()
	public := make([]jwks.Key, 0, len(r.keys))
	for _, k := range r.keys {
		if k.expiresAt.IsZero() || now.Before(k.expiresAt) {
			public = append(public, k.public)
		}
	}
	return public
}

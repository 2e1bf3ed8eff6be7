package rehearsal

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/vault"
)

// throwaway makes signing keys that live as long as one rehearsal. They are published nowhere: what they sign
// verifies nowhere, and does not leave this package.
func throwaway(now func() time.Time) (*keys.Rings, error) {
	return keys.New(keys.Config{
		Store: &shelf{rows: map[string]keys.Row{}}, Sealer: open{}, Algorithm: keys.ES256, RotateEvery: 30 * 24 * time.Hour, JWKSMaxAge: time.Minute,
		LongestToken: object.MaxTokenLifetime, ClockSkew: federation.MaxClockSkew, RefreshEvery: time.Minute, Now: now,
	})
}

// shelf keeps keys in memory.
type shelf struct {
	mu   sync.Mutex
	rows map[string]keys.Row
}

// SigningKeys implements keys.Store.
func (s *shelf) SigningKeys(context.Context, tenant.UID) ([]keys.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.rows)), nil
}

// ChangeSigningKeys implements keys.Store.
func (s *shelf) ChangeSigningKeys(_ context.Context, c keys.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range slices.Concat(c.Insert, c.Update) {
		s.rows[row.KeyID] = row
	}
	for _, id := range c.Delete {
		delete(s.rows, id)
	}
	return nil
}

// open seals nothing: what it is given never rests anywhere.
type open struct{}

// Seal implements vault.Sealer.
func (open) Seal(_ context.Context, plaintext []byte, _ vault.AAD) ([]byte, error) {
	return slices.Clone(plaintext), nil
}

// Open implements vault.Sealer.
func (open) Open(_ context.Context, blob []byte, _ vault.AAD) ([]byte, error) {
	return slices.Clone(blob), nil
}

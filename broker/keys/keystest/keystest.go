// Package keystest gives tests a real key ring in one line: sealed by a real
// keyring, kept in memory. It is for tests only.
package keystest

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// Store keeps signing keys in memory, as keys.Store demands. The zero value is
// empty.
type Store struct {
	mu   sync.Mutex
	rows map[tenant.UID]map[string]keys.Row
}

var _ keys.Store = (*Store)(nil)

// SigningKeys implements keys.Store.
func (s *Store) SigningKeys(_ context.Context, t tenant.UID) ([]keys.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.rows[t])), nil
}

// ChangeSigningKeys implements keys.Store.
func (s *Store) ChangeSigningKeys(_ context.Context, c keys.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.rows[c.Tenant]
	if len(rows) != len(c.Before) {
		return keys.ErrConflict
	}
	for _, mark := range c.Before {
		if row, ok := rows[mark.KeyID]; !ok || row.State != mark.State {
			return keys.ErrConflict
		}
	}
	if s.rows == nil {
		s.rows = map[tenant.UID]map[string]keys.Row{}
	}
	if rows == nil {
		rows = map[string]keys.Row{}
		s.rows[c.Tenant] = rows
	}
	for _, row := range slices.Concat(c.Insert, c.Update) {
		rows[row.KeyID] = row
	}
	for _, id := range c.Delete {
		delete(rows, id)
	}
	return nil
}

// Rings makes key rings over a fresh store.
func Rings(t testing.TB, now func() time.Time) *keys.Rings {
	t.Helper()
	sealer, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), now())
	if err != nil {
		t.Fatal(err)
	}
	rings, err := keys.New(keys.Config{
		Store: &Store{}, Sealer: sealer, Algorithm: keys.ES256, RotateEvery: 720 * time.Hour,
		JWKSMaxAge: 5 * time.Minute, LongestToken: 24 * time.Hour, ClockSkew: time.Minute,
		RefreshEvery: 30 * time.Second, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rings
}

// Ring makes one tenant's ring with an active key for each algorithm.
func Ring(t testing.TB, now func() time.Time, algorithms ...string) *keys.Ring {
	t.Helper()
	rings, of := Rings(t, now), tenant.MustParseUID("ten_test")
	for _, algorithm := range algorithms {
		if _, err := rings.Signer(t.Context(), of, algorithm); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := rings.Ring(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

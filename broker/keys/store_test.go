package keys

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// memory is a Store with the semantics that the interface demands.
type memory struct {
	mu      sync.Mutex
	rows    map[tenant.UID]map[string]Row
	events  []audit.Event
	raised  []ledger.ChangedObject
	changes int
	failing error
}

func (m *memory) SigningKeys(_ context.Context, t tenant.UID) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return nil, m.failing
	}
	return slices.Collect(maps.Values(m.rows[t])), nil
}

func (m *memory) ChangeSigningKeys(_ context.Context, c Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return m.failing
	}
	rows := m.rows[c.Tenant]
	if len(rows) != len(c.Before) {
		return ErrConflict
	}
	for _, mark := range c.Before {
		if row, ok := rows[mark.KeyID]; !ok || row.State != mark.State {
			return ErrConflict
		}
	}
	if rows == nil {
		rows = map[string]Row{}
		m.rows[c.Tenant] = rows
	}
	for _, row := range append(slices.Clone(c.Insert), c.Update...) {
		rows[row.KeyID] = row
	}
	for _, id := range c.Delete {
		delete(rows, id)
	}
	m.events = append(m.events, c.Events...)
	m.raised = append(m.raised, c.Raise...)
	m.changes++
	return nil
}

func (m *memory) all(t tenant.UID, state State) []Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Row
	for _, row := range m.rows[t] {
		if row.State == state {
			found = append(found, row)
		}
	}
	return found
}

func (m *memory) edit(t tenant.UID, id string, change func(*Row)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.rows[t][id]
	change(&row)
	m.rows[t][id] = row
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var (
	start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	one   = tenant.MustParseUID("ten_1")
	two   = tenant.MustParseUID("ten_2")
	admin = audit.Principal{Kind: "token", Name: "admin"}
	errDB = errors.New("the database is gone")
)

// bench is one installation: a store, a keyring and a clock; each replica is a
// Rings of its own.
type bench struct {
	*clock
	store  *memory
	sealer *keyring.Keyring
	config Config
}

func newBench(t testing.TB) *bench {
	t.Helper()
	sealer, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), start)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{clock: &clock{at: start}, store: &memory{rows: map[tenant.UID]map[string]Row{}}, sealer: sealer}
	b.config = Config{
		Store: b.store, Sealer: sealer, Algorithm: ES256,
		RotateEvery: 720 * time.Hour, JWKSMaxAge: 5 * time.Minute, LongestToken: time.Hour,
		ClockSkew: time.Minute, RefreshEvery: 30 * time.Second, Now: b.now,
	}
	return b
}

func (b *bench) replica(t testing.TB) *Rings {
	t.Helper()
	r, err := New(b.config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ring(t testing.TB, r *Rings, of tenant.UID) *Ring {
	t.Helper()
	got, err := r.Ring(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func signer(t testing.TB, r *Rings, of tenant.UID, algorithm string) Signer {
	t.Helper()
	s, err := r.Signer(t.Context(), of, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var _ vault.Sealer = (*keyring.Keyring)(nil)

// uncertain writes, and then loses the connection.
type uncertain struct{ *memory }

func (u *uncertain) ChangeSigningKeys(ctx context.Context, c Change) error {
	if err := u.memory.ChangeSigningKeys(ctx, c); err != nil {
		return err
	}
	return errDB
}

// Package objecttest keeps objects in memory, for tests of what stands on stores:
// the path on which objects change, and the admin API. It behaves as the stores
// must (package storetest holds those to it) and knows no database.
package objecttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Memory implements object.Store, object.KeyFinder and object.Secrets.
type Memory struct {
	mu       sync.Mutex
	live     map[string]object.Stored // by uid
	buried   map[string]bool          // names of what was deleted
	secrets  []object.Secret
	versions map[tenant.UID]int64

	Changes []object.Change // every change that was applied
	Events  []audit.Event
	Fail    error // if set, what every write answers
	// Before is called by every Apply before it looks, with the versions: another replica.
	Before func(versions map[tenant.UID]int64)
}

// New returns an empty store.
func New() *Memory {
	return &Memory{live: map[string]object.Stored{}, buried: map[string]bool{}, versions: map[tenant.UID]int64{}}
}

var (
	_ object.Store     = (*Memory)(nil)
	_ object.KeyFinder = (*Memory)(nil)
	_ object.Secrets   = (*Memory)(nil)
)

// Tenants implements object.Store.
func (m *Memory) Tenants(context.Context) ([]object.Stored, error) {
	return m.find(func(s object.Stored) bool { return s.Kind == object.KindTenant }), nil
}

// Tenant implements object.Store.
func (m *Memory) Tenant(_ context.Context, name string) (object.Stored, error) {
	return one(m.find(func(s object.Stored) bool { return s.Kind == object.KindTenant && s.Name == name }))
}

// Get implements object.Store.
func (m *Memory) Get(_ context.Context, t tenant.UID, kind object.Kind, name string) (object.Stored, error) {
	if err := t.Check(); err != nil {
		return object.Stored{}, err
	}
	return one(m.find(func(s object.Stored) bool { return s.Tenant == t && s.Kind == kind && s.Name == name }))
}

// List implements object.Store.
func (m *Memory) List(_ context.Context, t tenant.UID, kind object.Kind, after string, limit int) ([]object.Stored, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	found := m.find(func(s object.Stored) bool { return s.Tenant == t && s.Kind == kind && s.Name > after })
	return found[:min(limit, len(found))], nil
}

// Buried implements object.Store.
func (m *Memory) Buried(_ context.Context, t tenant.UID, kind object.Kind, names []string) ([]string, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []string
	for _, name := range names {
		if m.buried[grave(t, kind, name)] {
			found = append(found, name)
		}
	}
	return found, nil
}

func grave(t tenant.UID, kind object.Kind, name string) string {
	return t.String() + "/" + string(kind) + "/" + name
}

// FindByKey implements object.KeyFinder.
func (m *Memory) FindByKey(_ context.Context, t tenant.UID, space, value string) ([]object.Stored, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	return m.find(func(s object.Stored) bool {
		return s.Tenant == t && slices.ContainsFunc(s.Keys, func(k object.Key) bool { return k.Space == space && k.Value == value })
	}), nil
}

func (m *Memory) find(match func(object.Stored) bool) []object.Stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []object.Stored
	for _, s := range m.live {
		if match(s) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b object.Stored) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func one(found []object.Stored) (object.Stored, error) {
	if len(found) == 0 {
		return object.Stored{}, object.ErrNotFound
	}
	return found[0], nil
}

// Version implements object.Store.
func (m *Memory) Version(_ context.Context, t tenant.UID) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.versions[t], t.Check()
}

// Apply implements object.Store.
func (m *Memory) Apply(_ context.Context, w object.Write) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Before != nil {
		m.Before(m.versions)
	}
	if m.Fail != nil {
		return 0, m.Fail
	}
	if err := w.Tenant.Check(); err != nil {
		return 0, err
	}
	if w.Expect != 0 && w.Expect != m.versions[w.Tenant] {
		return 0, object.ErrMoved
	}
	next := maps.Clone(m.live)
	raise := len(w.Secrets) > 0
	for _, c := range w.Changes {
		if c.Tenant != w.Tenant {
			return 0, tenant.ErrNoTenant
		}
		if next[c.UID].Revision+1 != c.Revision {
			return 0, object.ErrConflict
		}
		raise = raise || c.Narrows
		if c.Deleted {
			delete(next, c.UID)
			continue
		}
		next[c.UID] = c.Stored
	}
	if err := consistent(next); err != nil {
		return 0, err
	}
	for _, c := range w.Changes {
		if c.Deleted {
			m.buried[grave(w.Tenant, c.Kind, c.Name)] = true
		}
	}
	m.live, m.Changes, m.Events = next, append(m.Changes, w.Changes...), append(m.Events, w.Events...)
	for _, s := range w.Secrets {
		if s.Add != nil {
			m.secrets = append(m.secrets, *s.Add)
			continue
		}
		m.secrets = slices.DeleteFunc(m.secrets, func(old object.Secret) bool { return old.ID == s.Revoke })
	}
	if !raise {
		return 0, nil
	}
	m.versions[w.Tenant]++
	return m.versions[w.Tenant], nil
}

func consistent(live map[string]object.Stored) error {
	taken := map[string]string{}
	for uid, s := range live {
		held := []string{string(s.Kind) + "/" + s.Name}
		if s.Kind == object.KindTenant {
			held[0] = "tenant/" + s.Name
		} else {
			held[0] = s.Tenant.String() + held[0]
		}
		for _, k := range s.Keys {
			if k.Exclusive {
				held = append(held, s.Tenant.String()+"key/"+k.Space+"/"+k.Value)
			}
		}
		for i, h := range held {
			if other, found := taken[h]; found && other != uid {
				if i == 0 {
					return object.ErrConflict
				}
				return fmt.Errorf("%w: %s", object.ErrKeyTaken, h)
			}
			taken[h] = uid
		}
	}
	return nil
}

// Secrets implements object.Secrets.
func (m *Memory) Secrets(_ context.Context, t tenant.UID, clientUID string) ([]object.Secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := t.Check(); err != nil {
		return nil, err
	}
	var found []object.Secret
	for _, s := range m.secrets {
		if s.ClientUID == clientUID && m.live[clientUID].Tenant == t {
			found = append(found, s)
		}
	}
	return found, nil
}

// AddSecret implements object.Secrets.
func (m *Memory) AddSecret(ctx context.Context, t tenant.UID, s object.Secret, e audit.Event) (int64, error) {
	live, err := m.Secrets(ctx, t, s.ClientUID)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(live) >= client.MaxLiveSecrets {
		return 0, object.ErrTooManySecrets
	}
	m.secrets, m.Events = append(m.secrets, s), append(m.Events, e)
	return 0, m.Fail
}

// RevokeSecret implements object.Secrets.
func (m *Memory) RevokeSecret(_ context.Context, t tenant.UID, clientUID, id string, _ time.Time, e audit.Event) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.secrets, func(s object.Secret) bool {
		return s.ID == id && s.ClientUID == clientUID && m.live[clientUID].Tenant == t
	})
	if i < 0 {
		return 0, object.ErrNotFound
	}
	m.secrets, m.Events = slices.Delete(m.secrets, i, i+1), append(m.Events, e)
	m.versions[t]++
	return m.versions[t], m.Fail
}

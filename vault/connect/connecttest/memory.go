package connecttest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
)

// Memory is a store without a database.
type Memory struct {
	mu    sync.Mutex
	links []connect.Link
	trips []connect.Trip
	held  *connectiontest.Memory
	made  []connect.Made
	ended map[string]int64 // uid → version of its mark
	away  map[string]bool
}

var _ connect.Store = (*Memory)(nil)

// ErrAway is what Break makes of a method.
var ErrAway = errors.New("the store is away")

// NewMemory makes an empty store beside one of connections.
func NewMemory(held *connectiontest.Memory) *Memory {
	return &Memory{held: held, ended: map[string]int64{}, away: map[string]bool{}}
}

// Break lets a method fail from now on.
func (m *Memory) Break(method string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away[method] = true
}

// End marks a user or a client as revoked at a version.
func (m *Memory) End(uid string, version int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended[uid] = version
}

// Made lists what was finished.
func (m *Memory) Made() []connect.Made {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.made)
}

// Trips counts the trips at a stage.
func (m *Memory) Trips(stage connect.Stage) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, t := range m.trips {
		if t.Stage == stage {
			n++
		}
	}
	return n
}

// WaitingLinks implements connect.Store.
func (m *Memory) WaitingLinks(_ context.Context, o connect.Order, now time.Time) ([]connect.Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []connect.Link
	for _, l := range slices.Backward(m.links) {
		if l.Tenant == o.Tenant && l.UserUID == o.UserUID && l.ClientUID == o.ClientUID && l.ProviderUID == o.ProviderUID && l.ExpiresAt.After(now) {
			found = append(found, l)
		}
	}
	return found, nil
}

// KeepLink implements connect.Store.
func (m *Memory) KeepLink(_ context.Context, l connect.Link, most int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	same := func(one connect.Link) bool {
		return one.Tenant == l.Tenant && one.UserUID == l.UserUID && one.ClientUID == l.ClientUID && one.ExpiresAt.After(l.BegunAt)
	}
	for count(m.links, same) >= most {
		at := slices.IndexFunc(m.links, same)
		m.links = slices.Delete(m.links, at, at+1)
	}
	m.links = append(m.links, l)
	return nil
}

func count[T any](list []T, is func(T) bool) int {
	n := 0
	for _, one := range list {
		if is(one) {
			n++
		}
	}
	return n
}

// FindLink implements connect.Store.
func (m *Memory) FindLink(_ context.Context, tenant string, handle [sha256.Size]byte) (connect.Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.links {
		if l.Tenant == tenant && l.Handle == handle {
			return l, nil
		}
	}
	return connect.Link{}, connect.ErrGone
}

// KeepTrip implements connect.Store.
func (m *Memory) KeepTrip(_ context.Context, t connect.Trip, most int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away["KeepTrip "+string(t.Stage)] {
		return ErrAway
	}
	same := func(one connect.Trip) bool {
		return one.Tenant == t.Tenant && one.UserUID == t.UserUID && one.Stage == t.Stage && one.ExpiresAt.After(t.BegunAt)
	}
	for count(m.trips, same) >= most {
		at := slices.IndexFunc(m.trips, same)
		if t.Stage == connect.Arrived {
			m.trips[at].ExpiresAt = t.BegunAt
		} else {
			m.trips = slices.Delete(m.trips, at, at+1)
		}
	}
	m.trips = append(m.trips, t)
	return nil
}

// FindTrip implements connect.Store.
func (m *Memory) FindTrip(_ context.Context, tenant string, stage connect.Stage, handle [sha256.Size]byte) (connect.Trip, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.trips {
		if t.Tenant == tenant && t.Stage == stage && t.Handle == handle {
			return t, nil
		}
	}
	return connect.Trip{}, connect.ErrGone
}

// TakeTrip implements connect.Store.
func (m *Memory) TakeTrip(_ context.Context, tenant string, handle [sha256.Size]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.take(tenant, handle)
}

func (m *Memory) take(tenant string, handle [sha256.Size]byte) error {
	at := slices.IndexFunc(m.trips, func(t connect.Trip) bool { return t.Tenant == tenant && t.Handle == handle })
	if at < 0 {
		return connect.ErrGone
	}
	m.trips = slices.Delete(m.trips, at, at+1)
	return nil
}

// Finish implements connect.Store.
func (m *Memory) Finish(_ context.Context, made connect.Made, s connection.Stored) error {
	return m.finish(made, func() error {
		held, err := m.held.Find(context.Background(), s.Tenant, s.Owner, s.Provider)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(one connection.Connection) bool { return one.Account.ID == s.Account.ID }) {
			return connection.ErrTaken
		}
		return m.held.Create(context.Background(), s)
	})
}

// FinishAgain implements connect.Store.
func (m *Memory) FinishAgain(_ context.Context, made connect.Made, ref connection.Ref, from int64, s connection.Successor) error {
	return m.finish(made, func() error {
		now, err := m.held.Load(context.Background(), ref.Tenant, ref.ID)
		if err != nil || now.Version != from || now.Status == connection.Suspended {
			return connection.ErrMoved
		}
		return m.held.Alter(ref.Tenant, ref.ID, func(one *connection.Stored) {
			one.Version, one.Blob, one.KeyID, one.SealedAt, one.Scopes = from+1, s.Blob, s.KeyID, s.SealedAt, s.Scopes
			one.ExpiresAt, one.RefreshAt, one.Status, one.Reason, one.Account.Label = s.ExpiresAt, s.RefreshAt, connection.Connected, "", made.Account.Label
		})
	})
}

func (m *Memory) finish(made connect.Made, write func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := made.Trip
	if m.ended[t.UserUID] > t.Version || t.ClientUID != "" && m.ended[t.ClientUID] > t.Version {
		return connect.ErrEnded
	}
	at := slices.IndexFunc(m.trips, func(one connect.Trip) bool {
		return one.Tenant == t.Tenant && one.Handle == t.Handle && one.Stage == connect.Arrived && one.UserUID == t.UserUID && one.ExpiresAt.After(made.At)
	})
	link := -1
	if t.Link != [sha256.Size]byte{} {
		link = slices.IndexFunc(m.links, func(l connect.Link) bool {
			return l.Tenant == t.Tenant && l.Handle == t.Link && l.UserUID == t.UserUID && l.ExpiresAt.After(made.At)
		})
		if link < 0 {
			return connect.ErrGone
		}
	}
	if at < 0 {
		return connect.ErrGone
	}
	if err := write(); err != nil {
		return err
	}
	m.trips = slices.Delete(m.trips, at, at+1)
	if link >= 0 {
		m.links = slices.Delete(m.links, link, link+1)
	}
	m.made = append(m.made, made)
	return nil
}

// EndedTrips implements connect.Store.
func (m *Memory) EndedTrips(_ context.Context, tenant string, before time.Time, limit int) ([]connect.Trip, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []connect.Trip
	for _, t := range m.trips {
		if t.Tenant == tenant && t.Stage == connect.Arrived && !t.ExpiresAt.After(before) && len(found) < limit {
			found = append(found, t)
		}
	}
	return found, nil
}

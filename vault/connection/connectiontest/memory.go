package connectiontest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
)

// Memory is a store without a database. Break makes the named method fail, once for each time that it is named.
type Memory struct {
	mu    sync.Mutex
	rows  map[[2]string]*row
	now   func() time.Time
	fails map[string]int
}

type row struct {
	connection.Stored
	retryAt time.Time
}

var _ connection.Store = (*Memory)(nil)

// NewMemory makes an empty store with a clock of its own.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{rows: map[[2]string]*row{}, now: now, fails: map[string]int{}}
}

// ErrAway is what Break makes of a method.
var ErrAway = errors.New("the store is away")

// Break lets a method fail so many times.
func (m *Memory) Break(method string, times int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails[method] = times
}

func (m *Memory) enter(ctx context.Context, method string) error {
	m.mu.Lock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.fails[method] > 0 {
		m.fails[method]--
		return ErrAway
	}
	return nil
}

// Create puts a connection there.
func (m *Memory) Create(_ context.Context, s connection.Stored) error {
	if err := s.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Flight = connection.Flight{State: connection.Idle}
	m.rows[[2]string{s.Tenant, s.ID}] = &row{Stored: copied(s)}
	return nil
}

// Remove takes one away.
func (m *Memory) Remove(_ context.Context, tenant, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, [2]string{tenant, id})
	return nil
}

// SetStatus changes what may be done with one.
func (m *Memory) SetStatus(_ context.Context, tenant, id string, to connection.Status, reason string) error {
	return m.Alter(tenant, id, func(s *connection.Stored) { s.Status, s.Reason = to, reason })
}

// Alter does to a row what somebody with the database could do.
func (m *Memory) Alter(tenant, id string, change func(*connection.Stored)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[[2]string{tenant, id}]
	if r == nil {
		return connection.ErrGone
	}
	change(&r.Stored)
	return nil
}

// Find implements connection.Store.
func (m *Memory) Find(ctx context.Context, tenant string, owner connection.Owner, provider string) ([]connection.Connection, error) {
	held, err := m.held(ctx, "Find", tenant, owner, provider)
	var found []connection.Connection
	for _, s := range held {
		found = append(found, s.Connection)
	}
	return found, err
}

// Held implements connection.Store.
func (m *Memory) Held(ctx context.Context, tenant string, owner connection.Owner, provider string) ([]connection.Stored, error) {
	return m.held(ctx, "Held", tenant, owner, provider)
}

func (m *Memory) held(ctx context.Context, method, tenant string, owner connection.Owner, provider string) ([]connection.Stored, error) {
	err := m.enter(ctx, method)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if tenant == "" {
		return nil, connection.ErrIncomplete
	}
	var found []connection.Stored
	for _, r := range m.rows {
		if r.Tenant == tenant && r.Owner == owner && r.Provider == provider && r.Status != connection.Revoked {
			found = append(found, m.seen(r))
		}
	}
	slices.SortFunc(found, func(a, b connection.Stored) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

// Load implements connection.Store.
func (m *Memory) Load(ctx context.Context, tenant, id string) (connection.Stored, error) {
	err := m.enter(ctx, "Load")
	defer m.mu.Unlock()
	if err != nil {
		return connection.Stored{}, err
	}
	if tenant == "" {
		return connection.Stored{}, connection.ErrIncomplete
	}
	r := m.rows[[2]string{tenant, id}]
	if r == nil {
		return connection.Stored{}, connection.ErrGone
	}
	return m.seen(r), nil
}

func (m *Memory) seen(r *row) connection.Stored {
	s := copied(r.Stored)
	if s.Flight.State == connection.InFlight {
		s.Flight.Age = m.now().Sub(s.Flight.Since)
	}
	s.RetryIn = max(0, r.retryAt.Sub(m.now()))
	return s
}

// Begin implements connection.Store.
func (m *Memory) Begin(ctx context.Context, a connection.Attempt) error {
	err := m.enter(ctx, "Begin")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := a.Validate(); err != nil {
		return err
	}
	r := m.rows[[2]string{a.Tenant, a.ID}]
	if r == nil || r.Version != a.Version || r.Status != connection.Connected || r.retryAt.After(m.now()) {
		return connection.ErrMoved
	}
	over := ""
	if r.Flight.State == connection.InFlight {
		over = r.Flight.Attempt
	}
	if over != a.Over {
		return connection.ErrMoved
	}
	r.Flight = connection.Flight{State: connection.InFlight, Attempt: a.Name, By: a.By, Since: m.now()}
	if r.RepeatUntil.IsZero() {
		r.RepeatUntil = a.RepeatUntil
	}
	return nil
}

// Save implements connection.Store.
func (m *Memory) Save(ctx context.Context, a connection.Attempt, s connection.Successor) error {
	err := m.enter(ctx, "Save")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := errors.Join(a.Validate(), s.Validate()); err != nil {
		return err
	}
	r := m.rows[[2]string{a.Tenant, a.ID}]
	switch {
	case r == nil:
		return connection.ErrGone
	case r.Flight.Attempt != a.Name:
		return connection.ErrMoved
	case r.Flight.State == connection.Saved && r.Version == a.Version+1:
		return nil
	case r.Version != a.Version || r.Flight.State != connection.InFlight && r.Flight.State != connection.Lost:
		return connection.ErrMoved
	}
	if r.Flight.State == connection.Lost && r.Status == connection.ReauthorizationRequired {
		r.Status, r.Reason = connection.Connected, ""
	}
	r.Flight.State, r.Version, r.UpdatedAt = connection.Saved, a.Version+1, m.now()
	r.Blob, r.KeyID, r.SealedAt = bytes.Clone(s.Blob), s.KeyID, s.SealedAt
	r.Scopes, r.ExpiresAt, r.RefreshAt = slices.Clone(s.Scopes), s.ExpiresAt, s.RefreshAt
	r.Failures, r.Failure, r.retryAt, r.RepeatUntil = 0, "", time.Time{}, time.Time{}
	return nil
}

// Fail implements connection.Store.
func (m *Memory) Fail(ctx context.Context, a connection.Attempt, f connection.Failure) error {
	err := m.enter(ctx, "Fail")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := a.Validate(); err != nil {
		return err
	}
	r := m.rows[[2]string{a.Tenant, a.ID}]
	if r == nil || r.Flight.State != connection.InFlight || r.Flight.Attempt != a.Name {
		return connection.ErrMoved
	}
	r.Flight.State = connection.Idle
	if f.Lost {
		r.Flight.State = connection.Lost
	}
	if f.Terminal && r.Status == connection.Connected {
		r.Status, r.Reason = connection.ReauthorizationRequired, f.Code
	}
	if f.Blame {
		r.Failures++
	}
	if r.RepeatUntil.IsZero() {
		r.RepeatUntil = f.RepeatUntil
	}
	r.Failure, r.retryAt, r.UpdatedAt = f.Code, m.now().Add(f.RetryIn), m.now()
	return nil
}

// Touch implements connection.Store.
func (m *Memory) Touch(ctx context.Context, tenant, id, by string, at time.Time) error {
	err := m.enter(ctx, "Touch")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	r := m.rows[[2]string{tenant, id}]
	if r != nil && r.LastUsedAt.Before(at) {
		r.LastUsedAt, r.LastUsedBy = at, by
	}
	return nil
}

// RewrapNext implements connection.Store.
func (m *Memory) RewrapNext(ctx context.Context, tenant, keyID, after string, limit int) ([]connection.Stored, error) {
	err := m.enter(ctx, "RewrapNext")
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	all := m.sealedOtherwise(tenant, keyID, after)
	slices.SortFunc(all, func(a, b connection.Stored) int { return strings.Compare(a.ID, b.ID) })
	return all[:min(limit, len(all))], nil
}

// RewrapLeft implements connection.Store.
func (m *Memory) RewrapLeft(ctx context.Context, tenant, keyID string) (int64, error) {
	err := m.enter(ctx, "RewrapLeft")
	defer m.mu.Unlock()
	return int64(len(m.sealedOtherwise(tenant, keyID, ""))), err
}

func (m *Memory) sealedOtherwise(tenant, keyID, after string) []connection.Stored {
	var all []connection.Stored
	for _, r := range m.rows {
		if r.Tenant == tenant && r.KeyID != keyID && r.ID > after {
			all = append(all, m.seen(r))
		}
	}
	return all
}

// Rewrap implements connection.Store.
func (m *Memory) Rewrap(ctx context.Context, from connection.Stored, s connection.Successor) error {
	err := m.enter(ctx, "Rewrap")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	r := m.rows[[2]string{from.Tenant, from.ID}]
	if r == nil || r.Version != from.Version || !bytes.Equal(r.Blob, from.Blob) {
		return connection.ErrMoved
	}
	r.Blob, r.KeyID, r.SealedAt = bytes.Clone(s.Blob), s.KeyID, s.SealedAt
	return nil
}

func copied(s connection.Stored) connection.Stored {
	s.Blob, s.Scopes = bytes.Clone(s.Blob), slices.Clone(s.Scopes)
	return s
}

// Package approvaltest keeps approvals in memory, as a database would: of any number who answer
// at a time one does. It is for tests only.
package approvaltest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Memory is an approval.Store.
type Memory struct {
	mu     sync.Mutex
	rows   []approval.Approval
	gone   map[string]bool
	Events []audit.Event
	// Fail is what every method answers, if it is not nil.
	Fail error
}

var _ approval.Store = (*Memory)(nil)

// Use is what the ledger does with a redemption.
func (m *Memory) Use(id string) { m.end(id) }

func (m *Memory) end(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone == nil {
		m.gone = map[string]bool{}
	}
	m.gone[id] = true
}

func (m *Memory) find(now time.Time, fits func(approval.Approval) bool) (int, error) {
	if m.Fail != nil {
		return 0, m.Fail
	}
	for i, a := range slices.Backward(m.rows) {
		if !m.gone[a.ID] && now.Before(a.ExpiresAt) && fits(a) {
			return i, nil
		}
	}
	return 0, approval.ErrGone
}

func (m *Memory) one(now time.Time, fits func(approval.Approval) bool) (approval.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(now, fits)
	if err != nil {
		return approval.Approval{}, err
	}
	return m.rows[i], nil
}

// Live implements approval.Store.
func (m *Memory) Live(_ context.Context, t tenant.UID, binding [32]byte, now time.Time) (approval.Approval, error) {
	return m.one(now, func(a approval.Approval) bool { return a.Tenant == t && a.Binding == binding })
}

// Find implements approval.Store.
func (m *Memory) Find(_ context.Context, t tenant.UID, id string, now time.Time) (approval.Approval, error) {
	return m.one(now, func(a approval.Approval) bool { return a.Tenant == t && a.ID == id })
}

// Begin implements approval.Store.
func (m *Memory) Begin(ctx context.Context, a approval.Approval, most int, e audit.Event) (approval.Approval, error) {
	if live, err := m.Live(ctx, a.Tenant, a.Binding, a.BegunAt); err == nil {
		return live, nil
	}
	waiting, err := m.Waiting(ctx, a.Tenant, a.BegunAt, 1000)
	if err != nil {
		return approval.Approval{}, err
	}
	waiting = slices.DeleteFunc(waiting, func(w approval.Approval) bool { return w.ClientUID != a.ClientUID || w.UserUID != a.UserUID })
	if len(waiting) >= most {
		return approval.Approval{}, approval.ErrCrowded
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows, m.Events = append(m.rows, a), append(m.Events, e)
	return a, nil
}

// Waiting implements approval.Store.
func (m *Memory) Waiting(_ context.Context, t tenant.UID, now time.Time, most int) ([]approval.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []approval.Approval
	for _, a := range m.rows {
		if a.Tenant == t && a.State == approval.Waiting && !m.gone[a.ID] && now.Before(a.ExpiresAt) && len(found) < most {
			found = append(found, a)
		}
	}
	return found, m.Fail
}

// Say implements approval.Store.
func (m *Memory) Say(_ context.Context, t tenant.UID, id string, w approval.Word, e audit.Event) (approval.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(w.At, func(a approval.Approval) bool { return a.Tenant == t && a.ID == id })
	if err != nil {
		return approval.Approval{}, err
	}
	after, err := m.rows[i].Say(w)
	if err != nil {
		return approval.Approval{}, err
	}
	m.rows[i], m.Events = after, append(m.Events, e)
	return after, nil
}

// Lapse implements approval.Store.
func (m *Memory) Lapse(_ context.Context, _ tenant.UID, id string, e audit.Event) error {
	m.end(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Events = append(m.Events, e)
	return m.Fail
}

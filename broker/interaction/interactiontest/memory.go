// Package interactiontest has a store of interactions in memory, for the tests of
// those who begin them and of those who finish them.
package interactiontest

import (
	"context"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Memory is a store that keeps nothing for long.
type Memory struct {
	All    []interaction.Interaction // the newest last
	Events []audit.Event
	Fail   error // of every call that would have succeeded
}

func (m *Memory) where(is func(interaction.Interaction) bool) []interaction.Interaction {
	var found []interaction.Interaction
	for _, i := range slices.Backward(m.All) {
		if is(i) {
			found = append(found, i)
		}
	}
	return found
}

func of(t interaction.Triple, i interaction.Interaction) bool {
	return i.Tenant == t.Tenant && i.UserUID == t.UserUID && i.ClientUID == t.ClientUID && i.ResourceUID == t.ResourceUID
}

// Waiting implements interaction.Store.
func (m *Memory) Waiting(_ context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return m.where(func(i interaction.Interaction) bool {
		return of(t, i) && i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	}), m.Fail
}

// Counting implements interaction.Store.
func (m *Memory) Counting(_ context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return m.where(func(i interaction.Interaction) bool {
		return of(t, i) && !i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	}), m.Fail
}

// Keep implements interaction.Store.
func (m *Memory) Keep(_ context.Context, i interaction.Interaction, most int, e audit.Event) error {
	waiting := 0
	m.All = slices.DeleteFunc(append(m.All, i), func(o interaction.Interaction) bool {
		return o.FinishedAt.IsZero() && o.Handle != i.Handle && o.UserUID == i.UserUID && o.ClientUID == i.ClientUID && func() bool { waiting++; return waiting > most-1 }()
	})
	m.Events = append(m.Events, e)
	return m.Fail
}

// Find implements interaction.Store.
func (m *Memory) Find(_ context.Context, t tenant.UID, handle [32]byte, now time.Time) (interaction.Interaction, error) {
	found := m.where(func(i interaction.Interaction) bool {
		return i.Tenant == t && i.Handle == handle && i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	})
	if len(found) != 1 {
		return interaction.Interaction{}, interaction.ErrGone
	}
	return found[0], m.Fail
}

func (m *Memory) change(t tenant.UID, handle [32]byte, do func(i *interaction.Interaction)) error {
	for at := range m.All {
		if i := &m.All[at]; i.Tenant == t && i.Handle == handle && i.FinishedAt.IsZero() {
			do(i)
			return m.Fail
		}
	}
	return interaction.ErrGone
}

// Depart implements interaction.Store.
func (m *Memory) Depart(_ context.Context, t tenant.UID, handle, before [32]byte, now time.Time) error {
	return m.change(t, handle, func(i *interaction.Interaction) { i.DepartedAt, i.Before = now, before })
}

// Finish implements interaction.Store.
func (m *Memory) Finish(_ context.Context, f interaction.Interaction, e audit.Event) error {
	m.Events = append(m.Events, e)
	return m.change(f.Tenant, f.Handle, func(i *interaction.Interaction) { *i = f })
}

package interaction_test

import (
	"context"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// memory is a store that keeps nothing for long.
type memory struct {
	all    []interaction.Interaction
	events []audit.Event
	fail   error
}

func (m *memory) where(is func(interaction.Interaction) bool) []interaction.Interaction {
	var found []interaction.Interaction
	for _, i := range slices.Backward(m.all) {
		if is(i) {
			found = append(found, i)
		}
	}
	return found
}

func of(t interaction.Triple, i interaction.Interaction) bool {
	return i.Tenant == t.Tenant && i.UserUID == t.UserUID && i.ClientUID == t.ClientUID && i.ResourceUID == t.ResourceUID
}

func (m *memory) Waiting(_ context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return m.where(func(i interaction.Interaction) bool {
		return of(t, i) && i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	}), m.fail
}

func (m *memory) Counting(_ context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return m.where(func(i interaction.Interaction) bool {
		return of(t, i) && !i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	}), m.fail
}

func (m *memory) Keep(_ context.Context, i interaction.Interaction, most int, e audit.Event) error {
	waiting := 0
	m.all = slices.DeleteFunc(append(m.all, i), func(o interaction.Interaction) bool {
		return o.FinishedAt.IsZero() && o.Handle != i.Handle && o.UserUID == i.UserUID && o.ClientUID == i.ClientUID && func() bool { waiting++; return waiting > most-1 }()
	})
	m.events = append(m.events, e)
	return m.fail
}

func (m *memory) Find(_ context.Context, t tenant.UID, handle [32]byte, now time.Time) (interaction.Interaction, error) {
	found := m.where(func(i interaction.Interaction) bool {
		return i.Tenant == t && i.Handle == handle && i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	})
	if len(found) != 1 {
		return interaction.Interaction{}, interaction.ErrGone
	}
	return found[0], m.fail
}

func (m *memory) change(t tenant.UID, handle [32]byte, do func(i *interaction.Interaction)) error {
	for at := range m.all {
		if i := &m.all[at]; i.Tenant == t && i.Handle == handle && i.FinishedAt.IsZero() {
			do(i)
			return m.fail
		}
	}
	return interaction.ErrGone
}

func (m *memory) Depart(_ context.Context, t tenant.UID, handle, before [32]byte, now time.Time) error {
	return m.change(t, handle, func(i *interaction.Interaction) { i.DepartedAt, i.Before = now, before })
}

func (m *memory) Finish(_ context.Context, f interaction.Interaction, e audit.Event) error {
	m.events = append(m.events, e)
	return m.change(f.Tenant, f.Handle, func(i *interaction.Interaction) { *i = f })
}

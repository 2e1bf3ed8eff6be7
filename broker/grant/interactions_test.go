package grant_test

import (
	"context"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// links is a store that keeps nothing for long.
type links struct {
	all    []interaction.Interaction
	events []audit.Event
	fail   error
}

func (m *links) where(is func(interaction.Interaction) bool) []interaction.Interaction {
	var found []interaction.Interaction
	for _, i := range slices.Backward(m.all) {
		if is(i) {
			found = append(found, i)
		}
	}
	return found
}

func ofTriple(t interaction.Triple, i interaction.Interaction) bool {
	return i.Tenant == t.Tenant && i.UserUID == t.UserUID && i.ClientUID == t.ClientUID && i.ResourceUID == t.ResourceUID
}

func (m *links) Waiting(_ context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return m.where(func(i interaction.Interaction) bool {
		return ofTriple(t, i) && i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	}), m.fail
}

func (m *links) Counting(_ context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return m.where(func(i interaction.Interaction) bool {
		return ofTriple(t, i) && !i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	}), m.fail
}

func (m *links) Keep(_ context.Context, i interaction.Interaction, most int, e audit.Event) error {
	waiting := 0
	m.all = slices.DeleteFunc(append(m.all, i), func(o interaction.Interaction) bool {
		return o.FinishedAt.IsZero() && o.Handle != i.Handle && o.UserUID == i.UserUID && o.ClientUID == i.ClientUID && func() bool { waiting++; return waiting > most-1 }()
	})
	m.events = append(m.events, e)
	return m.fail
}

func (m *links) Find(_ context.Context, t tenant.UID, handle [32]byte, now time.Time) (interaction.Interaction, error) {
	found := m.where(func(i interaction.Interaction) bool {
		return i.Tenant == t && i.Handle == handle && i.FinishedAt.IsZero() && now.Before(i.ExpiresAt)
	})
	if len(found) != 1 {
		return interaction.Interaction{}, interaction.ErrGone
	}
	return found[0], m.fail
}

func (m *links) change(t tenant.UID, handle [32]byte, do func(i *interaction.Interaction)) error {
	for at := range m.all {
		if i := &m.all[at]; i.Tenant == t && i.Handle == handle && i.FinishedAt.IsZero() {
			do(i)
			return m.fail
		}
	}
	return interaction.ErrGone
}

func (m *links) Depart(_ context.Context, t tenant.UID, handle, before [32]byte, now time.Time) error {
	return m.change(t, handle, func(i *interaction.Interaction) { i.DepartedAt, i.Before = now, before })
}

func (m *links) Finish(_ context.Context, f interaction.Interaction, e audit.Event) error {
	m.events = append(m.events, e)
	return m.change(f.Tenant, f.Handle, func(i *interaction.Interaction) { *i = f })
}

package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// made returns a tenant's keys, and makes the first of each purpose if there is none.
func (s *ServiceProviders) made(ctx context.Context, t tenant.UID) ([]ServiceProviderRow, error) {
	var rows []ServiceProviderRow
	err := s.decide(ctx, t, system(), func(p *provision) error {
		rows = p.rows
		for _, purpose := range Purposes() {
			if len(inUse(p.rows, purpose, p.now)) > 0 {
				continue
			}
			row, err := p.insert(ctx, purpose, Active, p.now)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// Refresh does what is due to the keys of a tenant that has some: a successor is published before the certificate in use
// ends, takes over when it has been published long enough, and what it succeeded goes.
func (s *ServiceProviders) Refresh(ctx context.Context, t tenant.UID) error {
	return s.decide(ctx, t, system(), func(p *provision) error {
		for _, purpose := range Purposes() {
			if err := p.due(ctx, purpose); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rotate publishes a successor of the key of a purpose, which takes over after ServiceProviderLead. One that waits
// already stays.
func (s *ServiceProviders) Rotate(ctx context.Context, t tenant.UID, purpose Purpose, by audit.Principal) (Outcome, error) {
	return s.request(ctx, t, purpose, by, func(p *provision) (ServiceProviderRow, error) {
		if waiting := p.waiting(purpose); len(waiting) > 0 {
			return waiting[0], nil
		}
		return p.insert(ctx, purpose, Prepared, p.now.Add(ServiceProviderLead))
	})
}

// Replace puts another key in the place of all of a purpose, at once: for one that somebody else may hold. IdPs that
// have no other certificate refuse our requests, or encrypt for a key that is gone, until they are given the new one.
func (s *ServiceProviders) Replace(ctx context.Context, t tenant.UID, purpose Purpose, by audit.Principal) (Outcome, error) {
	return s.request(ctx, t, purpose, by, func(p *provision) (ServiceProviderRow, error) {
		for _, row := range p.rows {
			if row.Purpose == purpose {
				p.change.Delete = append(p.change.Delete, row.KeyID)
				p.record(audit.TypeKeyRevoked, row)
			}
		}
		return p.insert(ctx, purpose, Active, p.now)
	})
}

func (s *ServiceProviders) request(ctx context.Context, t tenant.UID, purpose Purpose, by audit.Principal, fill func(*provision) (ServiceProviderRow, error)) (Outcome, error) {
	if !slices.Contains(Purposes(), purpose) {
		return Outcome{}, fmt.Errorf("%w: no purpose %q", ErrNotFound, purpose)
	}
	var outcome Outcome
	err := s.decide(ctx, t, by, func(p *provision) error {
		outcome = Outcome{}
		if current := inUse(p.rows, purpose, p.now); len(current) > 0 {
			outcome.KeyID, outcome.State = current[0].KeyID, current[0].State
		}
		next, err := fill(p)
		outcome.Successor, outcome.SignsAt, outcome.SeenBy = next.KeyID, next.ActiveAt, next.ActiveAt
		return err
	})
	return outcome, err
}

// provision is a change being put together on the rows of one reading.
type provision struct {
	of     *ServiceProviders
	by     audit.Principal
	now    time.Time
	rows   []ServiceProviderRow
	change ServiceProviderChange
}

// decide is Rings.decide for these keys: a lost race is decided again.
func (s *ServiceProviders) decide(ctx context.Context, t tenant.UID, by audit.Principal, fill func(*provision) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	for range attempts {
		rows, err := s.store.ServiceProviderKeys(ctx, t)
		if err != nil {
			return fmt.Errorf("load service provider keys: %w", err)
		}
		p := &provision{of: s, by: by, now: s.now(), rows: rows, change: ServiceProviderChange{Tenant: t}}
		for _, row := range rows {
			p.change.Before = append(p.change.Before, Mark{row.KeyID, row.State})
		}
		if err := fill(p); err != nil {
			return err
		}
		if len(p.change.Insert)+len(p.change.Update)+len(p.change.Delete) == 0 {
			return nil
		}
		err = s.store.ChangeServiceProviderKeys(ctx, p.change)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("change service provider keys: %w", err)
		}
		return nil
	}
	return fmt.Errorf("change service provider keys: %w", ErrConflict)
}

// due is what the clock asks for. A tenant that has no key of the purpose gets none here.
func (p *provision) due(ctx context.Context, purpose Purpose) error {
	ordered := inUse(p.rows, purpose, p.now)
	if len(ordered) == 0 {
		return nil
	}
	current := ordered[0]
	for _, row := range p.rows {
		switch {
		case row.Purpose != purpose || row.KeyID == current.KeyID:
		case row.State == Retiring && !p.now.Before(row.ExpiresAt):
			p.change.Delete = append(p.change.Delete, row.KeyID)
		case row.State == Active, row.State == Prepared && !p.now.Before(row.ActiveAt):
			row.State, row.ExpiresAt = Retiring, p.now.Add(ServiceProviderKeep)
			p.change.Update = append(p.change.Update, row)
			p.record(audit.TypeKeyRetired, row)
		}
	}
	if current.State == Prepared && !p.now.Before(current.ActiveAt) {
		current.State = Active
		p.change.Update = append(p.change.Update, current)
		p.record(audit.TypeKeyActivated, current)
	}
	end := current.CreatedAt.Add(ServiceProviderLifetime)
	if len(p.waiting(purpose)) > 0 || p.now.Before(end.Add(-ServiceProviderRenewal)) {
		return nil
	}
	_, err := p.insert(ctx, purpose, Prepared, p.now.Add(ServiceProviderLead))
	return err
}

func (p *provision) waiting(purpose Purpose) []ServiceProviderRow {
	return slices.DeleteFunc(inUse(p.rows, purpose, p.now), func(row ServiceProviderRow) bool {
		return row.State != Prepared || !p.now.Before(row.ActiveAt)
	})
}

func (p *provision) insert(ctx context.Context, purpose Purpose, state State, at time.Time) (ServiceProviderRow, error) {
	key, err := generate(RS256)
	if err != nil {
		return ServiceProviderRow{}, err
	}
	certificate, err := certify(key, purpose, p.now)
	if err != nil {
		return ServiceProviderRow{}, err
	}
	sealed, err := key.seal(ctx, p.of.sealer, ServiceProviderPlace(p.change.Tenant, key.id, purpose))
	if err != nil {
		return ServiceProviderRow{}, fmt.Errorf("seal service provider key: %w", err)
	}
	row := ServiceProviderRow{
		KeyID: key.id, Purpose: purpose, State: state, Certificate: certificate, Sealed: sealed, CreatedAt: p.now, ActiveAt: at,
	}
	p.change.Insert = append(p.change.Insert, row)
	what := audit.TypeKeyPrepared
	if state == Active {
		what = audit.TypeKeyActivated
	}
	p.record(what, row)
	return row, nil
}

func (p *provision) record(what audit.Type, row ServiceProviderRow) {
	p.change.Events = append(p.change.Events, audit.Event{
		ID: id.New(id.Event, p.now), At: p.now, Tenant: p.change.Tenant, Type: what, Outcome: audit.Changed, Principal: p.by,
		Detail: map[string]string{
			"kid": row.KeyID, "algorithm": RS256, "use": "saml_" + string(row.Purpose), "state": string(row.State),
			"active_at": row.ActiveAt.UTC().Format(time.RFC3339),
		},
	})
}

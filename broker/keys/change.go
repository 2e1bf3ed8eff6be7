package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// KindSigningKey is what tenant versions call a key.
const KindSigningKey = "SigningKey"

// attempts bounds how often a change that lost a race is decided again. Each
// loss is another's progress.
const attempts = 8

// step is a change being put together on the rows of one reading.
type step struct {
	rings  *Rings
	tenant tenant.UID
	by     audit.Principal
	now    time.Time
	rows   []Row
	change Change
}

// decide reads the tenant's keys, lets fill put a change together, writes it,
// and brings the ring up to date. A lost race is decided again. The caller
// holds the slot.
func (r *Rings) decide(ctx context.Context, t tenant.UID, s *slot, by audit.Principal, fill func(*step) error) error {
	for range attempts {
		rows, err := r.config.Store.SigningKeys(ctx, t)
		if err != nil {
			return fmt.Errorf("load signing keys: %w", err)
		}
		st := &step{rings: r, tenant: t, by: by, now: r.config.Now(), rows: rows}
		st.change.Tenant = t
		for _, row := range rows {
			st.change.Before = append(st.change.Before, Mark{row.KeyID, row.State})
		}
		if err := fill(st); err != nil {
			return err
		}
		if st.change.isEmpty() {
			return r.load(ctx, t, s)
		}
		err = r.config.Store.ChangeSigningKeys(ctx, st.change)
		if errors.Is(err, ErrConflict) {
			continue
		}
		// Written, or perhaps written: what is held may sign no more until it was
		// read again.
		s.ring.Store(nil)
		if err != nil {
			return fmt.Errorf("change signing keys: %w", err)
		}
		return r.load(ctx, t, s)
	}
	return fmt.Errorf("change signing keys: %w", ErrConflict)
}

// insert makes a key that signs from at on.
func (st *step) insert(ctx context.Context, algorithm string, state State, at time.Time) (Row, error) {
	p, err := generate(algorithm)
	if err != nil {
		return Row{}, err
	}
	sealed, err := p.seal(ctx, st.rings.config.Sealer, place(st.tenant.String(), p.id))
	if err != nil {
		return Row{}, fmt.Errorf("seal signing key: %w", err)
	}
	row := Row{
		KeyID: p.id, Algorithm: algorithm, State: state, PublicJWK: p.jwk, Sealed: sealed,
		CreatedAt: st.now, ActiveAt: at,
	}
	st.change.Insert = append(st.change.Insert, row)
	what := audit.TypeKeyPrepared
	if state == Active {
		what = audit.TypeKeyActivated
	}
	st.record(what, row, "")
	return row, nil
}

// update writes a key's new state.
func (st *step) update(row Row, what audit.Type, why string) {
	st.change.Update = append(st.change.Update, row)
	st.record(what, row, why)
}

// apply puts what is due for one algorithm into the change.
func (st *step) apply(ctx context.Context, algorithm string) error {
	d := st.rings.schedule.due(st.of(algorithm), st.now)
	for _, row := range d.promote {
		st.update(row, audit.TypeKeyActivated, "scheduled")
	}
	for _, row := range d.retire {
		st.update(row, audit.TypeKeyRetired, "scheduled")
	}
	for _, row := range d.drop {
		st.change.Delete = append(st.change.Delete, row.KeyID)
	}
	if d.prepare.IsZero() {
		return nil
	}
	_, err := st.insert(ctx, algorithm, Prepared, d.prepare)
	return err
}

// of returns the rows of one algorithm.
func (st *step) of(algorithm string) []Row {
	return slices.DeleteFunc(slices.Clone(st.rows), func(row Row) bool { return row.Algorithm != algorithm })
}

func (st *step) algorithms() []string {
	var found []string
	for _, row := range st.rows {
		if !slices.Contains(found, row.Algorithm) {
			found = append(found, row.Algorithm)
		}
	}
	slices.Sort(found)
	return found
}

// raise makes replicas drop what they hold before anything more commits.
func (st *step) raise(row Row) {
	st.change.Raise = append(st.change.Raise, ledger.ChangedObject{Kind: KindSigningKey, UID: row.KeyID})
}

func (st *step) record(what audit.Type, row Row, why string) {
	detail := map[string]string{
		"kid": row.KeyID, "algorithm": row.Algorithm, "state": string(row.State),
		"active_at": row.ActiveAt.UTC().Format(time.RFC3339),
	}
	if why != "" {
		detail["reason"] = why
	}
	st.change.Events = append(st.change.Events, audit.Event{
		ID: id.New(id.Event, st.now), At: st.now, Tenant: st.tenant, Type: what, Outcome: audit.Changed,
		Principal: st.by, Detail: detail,
	})
}

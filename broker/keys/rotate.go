package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// What an administrator's request is refused for.
var (
	ErrNotFound = errors.New("no such signing key")
	ErrState    = errors.New("the signing key's state does not allow this")
)

// system is who does what is due.
func system() audit.Principal { return audit.Principal{Kind: "system", Name: "keys"} }

// bringUp does what is due to a tenant's keys, makes the algorithm's first key
// if it has none, and loads the ring. The caller holds the slot.
func (r *Rings) bringUp(ctx context.Context, t tenant.UID, s *slot, algorithm string) (*Ring, error) {
	err := r.decide(ctx, t, s, system(), func(st *step) error {
		if err := st.applyAll(ctx); err != nil {
			return err
		}
		signing, _ := line(st.of(algorithm), st.now)
		if len(signing) > 0 {
			return nil
		}
		_, err := st.insert(ctx, algorithm, Active, st.now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.ring.Load(), nil
}

func (st *step) applyAll(ctx context.Context) error {
	for _, algorithm := range st.algorithms() {
		if err := st.apply(ctx, algorithm); err != nil {
			return err
		}
	}
	return nil
}

// Run refreshes all loaded tenants until the context ends. Every replica runs it.
func (r *Rings) Run(ctx context.Context) {
	ticks := time.NewTicker(r.config.RefreshEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
				r.log.ErrorContext(ctx, "signing keys could not be refreshed", "error", err)
			}
		}
	}
}

// Refresh does for each loaded tenant what is due, and reads its keys again. A
// tenant whose keys cannot be read keeps its ring: nothing commits without the
// database anyway.
func (r *Rings) Refresh(ctx context.Context) error {
	var failures []error
	r.slots.Range(func(key, value any) bool {
		t, _ := key.(tenant.UID)
		s, _ := value.(*slot)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ring.Load() == nil {
			return ctx.Err() == nil
		}
		if err := r.decide(ctx, t, s, system(), func(st *step) error { return st.applyAll(ctx) }); err != nil {
			failures = append(failures, fmt.Errorf("tenant %s: %w", t, err))
		}
		return ctx.Err() == nil
	})
	return errors.Join(failures...)
}

// Outcome says what an administrator's request led to.
type Outcome struct {
	KeyID     string    // the key that the request was about
	State     State     // its state now
	Successor string    // the key that signs next, or now
	SignsAt   time.Time // when the successor begins to sign
	// SeenBy is when every verifier that keeps our key set no longer than it may has
	// the present one.
	SeenBy time.Time
}

// Rotate prepares a successor of the algorithm's active key, to sign as soon as
// it has been published long enough. If one is prepared already, it stays, and
// signs at the earlier of its own time and that.
func (r *Rings) Rotate(ctx context.Context, t tenant.UID, algorithm string, by audit.Principal) (Outcome, error) {
	if !slices.Contains(Algorithms(), algorithm) {
		return Outcome{}, fmt.Errorf("%w: %q", errUnknownAlgorithm, algorithm)
	}
	return r.request(ctx, t, by, func(st *step) (Outcome, error) { return st.succeed(ctx, algorithm) })
}

// Retire ends a key's signing without ending what it signed: a successor takes
// over as soon as it has been published long enough, and the key stays published
// for what is still alive. A key that is retiring already stays as it is.
func (r *Rings) Retire(ctx context.Context, t tenant.UID, keyID string, by audit.Principal) (Outcome, error) {
	return r.request(ctx, t, by, func(st *step) (Outcome, error) {
		row, err := st.find(keyID)
		if err != nil {
			return Outcome{}, err
		}
		switch row.State {
		case Active:
			return st.succeed(ctx, row.Algorithm)
		case Retiring:
			return Outcome{KeyID: row.KeyID, State: row.State, SeenBy: st.now}, nil
		case Prepared, Revoked:
		}
		return Outcome{}, fmt.Errorf("%w: it is %s; a key that must not be used is revoked", ErrState, row.State)
	})
}

// Revoke ends a key and everything that it signed: it is published no longer,
// and our own endpoints refuse its tokens from the moment this returns, on every
// replica that commits anything. Verifiers that keep our key set see it by
// Outcome.SeenBy. If the key was the one that signs, another signs at once, its
// announced successor if there is one; verifiers may have to fetch again.
func (r *Rings) Revoke(ctx context.Context, t tenant.UID, keyID, reason string, by audit.Principal) (Outcome, error) {
	return r.request(ctx, t, by, func(st *step) (Outcome, error) {
		row, err := st.find(keyID)
		if err != nil {
			return Outcome{}, err
		}
		out := Outcome{KeyID: row.KeyID, State: Revoked, SeenBy: st.now.Add(st.rings.config.JWKSMaxAge)}
		if row.State == Revoked {
			return out, nil
		}
		row.State, row.RevokedAt = Revoked, st.now
		st.update(row, audit.TypeKeyRevoked, reason)
		st.raise(row)

		rest := slices.DeleteFunc(st.of(row.Algorithm), func(other Row) bool { return other.KeyID == keyID })
		signing, waiting := line(rest, st.now)
		switch {
		case len(signing) > 0:
			next := signing[len(signing)-1]
			out.Successor, out.SignsAt = next.KeyID, next.ActiveAt
		case len(waiting) > 0:
			next := waiting[0]
			next.State, next.ActiveAt = Active, st.now
			st.update(next, audit.TypeKeyActivated, "its predecessor was revoked")
			out.Successor, out.SignsAt = next.KeyID, st.now
		default:
			next, err := st.insert(ctx, row.Algorithm, Active, st.now)
			if err != nil {
				return Outcome{}, err
			}
			out.Successor, out.SignsAt = next.KeyID, st.now
		}
		return out, nil
	})
}

// List describes a tenant's keys, revoked ones included, in the order in which
// they were made. Nothing sealed is in it.
func (r *Rings) List(ctx context.Context, t tenant.UID) ([]Row, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	rows, err := r.config.Store.SigningKeys(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	for i := range rows {
		rows[i].Sealed = nil
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.KeyID, b.KeyID)
	})
	return rows, nil
}

func (r *Rings) request(ctx context.Context, t tenant.UID, by audit.Principal, answer func(*step) (Outcome, error)) (Outcome, error) {
	if err := t.Check(); err != nil {
		return Outcome{}, err
	}
	s := r.slot(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	var out Outcome
	err := r.decide(ctx, t, s, by, func(st *step) (err error) {
		out, err = answer(st)
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	return out, nil
}

// succeed sees to a successor for the algorithm's signing key.
func (st *step) succeed(ctx context.Context, algorithm string) (Outcome, error) {
	signing, waiting := line(st.of(algorithm), st.now)
	if len(signing) == 0 {
		return Outcome{}, fmt.Errorf("%w: the tenant has no key for %s", ErrNotFound, algorithm)
	}
	current := signing[len(signing)-1]
	out := Outcome{KeyID: current.KeyID, State: current.State, SeenBy: st.now.Add(st.rings.config.JWKSMaxAge)}
	earliest := st.now.Add(st.rings.schedule.lead)
	if len(waiting) == 0 {
		next, err := st.insert(ctx, algorithm, Prepared, earliest)
		out.Successor, out.SignsAt = next.KeyID, earliest
		return out, err
	}
	next := waiting[0]
	// Published since CreatedAt: what is left of its lead is enough, but replicas
	// hold its old hour, so a change needs a refresh to reach them.
	if soonest := later(next.CreatedAt.Add(st.rings.schedule.lead), st.now.Add(st.rings.config.RefreshEvery+st.rings.config.ClockSkew)); soonest.Before(next.ActiveAt) {
		next.ActiveAt = soonest
		st.update(next, audit.TypeKeyPrepared, "brought forward")
	}
	out.Successor, out.SignsAt = next.KeyID, next.ActiveAt
	return out, nil
}

func (st *step) find(keyID string) (Row, error) {
	for _, row := range st.rows {
		if row.KeyID == keyID {
			return row, nil
		}
	}
	return Row{}, ErrNotFound
}

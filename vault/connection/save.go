package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
)

// save seals the successor and makes it rest; only then is it handed out.
func (t *try) save(ctx context.Context, started time.Time, next provider.Credential) (Live, error) {
	k := t.keeper
	if err := k.reach(BeforeSave); err != nil {
		return Live{}, err
	}
	var s Successor
	err := k.persist(ctx, func(ctx context.Context) (err error) {
		s, err = Seal(ctx, k.config.Sealer, t.ref, t.attempt.Version+1, next, t.now())
		return err
	})
	if err != nil { // nothing unsealed may rest anywhere
		k.alert(ctx, AlertOrphan, t.ref, t.attempt.Version, t.attempt.Name, "it could not be sealed")
		return Live{}, t.unknown(ctx, started, &provider.Error{Outcome: provider.Unknown, Reason: "the answer could not be sealed"}, err)
	}
	err = k.persist(ctx, func(ctx context.Context) error { return k.config.Store.Save(ctx, t.attempt, s) })
	switch {
	case err == nil:
	case errors.Is(err, ErrMoved):
		k.alert(ctx, AlertSuperseded, t.ref, t.attempt.Version, t.attempt.Name, "another credential is there")
		return Live{}, errAgain
	case errors.Is(err, ErrGone):
		return Live{}, t.takeBack(ctx, next)
	default:
		return Live{}, t.shelve(ctx, s, err)
	}
	if err := k.reach(AfterSave); err != nil {
		return Live{}, err
	}
	return t.handOut(ctx, next)
}

// handOut reads the row once more: a connection that was held or ended while the provider answered is refused.
func (t *try) handOut(ctx context.Context, next provider.Credential) (Live, error) {
	now, err := t.keeper.load(ctx, t.ref)
	if err != nil {
		return Live{}, err
	}
	if now.Version != t.attempt.Version+1 {
		return Live{}, errAgain
	}
	return Live{now.Connection, next}, nil
}

// takeBack: the connection went while the provider answered. What it gave must not outlive it.
func (t *try) takeBack(ctx context.Context, next provider.Credential) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.keeper.config.CallTimeout)
	defer cancel()
	if err := t.down.Provider.Revoke(ctx, next); err != nil {
		t.keeper.alert(ctx, AlertUnrevoked, t.ref, t.attempt.Version, t.attempt.Name, "the connection went during its refresh")
	}
	return &Refusal{Code: CodeNotConnected, Cause: ErrGone}
}

// shelve keeps a sealed successor that the store did not take. Nobody gets it before it is saved.
func (t *try) shelve(ctx context.Context, s Successor, cause error) error {
	k := t.keeper
	detail := "it is on the shelf"
	if err := k.config.Shelf.Keep(Orphan{Ref: t.ref, Attempt: t.attempt, Successor: s}); err != nil {
		detail = "the shelf did not take it either"
		k.config.Log.ErrorContext(ctx, "a refreshed credential could not be kept", "connection", t.ref.ID, "attempt", t.attempt.Name, "error", err)
	}
	k.alert(ctx, AlertOrphan, t.ref, t.attempt.Version, t.attempt.Name, detail)
	return cause
}

const (
	tries     = 8
	firstWait = 25 * time.Millisecond
)

// errUnsure: a former try may have been the one that moved the row.
var errUnsure = errors.New("the answer to a former try was lost")

// persist tries until the store takes it, a bounded number of times within a bounded time.
func (k *Keeper) persist(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.config.SaveFor/2) // sealing and saving together
	defer cancel()
	var err error
	for n := range tries {
		before := err
		err = write(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrMoved) || errors.Is(err, ErrGone):
			if before != nil {
				return fmt.Errorf("%w: %w", errUnsure, err)
			}
			return err
		}
		if n == tries-1 || k.config.Pause(ctx, firstWait<<n) != nil {
			break
		}
	}
	return err
}

// repair saves what this replica's shelf holds of a row's attempt; true where the row is another one now.
func (k *Keeper) repair(ctx context.Context, ref Ref, s Stored) bool {
	o, found, err := k.config.Shelf.Find(s.Flight.Attempt)
	if err != nil || !found || o.Ref != ref || o.Attempt.Version != s.Version {
		return false
	}
	return k.restore(ctx, o) == nil
}

// Repair saves everything that the shelf holds, as after a restart; what has no place any more is dropped. It tells how
// many were saved.
func (k *Keeper) Repair(ctx context.Context) (saved int, err error) {
	all, err := k.config.Shelf.List()
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, o := range all {
		switch err := k.restore(ctx, o); {
		case err == nil:
			saved++
		case errors.Is(err, ErrMoved) || errors.Is(err, ErrGone): // dropped
		default:
			failed = append(failed, err)
		}
	}
	return saved, errors.Join(failed...)
}

func (k *Keeper) restore(ctx context.Context, o Orphan) error {
	err := k.config.Store.Save(ctx, o.Attempt, o.Successor)
	switch {
	case err == nil:
		k.alert(ctx, AlertRepaired, o.Ref, o.Attempt.Version, o.Attempt.Name, "it was on the shelf")
	case errors.Is(err, ErrMoved) || errors.Is(err, ErrGone):
		k.alert(ctx, AlertSuperseded, o.Ref, o.Attempt.Version, o.Attempt.Name, "its place is taken")
	default:
		return err
	}
	if dropped := k.config.Shelf.Drop(o.Attempt.Name); dropped != nil {
		k.config.Log.WarnContext(ctx, "a successor stays on the shelf", "attempt", o.Attempt.Name, "error", dropped)
	}
	return err
}

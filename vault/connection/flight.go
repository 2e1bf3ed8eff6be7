package connection

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
)

// renewal is what askers of one process share: one connection, and the version that is too old for them.
type renewal struct {
	ref  Ref
	past int64
}

// afterPatience is when to ask for what was not waited for.
const afterPatience = 2 * time.Second

// flight is a renewal under way. It goes on when those who asked are gone: a call that may use a refresh token up is not
// given up because somebody hung up.
type flight struct {
	done chan struct{}
	live Live
	err  error
}

// renew joins the flight, or starts it, and waits for it in patience: whoever asks has an answer before his line is cut.
func (k *Keeper) renew(ctx context.Context, r renewal) (Live, error) {
	f, err := k.join(ctx, r)
	if err != nil {
		return Live{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, k.config.Patience)
	defer cancel()
	select {
	case <-f.done:
		return f.live, f.err
	case <-ctx.Done():
		return Live{}, &Refusal{Code: CodeUnavailable, Reason: "the refresh takes longer than was waited", RetryAfter: afterPatience, Cause: ctx.Err()}
	}
}

func (k *Keeper) join(ctx context.Context, r renewal) (*flight, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.renewed[r]; f != nil {
		return f, nil
	}
	if k.closed {
		return nil, &Refusal{Code: CodeUnavailable, Reason: "the process ends", RetryAfter: time.Second}
	}
	f := &flight{done: make(chan struct{})}
	k.renewed[r] = f
	k.flights.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*k.config.StaleAfter)
		defer cancel()
		f.live, f.err = k.fly(ctx, r)
		k.mu.Lock()
		delete(k.renewed, r)
		k.mu.Unlock()
		close(f.done)
	})
	return f, nil
}

// Close waits for the refreshes under way, and starts no other.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	done := make(chan struct{})
	go func() { k.flights.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	firstLook = 10 * time.Millisecond
	lastLook  = 320 * time.Millisecond
)

// fly brings a connection past a version: by itself, or by waiting for whoever does.
func (k *Keeper) fly(ctx context.Context, r renewal) (Live, error) {
	again := firstLook
	for {
		s, err := k.load(ctx, r.ref)
		if err != nil {
			return Live{}, err
		}
		if s.Version > r.past { // somebody did
			return k.open(ctx, r.ref, s)
		}
		live, err := k.step(ctx, r.ref, s)
		switch {
		case err == nil:
			return live, nil
		case errors.Is(err, errElsewhere) || errors.Is(err, errAgain):
			if k.config.Pause(ctx, again) != nil {
				return Live{}, &Refusal{Code: CodeUnavailable, Reason: "no refresh came to an end", RetryAfter: time.Second, Cause: err}
			}
			again = min(2*again, lastLook)
		default:
			return Live{}, err
		}
	}
}

var (
	errElsewhere = errors.New("another attempt is under way")
	errAgain     = errors.New("the row must be read again")
)

// step does what one look at the row says.
//
//  1. An attempt is in flight: what it left on our shelf is saved; one that may be alive is waited for.
//  2. The provider is resting: so are we.
//  3. It opens, so that a sealer that is away keeps the mark from being made.
//  4. An attempt that is dead is settled by what the provider does with used refresh tokens, never by hope.
//  5. The mark is made, by one of all.
//  6. The provider is asked.
func (k *Keeper) step(ctx context.Context, ref Ref, s Stored) (Live, error) {
	dead := s.Flight.State == InFlight
	if dead {
		if k.repair(ctx, ref, s) {
			return Live{}, errAgain
		}
		if s.Flight.Age < k.config.StaleAfter {
			return Live{}, errElsewhere
		}
	} else if s.Flight.State == Lost { // what rests may be used up, whoever made its status otherwise: it is not sent again
		if k.repair(ctx, ref, s) {
			return Live{}, errAgain
		}
		return Live{}, &Refusal{Code: CodeReauthorization, Reason: string(AlertLost)}
	} else if s.RetryIn > 0 {
		return Live{}, &Refusal{Code: resting(s.Failure), Reason: s.Failure, RetryAfter: s.RetryIn}
	}
	down, err := k.config.Providers.Downstream(ctx, ref.Tenant, ref.Provider)
	if err != nil {
		return Live{}, &Refusal{Code: CodeMisconfigured, Reason: "the provider is not configured", Cause: err}
	}
	live, err := k.open(ctx, ref, s)
	if err != nil {
		return Live{}, err
	}
	t := try{keeper: k, ref: ref, old: live, down: down, attempt: Attempt{
		Tenant: ref.Tenant, ID: ref.ID, Version: s.Version, Name: newAttempt(), By: k.config.Replica,
	}}
	if dead {
		if err := t.inherit(ctx); err != nil {
			return Live{}, err
		}
	}
	if refusal := k.breaker.enter(t.door()); refusal != nil {
		return Live{}, refusal
	}
	if err := t.begin(ctx); err != nil {
		k.breaker.leave(t.door())
		return Live{}, err
	}
	return t.refresh(ctx)
}

// resting tells what another replica, or we ourselves, heard last.
func resting(failure string) Code {
	switch provider.Outcome(failure) {
	case provider.RateLimited:
		return CodeRateLimited
	case provider.Misconfigured:
		return CodeMisconfigured
	case provider.Terminal, provider.Transient, provider.Unknown, provider.ScopeRefused:
		return CodeUnavailable
	default:
		return CodeUnavailable
	}
}

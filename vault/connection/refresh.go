package connection

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
)

// try is one attempt of ours.
type try struct {
	keeper  *Keeper
	ref     Ref
	old     Live
	down    Downstream
	attempt Attempt
}

func newAttempt() string { return "try_" + rand.Text() }

func (t *try) door() door { return door{t.ref.Tenant, t.ref.Provider} }

// inherit settles an attempt that died in flight: nobody knows whether the provider was asked.
func (t *try) inherit(ctx context.Context) error {
	dead := t.old.Flight
	switch {
	case t.harmless():
	case t.down.Rotation == provider.RotationWindow && dead.Age < t.down.ReuseWindow:
		t.attempt.RepeatUntil = t.now().Add(t.down.ReuseWindow - dead.Age)
	default: // it may be used up; whoever sends it again may end the successor too
		gone := t.attempt
		gone.Name = dead.Attempt
		return t.lose(ctx, gone, "a process ended in the middle of the refresh")
	}
	t.attempt.Over = dead.Attempt
	return nil
}

// harmless: sending it again takes nothing away.
func (t *try) harmless() bool {
	return t.down.Rotation == provider.RotationNone || anew(t.old.Credential)
}

func (t *try) now() time.Time { return t.keeper.config.Now() }

// begin makes the mark. Where it is not known whether it was made, it is taken back, for nothing was sent.
func (t *try) begin(ctx context.Context) error {
	err := t.keeper.config.Store.Begin(ctx, t.attempt)
	if errors.Is(err, ErrMoved) {
		return errAgain
	}
	if err != nil {
		_ = t.keeper.persist(ctx, func(ctx context.Context) error {
			return t.keeper.config.Store.Fail(ctx, t.attempt, Failure{Code: string(provider.Transient)})
		})
		return err
	}
	return nil
}

// refresh asks the provider, and saves what comes before anybody has it.
func (t *try) refresh(ctx context.Context) (Live, error) {
	k := t.keeper
	if until := t.old.RepeatUntil; !until.IsZero() && !t.now().Before(until) {
		return Live{}, t.lose(ctx, t.attempt, "an answer was lost, and the time to ask again is over")
	}
	if err := k.reach(BeforeCall); err != nil {
		return Live{}, err
	}
	started := t.now()
	next, err := t.call(ctx)
	if err := k.reach(AfterAnswer); err != nil {
		return Live{}, err
	}
	if err != nil {
		return Live{}, t.failed(ctx, started, err)
	}
	k.breaker.answered(t.door())
	return t.save(ctx, started, next)
}

// call has its time whole, however long was waited before it: one that is cut off is an answer lost.
func (t *try) call(ctx context.Context) (provider.Credential, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.keeper.config.CallTimeout)
	defer cancel()
	return t.down.Provider.Refresh(ctx, t.old.Credential)
}

// failed acts on what the provider's failure means. What is no answer of a provider counts as lost.
func (t *try) failed(ctx context.Context, started time.Time, err error) error {
	k := t.keeper
	said, ok := errors.AsType[*provider.Error](err)
	if !ok {
		said = &provider.Error{Outcome: provider.Unknown}
	}
	if errors.Is(err, provider.ErrNoRefresh) || errors.Is(err, provider.ErrUnsupported) {
		said = &provider.Error{Outcome: provider.Terminal, Reason: "it cannot be refreshed"}
	}
	switch said.Outcome {
	case provider.Terminal:
		k.breaker.answered(t.door())
		return t.end(ctx, t.attempt, said.Outcome, reason(said), false)
	case provider.Misconfigured:
		if k.breaker.refused(t.door()) {
			k.alert(ctx, AlertMisconfigured, t.ref, t.old.Version, t.attempt.Name, reason(said))
		}
		return t.keep(ctx, Failure{Code: string(said.Outcome)}, &Refusal{
			Code: CodeMisconfigured, Reason: reason(said), RetryAfter: misconfiguredFor, Cause: err,
		})
	case provider.RateLimited:
		k.breaker.failed(t.door())
		return t.later(ctx, CodeRateLimited, said, time.Time{}, err)
	case provider.Transient:
		k.breaker.failed(t.door())
		return t.later(ctx, CodeUnavailable, said, time.Time{}, err)
	case provider.ScopeRefused: // the credential is as good as before
		k.breaker.answered(t.door())
		return t.later(ctx, CodeUnavailable, said, time.Time{}, err)
	case provider.Unknown:
		k.breaker.failed(t.door())
		return t.unknown(ctx, started, said, err)
	default:
		return t.unknown(ctx, started, said, err)
	}
}

// unknown: the answer was lost, and what was sent may be used up.
func (t *try) unknown(ctx context.Context, started time.Time, said *provider.Error, err error) error {
	if t.harmless() {
		return t.later(ctx, CodeUnavailable, said, time.Time{}, err)
	}
	until := started.Add(t.down.ReuseWindow)
	if t.down.Rotation != provider.RotationWindow || !t.now().Before(until) {
		return t.lose(ctx, t.attempt, "the provider's answer was lost")
	}
	if t.old.Failures > 0 {
		return t.later(ctx, CodeUnavailable, said, until, err)
	}
	// Once at once: those who wait shall have it.
	if kept := t.keep(ctx, Failure{Code: string(said.Outcome), Blame: true, RepeatUntil: until}, nil); kept != nil {
		return kept
	}
	return errAgain
}

const (
	firstRest = time.Second
	lastRest  = 5 * time.Minute
	mostRest  = 24 * time.Hour
)

// later keeps the connection as it is, and leaves the provider alone: as long as it asks for, or longer each time.
func (t *try) later(ctx context.Context, code Code, said *provider.Error, until time.Time, err error) error {
	rest := min(firstRest<<min(t.old.Failures, 9), lastRest)
	rest = min(max(rest, said.RetryAfter), mostRest)
	return t.keep(ctx, Failure{Code: string(said.Outcome), RetryIn: rest, Blame: true, RepeatUntil: until},
		&Refusal{Code: code, Reason: reason(said), RetryAfter: rest, Cause: err})
}

// keep ends the attempt and leaves the connection connected.
func (t *try) keep(ctx context.Context, f Failure, answer *Refusal) error {
	err := t.keeper.persist(ctx, func(ctx context.Context) error { return t.keeper.config.Store.Fail(ctx, t.attempt, f) })
	if err != nil {
		return settled(err)
	}
	if answer == nil {
		return nil
	}
	return answer
}

// lose gives the successor up: its owner must connect again, and somebody hears of it.
func (t *try) lose(ctx context.Context, a Attempt, detail string) error {
	return t.end(ctx, a, provider.Unknown, detail, true)
}

// end is for what only the owner can mend.
func (t *try) end(ctx context.Context, a Attempt, outcome provider.Outcome, detail string, lost bool) error {
	kind, code := AlertDead, string(outcome)
	if lost {
		kind, code = AlertLost, string(AlertLost)
	}
	err := t.keeper.persist(ctx, func(ctx context.Context) error {
		return t.keeper.config.Store.Fail(ctx, a, Failure{Code: code, Terminal: true, Lost: lost})
	})
	if err == nil || errors.Is(err, errUnsure) { // rather twice than never
		t.keeper.alert(ctx, kind, t.ref, t.old.Version, a.Name, detail)
	}
	if err != nil {
		return settled(err)
	}
	return &Refusal{Code: CodeReauthorization, Reason: code}
}

// settled: another was quicker, and the row says what came of it.
func settled(err error) error {
	if errors.Is(err, ErrMoved) || errors.Is(err, ErrGone) {
		return errAgain
	}
	return err
}

// reason is the provider's listed code, or what we say.
func reason(e *provider.Error) string {
	if e.Code != "" {
		return e.Code
	}
	if e.Reason != "" {
		return e.Reason
	}
	return string(e.Outcome)
}

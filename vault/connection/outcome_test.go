package connection_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

func TestTerminal(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.answers(false, &provider.Error{Outcome: provider.Terminal, Code: "invalid_grant"})
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeReauthorization)
	b.refused(t, connection.CodeReauthorization)
	b.calls(t, 1)
	b.alerted(t, connection.AlertDead)
	if row := b.row(t); row.Status != connection.ReauthorizationRequired || row.Reason != "terminal" || row.Flight.State != connection.Idle {
		t.Errorf("%+v", row.Connection)
	}
}

// An answer that was lost: what the provider does with used refresh tokens decides, and nothing else.
func TestLostAnswer(t *testing.T) {
	for name, lost := range map[string]error{
		"the provider's room says so":        says(provider.Unknown),
		"a time is named, and does not help": &provider.Error{Outcome: provider.Unknown, RepeatBefore: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)},
		"no error of the provider's":         context.DeadlineExceeded,
		"an outcome that is not known":       &provider.Error{Outcome: "novel"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, provider.SingleUse)
			b.answers(true, lost)
			b.clock.add(54 * time.Minute) // the old token would live on
			b.refused(t, connection.CodeReauthorization)
			b.calls(t, 1)
			b.alerted(t, connection.AlertLost)
		})
	}
	t.Run("held and let go since", func(t *testing.T) {
		b := newBench(t, provider.SingleUse)
		b.answers(true, says(provider.Unknown))
		b.clock.add(time.Hour)
		b.refused(t, connection.CodeReauthorization)
		row := b.row(t)
		must(t, b.memory.Alter(row.Tenant, row.ID, func(s *connection.Stored) { s.Status = connection.Connected }))
		b.refused(t, connection.CodeReauthorization)
		b.calls(t, 1)
		b.alerted(t, connection.AlertLost)
	})
	t.Run("a window", func(t *testing.T) {
		b := newBench(t, provider.RotationWindow)
		b.answers(true, says(provider.Unknown))
		b.clock.add(time.Hour)
		b.works(t, 2)
		b.calls(t, 2)
		b.alerted(t)
		if row := b.row(t); row.Failures != 0 || !row.RepeatUntil.IsZero() {
			t.Errorf("%+v", row.Connection)
		}
	})
	t.Run("a window, twice", func(t *testing.T) {
		b := newBench(t, provider.RotationWindow)
		b.answers(true, says(provider.Unknown), says(provider.Unknown))
		b.clock.add(time.Hour)
		b.refused(t, connection.CodeUnavailable)
		b.clock.add(2 * time.Second)
		b.works(t, 2)
		b.calls(t, 3)
	})
	t.Run("a window that closed", func(t *testing.T) {
		b := newBench(t, provider.RotationWindow)
		b.answers(true, says(provider.Unknown), says(provider.Unknown))
		b.clock.add(time.Hour)
		b.refused(t, connection.CodeUnavailable)
		b.clock.add(time.Minute)
		b.refused(t, connection.CodeReauthorization)
		b.calls(t, 2)
		b.alerted(t, connection.AlertLost)
	})
	t.Run("no rotation", func(t *testing.T) {
		b := newBench(t, provider.RotationNone)
		b.answers(true, says(provider.Unknown))
		b.clock.add(time.Hour)
		b.refused(t, connection.CodeUnavailable)
		b.clock.add(time.Second)
		b.works(t, 2)
		b.calls(t, 2)
		b.alerted(t)
	})
	t.Run("obtained with our own key", func(t *testing.T) {
		b := newBench(t, provider.SingleUse)
		c := b.fake.Connect()
		c.Origin = provider.FromClient
		b.put(t, c)
		b.answers(false, says(provider.Unknown))
		b.clock.add(time.Hour)
		b.refused(t, connection.CodeUnavailable)
		b.clock.add(time.Second)
		b.works(t, 2)
		b.alerted(t)
	})
}

// The connection stays, the provider rests, and who asks meanwhile gets what still lives.
func TestTransient(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.answers(false, says(provider.Transient), says(provider.Transient))
	b.clock.add(54 * time.Minute)
	for range 3 {
		if live, err := b.fresh(t); err != nil || live.Version != 1 {
			t.Fatalf("what lives is not handed out: %v", err)
		}
	}
	b.calls(t, 1)
	b.clock.add(time.Second)
	_, _ = b.fresh(t)
	b.calls(t, 2)
	b.clock.add(time.Second) // twice as long now
	_, _ = b.fresh(t)
	b.calls(t, 2)
	b.clock.add(time.Second)
	b.works(t, 2)
	b.alerted(t)
	if row := b.row(t); row.Failures != 0 || row.Failure != "" || row.RetryIn != 0 {
		t.Errorf("%+v", row.Connection)
	}
}

func TestTransientAtTheEnd(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.answers(false, says(provider.Transient))
	b.clock.add(time.Hour)
	if r := b.refused(t, connection.CodeUnavailable); r.RetryAfter != time.Second {
		t.Errorf("%s", r.RetryAfter)
	}
	// Another replica does not ask either, and says the same.
	b.keeper = b.another(t, "replica-2", nil)
	b.refused(t, connection.CodeUnavailable)
	b.calls(t, 1)
}

func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct{ said, want time.Duration }{
		"is honoured":             {10 * time.Minute, 10 * time.Minute},
		"shorter than ours":       {time.Millisecond, time.Second},
		"longer than can be true": {1000 * time.Hour, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, provider.SingleUse)
			b.answers(false, &provider.Error{Outcome: provider.RateLimited, RetryAfter: test.said})
			b.clock.add(time.Hour)
			if r := b.refused(t, connection.CodeRateLimited); r.RetryAfter != test.want {
				t.Errorf("%s, want %s", r.RetryAfter, test.want)
			}
			b.clock.add(test.want - time.Microsecond)
			b.refused(t, connection.CodeRateLimited)
			b.calls(t, 1)
			b.clock.add(time.Microsecond)
			b.works(t, 2)
		})
	}
}

func TestScopeRefusedKeepsTheConnection(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.answers(false, says(provider.ScopeRefused))
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeUnavailable)
	if row := b.row(t); row.Status != connection.Connected {
		t.Errorf("%+v", row.Connection)
	}
}

// A wrong client secret is nobody's fault who connected: all connections stay, and nobody asks for a while.
func TestMisconfigured(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	alice := b.ref
	bob := connectionOf(t, b, "usr_bob")
	b.answers(false, says(provider.Misconfigured), says(provider.Misconfigured))
	b.clock.add(time.Hour)
	if r := b.refused(t, connection.CodeMisconfigured); r.RetryAfter != time.Minute {
		t.Errorf("%s", r.RetryAfter)
	}
	_, err := b.keeper.Fresh(t.Context(), bob, connection.Want{})
	isRefusal(t, err, connection.CodeMisconfigured)
	b.calls(t, 1)
	b.clock.add(time.Minute)
	_, err = b.keeper.Fresh(t.Context(), bob, connection.Want{}) // one tries for all
	isRefusal(t, err, connection.CodeMisconfigured)
	b.refused(t, connection.CodeMisconfigured)
	b.calls(t, 2)
	for _, ref := range []connection.Ref{alice, bob} {
		s, err := b.memory.Load(t.Context(), ref.Tenant, ref.ID)
		if err != nil || s.Status != connection.Connected || s.Failures != 0 || s.RetryIn != 0 {
			t.Errorf("%+v, %v", s.Connection, err)
		}
	}
	b.alerted(t, connection.AlertMisconfigured)
	b.keeper.Forget(alice.Tenant, alice.Provider) // it was mended
	b.works(t, 2)
}

// connectionOf gives another person the same credential; the provider refuses it anyway.
func connectionOf(t *testing.T, b *bench, user string) connection.Ref {
	t.Helper()
	ref := b.ref
	ref.ID, ref.Owner.UID = connection.NewID(b.clock.now()), user
	c, err := connection.Open(t.Context(), b.ring, b.ref, b.first)
	must(t, err)
	s := b.first
	s.Ref = ref
	sealed, err := connection.Seal(t.Context(), b.ring, ref, 1, c, b.clock.now())
	must(t, err)
	s.Blob, s.KeyID = sealed.Blob, sealed.KeyID
	must(t, b.memory.Create(t.Context(), s))
	return ref
}

func TestBreaker(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	refs := []connection.Ref{b.ref}
	for i := range 9 {
		refs = append(refs, connectionOf(t, b, "usr_"+string(rune('a'+i))))
	}
	down := true
	b.fake.Answer = func(int) (error, bool) {
		if down {
			return says(provider.Transient), false
		}
		return nil, false
	}
	b.clock.add(time.Hour)
	ask := func(ref connection.Ref) error {
		return second(b.keeper.Fresh(t.Context(), ref, connection.Want{}))
	}
	for _, ref := range refs {
		isRefusal(t, ask(ref), connection.CodeUnavailable)
	}
	b.calls(t, 5)
	if s, err := b.memory.Load(t.Context(), refs[9].Tenant, refs[9].ID); err != nil || s.Flight.State != connection.Idle || s.Failures != 0 {
		t.Errorf("one that was not asked for bears a mark: %+v, %v", s.Connection, err)
	}
	b.clock.add(10 * time.Second)
	isRefusal(t, ask(refs[8]), connection.CodeUnavailable) // tries for all
	isRefusal(t, ask(refs[9]), connection.CodeUnavailable)
	b.calls(t, 6)
	down = false
	b.clock.add(10 * time.Second)
	b.works(t, 2)
	b.calls(t, 7)
}

func TestAProviderThatIsNotConfigured(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	c := b.config("replica", nil)
	c.Providers = nowhere{}
	k, err := connection.New(c)
	must(t, err)
	b.keeper = k
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeMisconfigured)
	if row := b.row(t); row.Flight.State != connection.Idle {
		t.Errorf("%+v", row.Flight)
	}
}

type nowhere struct{}

func (nowhere) Downstream(context.Context, string, string) (connection.Downstream, error) {
	return connection.Downstream{}, errors.New("none")
}

// A rotation that nobody named is taken for the strictest.
func TestRotationAbsent(t *testing.T) {
	b := newBench(t, "")
	b.answers(true, says(provider.Unknown))
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeReauthorization)
}

// What lives is handed out while the provider is away, but not once it is held.
func TestMakeDoHearsOfASuspension(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.answers(false, says(provider.Transient))
	b.fake.During = func() {
		must(t, b.memory.SetStatus(t.Context(), b.ref.Tenant, b.ref.ID, connection.Suspended, "held"))
	}
	b.clock.add(55 * time.Minute)
	b.refused(t, connection.CodeSuspended)
}

// After a pause one tries, and while it does nobody else.
func TestBreakerLetsOneTry(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	bob := connectionOf(t, b, "usr_bob")
	b.answers(false, says(provider.Misconfigured))
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeMisconfigured)
	b.clock.add(time.Minute)
	asked := 0
	b.fake.During = func() {
		asked++
		_, err := b.keeper.Fresh(t.Context(), bob, connection.Want{})
		isRefusal(t, err, connection.CodeMisconfigured)
	}
	b.works(t, 2)
	if asked != 1 {
		t.Errorf("%d asked", asked)
	}
}

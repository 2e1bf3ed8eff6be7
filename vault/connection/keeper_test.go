package connection_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

func TestFreshAsksNobodyWhileThereIsLife(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.works(t, 1)
	b.calls(t, 0)
	if b.sealer.opened != 1 {
		t.Errorf("opened %d times", b.sealer.opened)
	}
	b.clock.add(54*time.Minute - time.Second) // a tenth of an hour is left, and a second
	b.works(t, 1)
	b.clock.add(time.Second)
	b.works(t, 2)
	b.calls(t, 1)
	if row := b.row(t); row.Flight.State != connection.Saved || !row.ExpiresAt.Equal(b.clock.now().Add(time.Hour)) {
		t.Errorf("%+v", row.Connection)
	}
	b.alerted(t)
}

// A token of ten minutes is refreshed a minute before its end, not less.
func TestFreshKeepsAMinute(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	c := b.fake.Connect()
	c.ExpiresAt = c.IssuedAt.Add(5 * time.Minute)
	b.put(t, c)
	b.clock.add(4*time.Minute - time.Second)
	b.works(t, 1)
	b.clock.add(time.Second)
	b.works(t, 2)
}

func TestFreshWants(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.clock.add(20 * time.Minute)
	live, err := b.keeper.Fresh(t.Context(), b.ref, connection.Want{MinTTL: 50 * time.Minute})
	if err != nil || live.Version != 2 {
		t.Fatalf("%d, %v", live.Version, err)
	}
	_, err = b.keeper.Fresh(t.Context(), b.ref, connection.Want{MinTTL: 2 * time.Hour})
	isRefusal(t, err, connection.CodeTooShort)
	b.calls(t, 1) // no refresh makes an hour longer
	b.clock.add(2 * time.Hour)
	_, err = b.keeper.Fresh(t.Context(), b.ref, connection.Want{MinTTL: 2 * time.Hour})
	isRefusal(t, err, connection.CodeTooShort)
}

func TestFreshWithoutEnd(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.put(t, provider.Credential{Origin: provider.FromHand, Access: provider.NewSecret("pat"), IssuedAt: b.clock.now()})
	b.clock.add(10 * 365 * 24 * time.Hour)
	if live, err := b.fresh(t); err != nil || live.Credential.Access.Reveal() != "pat" {
		t.Fatal(err)
	}
	b.calls(t, 0)
}

// What cannot be refreshed is good to its end, and then its owner must connect again.
func TestFreshWithoutARefreshToken(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	c := b.fake.Connect()
	c.Refresh = provider.Secret{}
	b.put(t, c)
	b.fake.Answer = func(int) (error, bool) { return provider.ErrNoRefresh, false }
	b.clock.add(59 * time.Minute)
	if _, err := b.fresh(t); err != nil {
		t.Fatal(err)
	}
	b.clock.add(time.Second)
	b.refused(t, connection.CodeReauthorization)
	b.alerted(t, connection.AlertDead)
}

// The asker is compared with the row, part by part: another's is as good as none (T44).
func TestFreshIsForItsOwner(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	for name, breaks := range map[string]func(*connection.Ref){
		"another tenant":     func(r *connection.Ref) { r.Tenant = "ten_2" },
		"another connection": func(r *connection.Ref) { r.ID = connection.NewID(b.clock.now()) },
		"another person":     func(r *connection.Ref) { r.Owner.UID = "usr_eve" },
		"a client":           func(r *connection.Ref) { r.Owner.Kind = connection.Client },
		"another provider":   func(r *connection.Ref) { r.Provider = "prv_other" },
	} {
		ref := b.ref
		breaks(&ref)
		_, err := b.keeper.Fresh(t.Context(), ref, connection.Want{})
		if refusal := isRefusal(t, err, connection.CodeNotConnected); refusal.Reason != "" {
			t.Errorf("%s: says %q", name, refusal.Reason)
		}
	}
	for name, breaks := range map[string]func(*connection.Ref){
		"no tenant":   func(r *connection.Ref) { r.Tenant = "" },
		"no id":       func(r *connection.Ref) { r.ID = "con_" },
		"no owner":    func(r *connection.Ref) { r.Owner = connection.Owner{} },
		"no provider": func(r *connection.Ref) { r.Provider = "" },
	} {
		ref := b.ref
		breaks(&ref)
		if _, err := b.keeper.Fresh(t.Context(), ref, connection.Want{}); !errors.Is(err, connection.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.sealer.opened != 0 {
		t.Error("something was opened")
	}
}

func TestFreshByStatus(t *testing.T) {
	for status, want := range map[connection.Status]connection.Code{
		connection.ReauthorizationRequired: connection.CodeReauthorization,
		connection.Suspended:               connection.CodeSuspended,
		connection.Revoked:                 connection.CodeNotConnected,
	} {
		b := newBench(t, provider.SingleUse)
		must(t, b.memory.SetStatus(t.Context(), b.ref.Tenant, b.ref.ID, status, "why"))
		b.refused(t, want)
		b.clock.add(time.Hour)
		b.refused(t, want)
		b.calls(t, 0)
		if b.sealer.opened != 0 {
			t.Errorf("%s: opened", status)
		}
	}
	b := newBench(t, provider.SingleUse)
	must(t, b.memory.SetStatus(t.Context(), b.ref.Tenant, b.ref.ID, "", ""))
	if _, err := b.fresh(t); err == nil {
		t.Error("an absent status is no status")
	}
}

// A row that lies about its times is believed no longer than until it is opened.
func TestFreshBelievesTheSeal(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) {
		s.ExpiresAt, s.RefreshAt = b.clock.now().Add(999*time.Hour), time.Time{}
	}))
	b.clock.add(time.Hour)
	b.works(t, 2)
	b.calls(t, 1)
}

func TestFiftyAtOnce(t *testing.T) {
	for range 5 {
		b := newBench(t, provider.SingleUse)
		second := b.another(t, "replica-2", nil)
		b.clock.add(time.Hour)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				live, err := []*connection.Keeper{b.keeper, second}[i%2].Fresh(t.Context(), b.ref, connection.Want{MinTTL: time.Minute})
				if err != nil || !b.fake.Works(live.Credential) {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		b.calls(t, 1)
		b.alerted(t)
	}
}

// Whoever asked hangs up while the provider answers: the successor is saved nevertheless.
func TestTheAskerHangsUp(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.clock.add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.fake.During = cancel
	_, err := b.keeper.Fresh(ctx, b.ref, connection.Want{})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, b.keeper.Close(t.Context()))
	if row := b.row(t); row.Version != 2 || row.Flight.State != connection.Saved {
		t.Errorf("%+v", row.Connection)
	}
	b.clock.add(2 * time.Hour)
	isRefusal(t, second(b.fresh(t)), connection.CodeUnavailable) // a keeper that was closed starts nothing
	b.calls(t, 1)
}

// Whoever waits for another's refresh, which may never end, has an answer in time. The refresh goes on.
func TestTheAskerIsAnswered(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.clock.add(time.Hour)
	c := b.config("impatient", nil)
	c.Patience = 20 * time.Millisecond
	impatient, err := connection.New(c)
	must(t, err)
	let := make(chan struct{})
	b.fake.During = func() { <-let }
	_, err = impatient.Fresh(t.Context(), b.ref, connection.Want{})
	if refusal := isRefusal(t, err, connection.CodeUnavailable); refusal.RetryAfter <= 0 {
		t.Errorf("%+v", refusal)
	}
	close(let)
	must(t, impatient.Close(t.Context()))
	b.works(t, 2)
	b.calls(t, 1)
}

func second(_ connection.Live, err error) error { return err }

func TestASealerThatIsAwayMarksNothing(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.clock.add(time.Hour)
	b.sealer.away(false, true)
	if _, err := b.fresh(t); !errors.Is(err, errSealerAway) {
		t.Errorf("%v", err)
	}
	if row := b.row(t); row.Flight.State != connection.Idle {
		t.Errorf("%+v", row.Flight)
	}
	b.sealer.away(false, false)
	b.works(t, 2)
	b.calls(t, 1)
}

func TestUsed(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	live := b.works(t, 1)
	must(t, b.keeper.Used(t.Context(), live.Connection, "cli_1"))
	row := b.row(t)
	if row.LastUsedBy != "cli_1" || !row.LastUsedAt.Equal(b.clock.now()) {
		t.Errorf("%+v", row.Connection)
	}
	b.memory.Break("Touch", 9)
	b.clock.add(time.Second)
	must(t, b.keeper.Used(t.Context(), row.Connection, "cli_1")) // writes nothing
	if err := b.keeper.Used(t.Context(), row.Connection, "cli_2"); err == nil {
		t.Error("another client's use was not written")
	}
	b.clock.add(time.Minute)
	if err := b.keeper.Used(t.Context(), row.Connection, "cli_1"); err == nil {
		t.Error("a use a minute later was not written")
	}
}

func TestConfig(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	for name, breaks := range map[string]func(*connection.Config){
		"no store":        func(c *connection.Config) { c.Store = nil },
		"no sealer":       func(c *connection.Config) { c.Sealer = nil },
		"no providers":    func(c *connection.Config) { c.Providers = nil },
		"no shelf":        func(c *connection.Config) { c.Shelf = nil },
		"no replica":      func(c *connection.Config) { c.Replica = "" },
		"nobody to alert": func(c *connection.Config) { c.Alert = nil },
		"no log":          func(c *connection.Config) { c.Log = nil },
		"no clock":        func(c *connection.Config) { c.Now = nil },
		"dead before ended": func(c *connection.Config) {
			c.CallTimeout, c.SaveFor, c.StaleAfter = time.Second, time.Second, 2*time.Second
		},
		"no patience":       func(c *connection.Config) { c.Patience = -time.Second },
		"half of the times": func(c *connection.Config) { c.CallTimeout = time.Second },
	} {
		c := b.config("replica", nil)
		breaks(&c)
		if _, err := connection.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestChoose(t *testing.T) {
	one := connection.Connection{Account: provider.Account{ID: "1", Label: "alice"}}
	two := connection.Connection{Account: provider.Account{ID: "2", Label: "alice"}}
	for name, test := range map[string]struct {
		all     []connection.Connection
		account string
		want    string
		err     error
	}{
		"none":               {nil, "", "", connection.ErrGone},
		"the only one":       {[]connection.Connection{one}, "", "1", nil},
		"one of two, by id":  {[]connection.Connection{one, two}, "2", "2", nil},
		"two of one label":   {[]connection.Connection{one, two}, "alice", "", connection.ErrAmbiguous},
		"two, and no word":   {[]connection.Connection{one, two}, "", "", connection.ErrAmbiguous},
		"another than there": {[]connection.Connection{one}, "bob", "", connection.ErrGone},
	} {
		if got, err := connection.Choose(test.all, test.account); !errors.Is(err, test.err) || got.Account.ID != test.want {
			t.Errorf("%s: %v, %v", name, got.Account, err)
		}
	}
}

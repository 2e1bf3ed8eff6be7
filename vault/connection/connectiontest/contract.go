package connectiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Fixture is a store under test, as two processes see it, and what changes rows besides it.
type Fixture struct {
	Store, Second connection.Store
	Tenant, Other string // uids
	Now           func() time.Time
	Create        func(context.Context, connection.Stored) error
	Remove        func(ctx context.Context, tenant, id string) error
	SetStatus     func(ctx context.Context, tenant, id string, to connection.Status, reason string) error
}

// Contract is what every store keeps.
func Contract(t *testing.T, fixture func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*suite, *testing.T){
		"a row comes back whole":            (*suite).whole,
		"one of many begins":                (*suite).race,
		"begin refuses":                     (*suite).beginRefuses,
		"an attempt is taken over once":     (*suite).over,
		"saving":                            (*suite).save,
		"a lost attempt may still be saved": (*suite).lost,
		"failing":                           (*suite).fail,
		"an end stays through an attempt":   (*suite).ends,
		"touching":                          (*suite).touch,
		"rewrapping":                        (*suite).rewrap,
		"tenants":                           (*suite).tenants,
		"fifty at the end of a token":       (*suite).fifty,
		"fifty after a kill, single use":    func(s *suite, t *testing.T) { s.killed(t, provider.SingleUse, 1, 1) },
		"fifty after a kill, no rotation":   func(s *suite, t *testing.T) { s.killed(t, provider.RotationNone, 2, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{Fixture: fixture(t)}
			s.now = s.Now().UTC().Truncate(time.Microsecond)
			s.sealer = Keyring(t, s.now)
			s.stored = s.create(t)
			test(s, t)
		})
	}
}

type suite struct {
	Fixture
	sealer vault.Sealer
	now    time.Time
	stored connection.Stored
}

func (s *suite) credential(access string) provider.Credential {
	return provider.Credential{
		Origin: provider.FromPerson, Access: provider.NewSecret(access), Refresh: provider.NewSecret("r-" + access), Scopes: []string{"repo", "gist"},
		IssuedAt: s.now, ExpiresAt: s.now.Add(time.Hour),
	}
}

func (s *suite) create(t *testing.T) connection.Stored {
	t.Helper()
	made := New(t, s.sealer, Ref(s.Tenant, s.now), s.credential("first"), s.now)
	must(t, s.Create(t.Context(), made))
	return made
}

func (s *suite) attempt(name string) connection.Attempt {
	return connection.Attempt{Tenant: s.stored.Tenant, ID: s.stored.ID, Version: s.stored.Version, Name: name, By: "replica-1"}
}

func (s *suite) successor(t *testing.T, access string) connection.Successor {
	t.Helper()
	next, err := connection.Seal(t.Context(), s.sealer, s.stored.Ref, s.stored.Version+1, s.credential(access), s.now)
	must(t, err)
	return next
}

func (s *suite) load(t *testing.T) connection.Stored {
	t.Helper()
	got, err := s.Second.Load(t.Context(), s.stored.Tenant, s.stored.ID)
	must(t, err)
	return got
}

func (s *suite) whole(t *testing.T) {
	got := s.load(t)
	if !reflect.DeepEqual(got, s.stored) {
		t.Errorf("got  %+v\nwant %+v", got, s.stored)
	}
	forever := s.credential("forever")
	forever.ExpiresAt, forever.Scopes = time.Time{}, nil
	made := New(t, s.sealer, Ref(s.Tenant, s.now), forever, s.now)
	made.Account.ID = "2"
	must(t, s.Create(t.Context(), made))
	got, err := s.Store.Load(t.Context(), made.Tenant, made.ID)
	if err != nil || !got.ExpiresAt.IsZero() || !got.RefreshAt.IsZero() || len(got.Scopes) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	found, err := s.Store.Find(t.Context(), s.Tenant, made.Owner, made.Provider)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	held, err := s.Store.Held(t.Context(), s.Tenant, made.Owner, made.Provider)
	if err != nil || len(held) != 2 {
		t.Fatalf("%+v, %v", held, err)
	}
	for i, one := range held { // each is what Find lists, together with what Load gives
		loaded, err := s.Store.Load(t.Context(), s.Tenant, found[i].ID)
		if err != nil || len(one.Blob) == 0 || !reflect.DeepEqual(one, loaded) || !reflect.DeepEqual(one.Connection, found[i]) {
			t.Errorf("held   %+v\nloaded %+v, %v", one, loaded, err)
		}
	}
	must(t, s.SetStatus(t.Context(), made.Tenant, made.ID, connection.Revoked, "removed"))
	if held, err := s.Store.Held(t.Context(), s.Tenant, made.Owner, made.Provider); err != nil || len(held) != 1 || held[0].ID != s.stored.ID {
		t.Errorf("%+v, %v", held, err)
	}
	if found, err = s.Store.Find(t.Context(), s.Tenant, made.Owner, made.Provider); err != nil || len(found) != 1 || found[0].ID != s.stored.ID {
		t.Errorf("%+v, %v", found, err)
	}
	for name, find := range map[string]struct {
		owner    connection.Owner
		provider string
	}{
		"another's":           {connection.Owner{Kind: connection.User, UID: "usr_eve"}, made.Provider},
		"a client's":          {connection.Owner{Kind: connection.Client, UID: made.Owner.UID}, made.Provider},
		"of another provider": {made.Owner, "prv_other"},
		"nobody's":            {connection.Owner{}, ""},
	} {
		if found, err := s.Store.Find(t.Context(), s.Tenant, find.owner, find.provider); err != nil || len(found) != 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		if held, err := s.Store.Held(t.Context(), s.Tenant, find.owner, find.provider); err != nil || len(held) != 0 {
			t.Errorf("%s: %d held, %v", name, len(held), err)
		}
	}
	if _, err := s.Store.Load(t.Context(), s.Tenant, "con_none"); !errors.Is(err, connection.ErrGone) {
		t.Errorf("none: %v", err)
	}
	must(t, s.Remove(t.Context(), s.Tenant, s.stored.ID))
	if _, err := s.Store.Load(t.Context(), s.Tenant, s.stored.ID); !errors.Is(err, connection.ErrGone) {
		t.Errorf("removed: %v", err)
	}
}

func (s *suite) race(t *testing.T) {
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		from := []connection.Store{s.Store, s.Second}[i%2]
		wg.Go(func() { errs[i] = from.Begin(t.Context(), s.attempt(name(i))) })
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Fatal("two have begun")
		case !errors.Is(err, connection.ErrMoved):
			t.Errorf("a loser was told %v", err)
		}
	}
	if won < 0 {
		t.Fatal("nobody has begun")
	}
	got := s.load(t).Flight
	if got.State != connection.InFlight || got.Attempt != name(won) || got.By != "replica-1" || got.Since.IsZero() || got.Age < 0 {
		t.Errorf("%+v", got)
	}
}

func name(i int) string { return fmt.Sprint("try_", i) }

func (s *suite) beginRefuses(t *testing.T) {
	for name, breaks := range map[string]func(*connection.Attempt){
		"another version":       func(a *connection.Attempt) { a.Version++ },
		"another connection":    func(a *connection.Attempt) { a.ID = "con_none" },
		"over what is not":      func(a *connection.Attempt) { a.Over = "try_none" },
		"an attempt of nothing": func(a *connection.Attempt) { a.Name = "" },
		"by nobody":             func(a *connection.Attempt) { a.By = "" },
		"no version":            func(a *connection.Attempt) { a.Version = 0 },
	} {
		a := s.attempt("try_1")
		breaks(&a)
		if err := s.Store.Begin(t.Context(), a); !errors.Is(err, connection.ErrMoved) && !errors.Is(err, connection.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, status := range []connection.Status{connection.ReauthorizationRequired, connection.Suspended, connection.Revoked} {
		must(t, s.SetStatus(t.Context(), s.stored.Tenant, s.stored.ID, status, "why"))
		if got := s.load(t); got.Status != status || got.Reason != "why" {
			t.Errorf("%+v", got)
		}
		if err := s.Store.Begin(t.Context(), s.attempt("try_1")); !errors.Is(err, connection.ErrMoved) {
			t.Errorf("%s: %v", status, err)
		}
	}
	must(t, s.SetStatus(t.Context(), s.stored.Tenant, s.stored.ID, connection.Connected, ""))
	must(t, s.Store.Begin(t.Context(), s.attempt("try_1")))
}

func (s *suite) over(t *testing.T) {
	must(t, s.Store.Begin(t.Context(), s.attempt("try_1")))
	until := s.now.Add(time.Minute)
	second := s.attempt("try_2")
	second.Over, second.RepeatUntil = "try_1", until
	must(t, s.Second.Begin(t.Context(), second))
	third := second
	third.Name = "try_3"
	if err := s.Store.Begin(t.Context(), third); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("a second takes over: %v", err)
	}
	third.Over, third.RepeatUntil = "try_2", until.Add(time.Hour)
	must(t, s.Store.Begin(t.Context(), third))
	if got := s.load(t); !got.RepeatUntil.Equal(until) || got.Flight.Attempt != "try_3" {
		t.Errorf("what is known of the first loss counts: %+v", got)
	}
	if err := s.Store.Save(t.Context(), s.attempt("try_1"), s.successor(t, "late")); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("what was taken over is saved: %v", err)
	}
	if err := s.Store.Fail(t.Context(), s.attempt("try_1"), connection.Failure{Code: "x"}); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("what was taken over fails: %v", err)
	}
}

func (s *suite) save(t *testing.T) {
	a, next := s.attempt("try_1"), s.successor(t, "second")
	if err := s.Store.Save(t.Context(), a, next); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("without a beginning: %v", err)
	}
	must(t, s.Store.Begin(t.Context(), a))
	other := a
	other.Name = "try_2"
	if err := s.Store.Save(t.Context(), other, next); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("another's: %v", err)
	}
	if err := s.Store.Save(t.Context(), a, connection.Successor{}); !errors.Is(err, connection.ErrIncomplete) {
		t.Errorf("nothing: %v", err)
	}
	for range 2 { // the answer to the first may have been lost
		must(t, s.Store.Save(t.Context(), a, next))
	}
	got := s.load(t)
	if got.Version != 2 || got.Flight.State != connection.Saved || !bytes.Equal(got.Blob, next.Blob) || got.KeyID != next.KeyID ||
		!got.ExpiresAt.Equal(next.ExpiresAt) || !got.RefreshAt.Equal(next.RefreshAt) || !slices.Equal(got.Scopes, next.Scopes) || got.Status != connection.Connected {
		t.Errorf("%+v", got)
	}
	if c, err := connection.Open(t.Context(), s.sealer, got.Ref, got); err != nil || c.Access.Reveal() != "second" {
		t.Errorf("%v", err)
	}
	must(t, s.Remove(t.Context(), a.Tenant, a.ID))
	if err := s.Store.Save(t.Context(), a, next); !errors.Is(err, connection.ErrGone) {
		t.Errorf("removed: %v", err)
	}
}

func (s *suite) lost(t *testing.T) {
	a := s.attempt("try_1")
	must(t, s.Store.Begin(t.Context(), a))
	must(t, s.Second.Fail(t.Context(), a, connection.Failure{Code: "refresh_lost", Terminal: true, Lost: true}))
	if got := s.load(t); got.Status != connection.ReauthorizationRequired || got.Reason != "refresh_lost" || got.Flight.State != connection.Lost {
		t.Errorf("%+v", got)
	}
	must(t, s.Store.Save(t.Context(), a, s.successor(t, "late")))
	if got := s.load(t); got.Status != connection.Connected || got.Reason != "" || got.Version != 2 {
		t.Errorf("%+v", got)
	}
}

func (s *suite) fail(t *testing.T) {
	a := s.attempt("try_1")
	must(t, s.Store.Begin(t.Context(), a))
	until := s.now.Add(time.Minute)
	must(t, s.Store.Fail(t.Context(), a, connection.Failure{Code: "transient", RetryIn: time.Hour, Blame: true, RepeatUntil: until}))
	got := s.load(t)
	if got.Status != connection.Connected || got.Flight.State != connection.Idle || got.Failures != 1 || got.Failure != "transient" ||
		got.RetryIn <= 50*time.Minute || got.RetryIn > time.Hour || !got.RepeatUntil.Equal(until) || got.Version != 1 {
		t.Errorf("%+v", got)
	}
	if err := s.Store.Fail(t.Context(), a, connection.Failure{Code: "twice"}); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("twice: %v", err)
	}
	if err := s.Store.Save(t.Context(), a, s.successor(t, "late")); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("what failed is saved: %v", err)
	}
	if err := s.Store.Begin(t.Context(), s.attempt("try_2")); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("before its rest is over: %v", err)
	}
}

func (s *suite) ends(t *testing.T) {
	a := s.attempt("try_1")
	must(t, s.Store.Begin(t.Context(), a))
	must(t, s.SetStatus(t.Context(), a.Tenant, a.ID, connection.Suspended, "held"))
	must(t, s.Store.Save(t.Context(), a, s.successor(t, "second")))
	if got := s.load(t); got.Status != connection.Suspended || got.Reason != "held" || got.Version != 2 {
		t.Errorf("a save ended a suspension: %+v", got)
	}
}

func (s *suite) touch(t *testing.T) {
	at := s.now.Add(time.Minute)
	must(t, s.Store.Touch(t.Context(), s.stored.Tenant, s.stored.ID, "cli_1", at))
	must(t, s.Second.Touch(t.Context(), s.stored.Tenant, s.stored.ID, "cli_2", at.Add(-time.Second)))
	if got := s.load(t); !got.LastUsedAt.Equal(at) || got.LastUsedBy != "cli_1" {
		t.Errorf("%+v", got)
	}
}

func (s *suite) rewrap(t *testing.T) {
	ids := []string{s.stored.ID}
	for i := range 4 {
		made := New(t, s.sealer, Ref(s.Tenant, s.now.Add(time.Duration(i+1)*time.Millisecond)), s.credential("more"), s.now)
		made.Account.ID = made.ID
		must(t, s.Create(t.Context(), made))
		ids = append(ids, made.ID)
	}
	if left, err := s.Store.RewrapLeft(t.Context(), s.Tenant, s.stored.KeyID); err != nil || left != 0 {
		t.Errorf("%d, %v", left, err)
	}
	if left, err := s.Store.RewrapLeft(t.Context(), s.Tenant, "newer"); err != nil || left != 5 {
		t.Errorf("%d, %v", left, err)
	}
	first, err := s.Store.RewrapNext(t.Context(), s.Tenant, "newer", "", 2)
	must(t, err)
	rest, err := s.Store.RewrapNext(t.Context(), s.Tenant, "newer", first[1].ID, 9)
	must(t, err)
	var seen []string
	for _, r := range append(first, rest...) {
		seen = append(seen, r.ID)
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("%v, want %v", seen, ids)
	}
	next := connection.Successor{Blob: []byte(vault.Magic + "other"), KeyID: "newer", SealedAt: s.now.Add(time.Hour)}
	must(t, s.Store.Rewrap(t.Context(), first[0], next))
	if err := s.Second.Rewrap(t.Context(), first[0], next); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("from a blob that is not there any more: %v", err)
	}
	if got := s.load(t); got.Version != 1 || got.KeyID != "newer" || !got.SealedAt.Equal(next.SealedAt) || !bytes.Equal(got.Blob, next.Blob) {
		t.Errorf("%+v", got)
	}
	if left, err := s.Store.RewrapLeft(t.Context(), s.Tenant, "newer"); err != nil || left != 4 {
		t.Errorf("%d, %v", left, err)
	}
}

func (s *suite) tenants(t *testing.T) {
	ctx, a := t.Context(), s.attempt("try_1")
	must(t, s.Store.Begin(ctx, a))
	b := a
	b.Tenant = s.Other
	if _, err := s.Store.Load(ctx, s.Other, s.stored.ID); !errors.Is(err, connection.ErrGone) {
		t.Errorf("load: %v", err)
	}
	if err := s.Store.Begin(ctx, b); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("begin: %v", err)
	}
	if err := s.Store.Save(ctx, b, s.successor(t, "second")); !errors.Is(err, connection.ErrGone) {
		t.Errorf("save: %v", err)
	}
	if err := s.Store.Fail(ctx, b, connection.Failure{Code: "x"}); !errors.Is(err, connection.ErrMoved) {
		t.Errorf("fail: %v", err)
	}
	if rows, err := s.Store.RewrapNext(ctx, s.Other, "newer", "", 9); err != nil || len(rows) != 0 {
		t.Errorf("rewrap: %v, %v", rows, err)
	}
	if _, err := s.Store.Load(ctx, "", s.stored.ID); err == nil || errors.Is(err, connection.ErrGone) {
		t.Errorf("no tenant: %v", err)
	}
}

// fifty ask over two keepers when the token is at its end: the provider is asked once, and all get a token that works.
func (s *suite) fifty(t *testing.T) {
	fake := NewProvider(provider.SingleUse, time.Hour, s.Now)
	old := fake.Connect()
	old.ExpiresAt = s.Now().Add(time.Second).UTC().Truncate(time.Microsecond)
	made := New(t, s.sealer, Ref(s.Tenant, s.now), old, s.now)
	made.Account.ID = "50"
	must(t, s.Create(t.Context(), made))
	unheard := func(_ context.Context, a connection.Alert) { t.Errorf("alert: %+v", a) }
	keepers := []*connection.Keeper{s.keeper(t, s.Store, fake, time.Minute, unheard, nil), s.keeper(t, s.Second, fake, time.Minute, unheard, nil)}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			live, err := keepers[i%2].Fresh(t.Context(), made.Ref, connection.Want{MinTTL: time.Minute})
			if err != nil {
				t.Error(err)
			} else if !fake.Works(live.Credential) || live.Version != 2 {
				t.Error("a token that does not work")
			}
		})
	}
	wg.Wait()
	if n := fake.Calls(); n != 1 {
		t.Errorf("%d refreshes reached the provider", n)
	}
}

// killed: a process ended before it saved the answer. Of fifty who come afterwards, over two keepers, one settles it.
func (s *suite) killed(t *testing.T, rotation provider.Rotation, calls, alerts int) {
	fake := NewProvider(rotation, time.Hour, s.Now)
	old := fake.Connect()
	old.ExpiresAt = s.Now().Add(time.Second).UTC().Truncate(time.Microsecond)
	made := New(t, s.sealer, Ref(s.Tenant, s.now), old, s.now)
	made.Account.ID = "killed"
	must(t, s.Create(t.Context(), made))
	var heard atomic.Int32
	hear := func(context.Context, connection.Alert) { heard.Add(1) }
	const stale = 2 * time.Second
	want := connection.Want{MinTTL: time.Minute}
	if _, err := s.keeper(t, s.Store, fake, stale, hear, killer{}).Fresh(t.Context(), made.Ref, want); !errors.Is(err, errKilled) {
		t.Fatalf("it lives: %v", err)
	}
	keepers := []*connection.Keeper{s.keeper(t, s.Store, fake, stale, hear, nil), s.keeper(t, s.Second, fake, stale, hear, nil)}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			live, err := keepers[i%2].Fresh(t.Context(), made.Ref, want)
			refusal, refused := errors.AsType[*connection.Refusal](err)
			switch {
			case alerts > 0 && (!refused || refusal.Code != connection.CodeReauthorization):
				t.Errorf("got %v, want a refusal", err)
			case alerts == 0 && (err != nil || !fake.Works(live.Credential)):
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if got := fake.Calls(); got != calls || int(heard.Load()) != alerts {
		t.Errorf("%d refreshes and %d alerts, want %d and %d", got, heard.Load(), calls, alerts)
	}
}

var errKilled = errors.New("killed")

type killer struct{}

func (killer) Reach(p connection.Point) error {
	if p == connection.AfterAnswer {
		return errKilled
	}
	return nil
}

func (s *suite) keeper(t *testing.T, store connection.Store, fake *Provider, stale time.Duration, alert func(context.Context, connection.Alert), points connection.Failpoints) *connection.Keeper {
	t.Helper()
	c := connection.Config{
		Store: store, Sealer: s.sealer, Providers: fake, Shelf: &Shelf{}, Replica: "replica", Now: s.Now, Log: Quiet(), Alert: alert, Failpoints: points,
		CallTimeout: stale / 3, SaveFor: stale / 3, StaleAfter: stale,
	}
	k, err := connection.New(c)
	must(t, err)
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package interaction_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/interaction/interactiontest"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/vault/keyring"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type lane struct{ events []audit.Event }

func (l *lane) Add(e audit.Event, _ string) { l.events = append(l.events, e) }

type world struct {
	*interaction.Desk
	memory *interactiontest.Memory
	lane   *lane
	now    time.Time
	order  interaction.Order
	alice  session.Session
}

var from = interaction.Visit{Trace: "trc_1", Remote: "192.0.2.1"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{memory: &interactiontest.Memory{}, lane: &lane{}, now: start}
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), start)
	must(t, err)
	w.Desk, err = interaction.New(interaction.Desk{Store: w.memory, Sealer: ring, Lane: w.lane, Now: func() time.Time { return w.now }})
	must(t, err)
	uid := tenant.MustParseUID(id.New(id.Tenant, start))
	age := int64(300)
	w.order = interaction.Order{
		Triple: interaction.Triple{Tenant: uid, UserUID: "usr_alice", ClientUID: "cli_1", ResourceUID: "res_1"},
		Demand: policy.StepUp{ACRValues: []string{"phr"}, MaxAge: &age}, ClientID: "agent", Resource: "notes",
	}
	w.alice = session.Session{Handle: [32]byte{1}, Tenant: uid, UserUID: "usr_alice", IdPUID: "idp_1", Proof: session.Proof{ACR: "phr", AMR: []string{"hwk"}, AuthTime: start}}
	return w
}

func (w *world) begin(t *testing.T) string {
	t.Helper()
	link, err := w.Begin(t.Context(), w.order)
	must(t, err)
	return link
}

func (w *world) open(t *testing.T, link string) interaction.Interaction {
	t.Helper()
	i, err := w.Open(t.Context(), w.order.Tenant, link)
	must(t, err)
	return i
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCircle: a link is given, opened, finished once, and what was proved counts for as long as it is fresh.
func TestCircle(t *testing.T) {
	w := newWorld(t)
	link := w.begin(t)
	if len(link) != 43 {
		t.Errorf("a link of %d characters", len(link))
	}
	i := w.open(t, link)
	must(t, w.Depart(t.Context(), i, nil, from))
	i = w.open(t, link)
	if !i.Proved(w.alice) {
		t.Error("who signed in since has not proved anything")
	}
	must(t, w.Finish(t.Context(), i, w.alice, 7, from))
	if err := w.Finish(t.Context(), i, w.alice, 7, from); !errors.Is(err, interaction.ErrGone) {
		t.Errorf("finished twice: %v", err)
	}
	if _, err := w.Open(t.Context(), w.order.Tenant, link); !errors.Is(err, interaction.ErrGone) {
		t.Errorf("opened after it was finished: %v", err)
	}
	for _, after := range []time.Duration{0, time.Minute, 300*time.Second - 1} {
		w.now = start.Add(after)
		proofs, err := w.Proofs(t.Context(), w.order.Triple)
		if err != nil || len(proofs) != 1 || proofs[0].ACR != "phr" || !proofs[0].AuthTime.Equal(start) || !slices.Equal(proofs[0].AMR, []string{"hwk"}) {
			t.Errorf("after %s: %+v %v", after, proofs, err)
		}
	}
	w.now = start.Add(300 * time.Second)
	if proofs, err := w.Proofs(t.Context(), w.order.Triple); err != nil || len(proofs) != 0 {
		t.Errorf("when its time is over: %+v %v", proofs, err)
	}
	kinds := []audit.Type{}
	for _, e := range w.memory.Events {
		kinds = append(kinds, e.Type)
		if e.OnBehalf != "usr_alice" || e.Detail["interaction"] == link || e.Detail["interaction"] == "" {
			t.Errorf("event %+v", e)
		}
	}
	if !slices.Equal(kinds, []audit.Type{audit.TypeInteractionBegun, audit.TypeInteractionFinished, audit.TypeInteractionFinished}) {
		t.Errorf("events %v", kinds)
	}
}

// TestFinish: a session that finishes, one thing changed.
func TestFinish(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		want   error
	}{
		"nothing changed":         {func(*world) {}, nil},
		"another person":          {func(w *world) { w.alice.UserUID = "usr_bob" }, interaction.ErrWrongPerson},
		"nobody":                  {func(w *world) { w.alice.UserUID = "" }, interaction.ErrWrongPerson},
		"another tenant":          {func(w *world) { w.alice.Tenant = tenant.MustParseUID(id.New(id.Tenant, start)) }, interaction.ErrWrongPerson},
		"another level":           {func(w *world) { w.alice.Proof.ACR = "mfa" }, interaction.ErrUnmet},
		"no level":                {func(w *world) { w.alice.Proof.ACR = "" }, interaction.ErrUnmet},
		"a passkey not asked for": {func(w *world) { w.alice.Proof.ACR = session.ACRPasskey }, interaction.ErrUnmet},
		"no time":                 {func(w *world) { w.alice.Proof.AuthTime = time.Time{} }, interaction.ErrUnmet},
		"too old":                 {func(w *world) { w.alice.Proof.AuthTime = start.Add(-301 * time.Second) }, interaction.ErrUnmet},
		"a clock a little ahead":  {func(w *world) { w.alice.Proof.AuthTime = start.Add(30 * time.Second) }, nil},
		"a clock far ahead":       {func(w *world) { w.alice.Proof.AuthTime = start.Add(2 * time.Minute) }, interaction.ErrUnmet},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			i := w.open(t, w.begin(t))
			c.change(w)
			if err := w.Finish(t.Context(), i, w.alice, 1, from); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			proofs, err := w.Proofs(t.Context(), w.order.Triple)
			if err != nil || (len(proofs) == 1) != (c.want == nil) || (len(w.lane.events) == 1) != (c.want != nil) {
				t.Errorf("proofs %+v, %v, refused %d", proofs, err, len(w.lane.events))
			}
			if len(proofs) == 1 && proofs[0].AuthTime.After(w.now) {
				t.Error("a time to come is kept")
			}
		})
	}
}

// TestProofsCountForOne: not for another user, client, resource or tenant.
func TestProofsCountForOne(t *testing.T) {
	w := newWorld(t)
	must(t, w.Finish(t.Context(), w.open(t, w.begin(t)), w.alice, 1, from))
	for name, change := range map[string]func(*interaction.Triple){
		"user":     func(x *interaction.Triple) { x.UserUID = "usr_bob" },
		"client":   func(x *interaction.Triple) { x.ClientUID = "cli_2" },
		"resource": func(x *interaction.Triple) { x.ResourceUID = "res_2" },
		"tenant":   func(x *interaction.Triple) { x.Tenant = tenant.MustParseUID(id.New(id.Tenant, start)) },
		"no user":  func(x *interaction.Triple) { x.UserUID = "" },
	} {
		other := w.order.Triple
		change(&other)
		if proofs, err := w.Proofs(t.Context(), other); err != nil || len(proofs) != 0 {
			t.Errorf("another %s: %+v %v", name, proofs, err)
		}
	}
}

// TestHowLongProofsCount: until max_age, five minutes where policy names none, never longer than a day.
func TestHowLongProofsCount(t *testing.T) {
	seconds := func(n int64) *int64 { return &n }
	for name, c := range map[string]struct {
		demand policy.StepUp
		want   time.Duration
	}{
		"its max_age": {policy.StepUp{MaxAge: seconds(60)}, time.Minute},
		"no max_age":  {policy.StepUp{ACRValues: []string{"phr"}}, 5 * time.Minute},
		"a year":      {policy.StepUp{MaxAge: seconds(31536000)}, 24 * time.Hour},
	} {
		w := newWorld(t)
		w.order.Demand = c.demand
		must(t, w.Finish(t.Context(), w.open(t, w.begin(t)), w.alice, 1, from))
		if got := w.memory.All[0].ExpiresAt.Sub(start); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	w := newWorld(t)
	w.order.Demand = policy.StepUp{}
	if _, err := w.Begin(t.Context(), w.order); err == nil {
		t.Error("a link for nothing")
	}
}

// TestLinksAreReused: a client that tries again fills nothing.
func TestLinksAreReused(t *testing.T) {
	w := newWorld(t)
	first := w.begin(t)
	w.now = start.Add(4 * time.Minute)
	if again := w.begin(t); again != first || len(w.memory.All) != 1 {
		t.Error("another link for the same")
	}
	w.now = start.Add(6 * time.Minute)
	second := w.begin(t)
	if second == first {
		t.Error("a link with too little time left")
	}
	w.open(t, first) // it waits on for whoever has it open
	age := int64(60)
	w.order.Demand = policy.StepUp{MaxAge: &age}
	if third := w.begin(t); third == second {
		t.Error("the same link for another demand")
	}
	for n := range 30 {
		w.order.ResourceUID = string(rune('a' + n))
		w.begin(t)
	}
	if len(w.memory.All) != 8 {
		t.Errorf("%d links wait", len(w.memory.All))
	}
}

// TestOpen: what is no link of this tenant, or waits no more.
func TestOpen(t *testing.T) {
	w := newWorld(t)
	link := w.begin(t)
	other := tenant.MustParseUID(id.New(id.Tenant, start))
	if _, err := w.Open(t.Context(), other, link); !errors.Is(err, interaction.ErrGone) {
		t.Errorf("another tenant: %v", err)
	}
	for _, text := range []string{"", "x", link[1:], link + "A", link[:42] + "!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if _, err := w.Open(t.Context(), w.order.Tenant, text); !errors.Is(err, interaction.ErrGone) {
			t.Errorf("%q: %v", text, err)
		}
	}
	w.now = start.Add(interaction.Lifetime)
	if _, err := w.Open(t.Context(), w.order.Tenant, link); !errors.Is(err, interaction.ErrGone) {
		t.Errorf("when its time is over: %v", err)
	}
}

// TestDepart: only the person for whom it waits agrees to it, and the session that he had then proves nothing.
func TestDepart(t *testing.T) {
	w := newWorld(t)
	link := w.begin(t)
	bob := w.alice
	bob.UserUID = "usr_bob"
	if err := w.Depart(t.Context(), w.open(t, link), &bob, from); !errors.Is(err, interaction.ErrWrongPerson) {
		t.Errorf("bob: %v", err)
	}
	if w.open(t, link).Proved(w.alice) {
		t.Error("proved before anybody agreed to anything")
	}
	must(t, w.Depart(t.Context(), w.open(t, link), &w.alice, from))
	if w.open(t, link).Proved(w.alice) {
		t.Error("the session that was there proved something")
	}
	w.alice.Handle = [32]byte{2}
	if !w.open(t, link).Proved(w.alice) {
		t.Error("the session that came proved nothing")
	}
}

// TestWays: which proof what is asked for lets in.
func TestWays(t *testing.T) {
	for name, c := range map[string]struct {
		values       []string
		idp, passkey bool
		upstream     int
	}{
		"only the age":      {nil, true, true, 0},
		"an IdP's":          {[]string{"phr"}, true, false, 1},
		"ours":              {[]string{session.ACRPasskey}, false, true, 0},
		"both":              {[]string{"phr", session.ACRPasskey}, true, true, 1},
		"one like ours":     {[]string{session.ACRPasskey + "x"}, false, false, 0},
		"ours, in capitals": {[]string{"URN:CHANCERY:ACR:PASSKEY"}, true, false, 1},
	} {
		i := interaction.Interaction{ACRValues: c.values}
		if i.ByIdP() != c.idp || i.ByPasskey() != c.passkey || len(i.Upstream()) != c.upstream {
			t.Errorf("%s: %v %v %v", name, i.ByIdP(), i.ByPasskey(), i.Upstream())
		}
	}
}

// TestUnreadableStore is no answer.
func TestUnreadableStore(t *testing.T) {
	w := newWorld(t)
	w.memory.Fail = errors.New("away")
	if _, err := w.Begin(t.Context(), w.order); err == nil {
		t.Error("a link")
	}
	if _, err := w.Proofs(t.Context(), w.order.Triple); err == nil {
		t.Error("no proofs")
	}
	if _, err := interaction.New(interaction.Desk{}); err == nil {
		t.Error("a desk without its parts")
	}
}

package connect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// A person goes, comes back, sees the account and says yes: then, and not before, there is a connection, which opens for him.
func TestConnect(t *testing.T) {
	w := newWorld(t)
	back := w.arrives(w.wish("a", "b"))
	if len(w.owned()) != 0 {
		t.Fatal("there is a connection before anybody confirmed it")
	}
	waiting, err := w.Waiting(t.Context(), "ten_1", back.ID, w.alice)
	must(t, err)
	if waiting.Account.Label != "alice" || !slices.Equal(waiting.Scopes, []string{"a", "b"}) || waiting.Again || waiting.Meant != "" || len(waiting.Missing) != 0 {
		t.Errorf("%+v", waiting)
	}
	made := w.confirms(back)
	owned := w.owned()
	if len(owned) != 1 || owned[0].Status != connection.Connected || owned[0].ID != made.Connection || owned[0].Account.Label != "alice" || made.Again {
		t.Fatalf("%+v", owned)
	}
	stored, err := w.held.Load(t.Context(), "ten_1", made.Connection)
	must(t, err)
	c, err := connection.Open(t.Context(), w.Sealer, owned[0].Ref, stored)
	if err != nil || !w.fake.Works(c.Access.Reveal()) || c.Refresh.IsZero() {
		t.Errorf("the credential: %v", err)
	}
	if _, err := w.Confirm(t.Context(), "ten_1", back.ID, w.alice, "", "github", connect.Visit{}); !errors.Is(err, connect.ErrGone) {
		t.Errorf("confirmed twice: %v", err)
	}
	if w.fake.Count("revoke") != 0 || !w.fake.Works(c.Access.Reveal()) {
		t.Error("the second confirmation gave the credential back")
	}
}

// Nobody but who began it completes it, nowhere else, not twice and not too late.
func TestArriveRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, p *connect.Person, providerUID *string)
		want   error
	}{
		"another person":   {func(_ *world, p *connect.Person, _ *string) { p.UserUID = "usr_eve" }, connect.ErrWrongPerson},
		"another browser":  {func(_ *world, p *connect.Person, _ *string) { p.Browser = [32]byte{7} }, connect.ErrWrongBrowser},
		"no browser":       {func(_ *world, p *connect.Person, _ *string) { p.Browser = [32]byte{} }, connect.ErrWrongBrowser},
		"nobody":           {func(_ *world, p *connect.Person, _ *string) { *p = connect.Person{} }, connect.ErrWrongBrowser},
		"another provider": {func(_ *world, _ *connect.Person, uid *string) { *uid = "prv_2" }, connect.ErrGone},
		"too late":         {func(w *world, _ *connect.Person, _ *string) { w.clock.add(connect.Lifetime) }, connect.ErrExpired},
		"no such provider": {func(w *world, _ *connect.Person, _ *string) { delete(w.engines, "prv_1") }, errNoProvider},
		"refused by the AS": {func(w *world, _ *connect.Person, _ *string) {
			w.fake.Set(func(s *providertest.Switches) { s.WrongSecret = true })
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			query, who, uid := w.goes(w.wish("a")), w.alice, "prv_1"
			test.change(w, &who, &uid)
			back, err := w.Arrive(t.Context(), "ten_1", uid, query, who)
			if err == nil || test.want != nil && !errors.Is(err, test.want) || back.ID != "" {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if w.store.Trips(connect.Arrived) != 0 || len(w.owned()) != 0 {
				t.Error("something waits all the same")
			}
			if errors.Is(test.want, connect.ErrWrongPerson) || errors.Is(test.want, connect.ErrWrongBrowser) || errors.Is(test.want, connect.ErrGone) {
				if w.fake.Count("code") != 0 {
					t.Error("the code was redeemed")
				}
				if _, err := w.Arrive(t.Context(), "ten_1", "prv_1", query, w.alice); err != nil {
					t.Errorf("who began it cannot go on: %v", err)
				}
			}
		})
	}
}

func TestArriveOnce(t *testing.T) {
	w := newWorld(t)
	query := w.goes(w.wish("a"))
	_, err := w.Arrive(t.Context(), "ten_1", "prv_1", query, w.alice)
	must(t, err)
	if _, err := w.Arrive(t.Context(), "ten_1", "prv_1", query, w.alice); !errors.Is(err, connect.ErrGone) {
		t.Errorf("replayed: %v", err)
	}
	if w.fake.Count("code") != 1 {
		t.Errorf("%d codes were redeemed", w.fake.Count("code"))
	}
	for name, change := range map[string]func(){
		"no state":     func() { query.Del("state") },
		"empty":        func() { query.Set("state", "") },
		"two states":   func() { query["state"] = []string{"a", "b"} },
		"nobody's":     func() { query["state"] = []string{"x"} },
		"other tenant": func() {},
	} {
		change()
		tenant := "ten_1"
		if name == "other tenant" {
			tenant = "ten_2"
		}
		if _, err := w.Arrive(t.Context(), tenant, "prv_1", query, w.alice); !errors.Is(err, connect.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A code of one departure is worth nothing for another (the verifier and the state hold them together), and an answer of
// another issuer is a mix-up (RFC 9207 §2.4).
func TestMixedUp(t *testing.T) {
	w := newWorld(t)
	first, second := w.goes(w.wish("a")), w.goes(w.wish("a"))
	second.Set("code", first.Get("code"))
	if _, err := w.Arrive(t.Context(), "ten_1", "prv_1", second, w.alice); err == nil {
		t.Error("a code of another departure was taken")
	}
	w.engines["prv_1"] = w.engine("https://chancery.example.com/connect/github/callback", manifest+"issuer: https://as.example.com\n")
	query := w.goes(w.wish("a"))
	query.Set("iss", "https://evil.example.com")
	if _, err := w.Arrive(t.Context(), "ten_1", "prv_1", query, w.alice); !errors.Is(err, provider.ErrState) {
		t.Errorf("another issuer: %v", err)
	}
}

func TestDeclined(t *testing.T) {
	w := newWorld(t)
	id, err := w.Link(t.Context(), w.order("a"))
	must(t, err)
	w.fake.Set(func(s *providertest.Switches) { s.Decline = true })
	wish := w.wish()
	wish.LinkID = id
	back, err := w.Arrive(t.Context(), "ten_1", "prv_1", w.goes(wish), w.alice)
	if !errors.Is(err, connect.ErrDeclined) || back.LinkID != id {
		t.Fatalf("%+v %v", back, err)
	}
	if _, err := w.Open(t.Context(), "ten_1", id); err != nil {
		t.Errorf("the link is used up by a no: %v", err)
	}
}

// What was obtained and is not confirmed is given back.
func TestGivenBack(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, back connect.Arrival){
		"declined": func(t *testing.T, w *world, back connect.Arrival) {
			_, err := w.Decline(t.Context(), "ten_1", back.ID, w.alice)
			must(t, err)
		},
		"expired": func(t *testing.T, w *world, back connect.Arrival) {
			w.clock.add(connect.Lifetime)
			if _, err := w.Confirm(t.Context(), "ten_1", back.ID, w.alice, "", "github", connect.Visit{}); !errors.Is(err, connect.ErrExpired) {
				t.Errorf("confirmed too late: %v", err)
			}
			n, err := w.Sweep(t.Context(), "ten_1")
			if err != nil || n != 1 {
				t.Errorf("swept %d, %v", n, err)
			}
		},
		"the person was revoked": func(t *testing.T, w *world, back connect.Arrival) {
			w.store.End(w.alice.UserUID, w.alice.Version+1)
			if _, err := w.Confirm(t.Context(), "ten_1", back.ID, w.alice, "", "github", connect.Visit{}); !errors.Is(err, connect.ErrEnded) {
				t.Errorf("confirmed by who was revoked: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			end(t, w, w.arrives(w.wish("a")))
			if w.fake.Count("revoke") != 1 || w.store.Trips(connect.Arrived) != 0 || len(w.owned()) != 0 {
				t.Errorf("%d revocations, %d wait, %d connected", w.fake.Count("revoke"), w.store.Trips(connect.Arrived), len(w.owned()))
			}
		})
	}
}

// What cannot be kept is given back too, and so is what nobody can say whose it is.
func TestGivenBackAtOnce(t *testing.T) {
	w := newWorld(t)
	w.store.Break("KeepTrip arrived")
	if _, err := w.Arrive(t.Context(), "ten_1", "prv_1", w.goes(w.wish("a")), w.alice); err == nil || w.fake.Count("revoke") != 1 {
		t.Errorf("%v, %d revocations", err, w.fake.Count("revoke"))
	}
	w = newWorld(t)
	query := w.goes(w.wish("a"))
	for range 2 {
		w.fake.Break("probe", providertest.Fault{Kind: "status", Status: 500})
	}
	if _, err := w.Arrive(t.Context(), "ten_1", "prv_1", query, w.alice); !errors.Is(err, provider.ErrProbe) || w.fake.Count("revoke") != 1 {
		t.Errorf("%v, %d revocations", err, w.fake.Count("revoke"))
	}
	w = newWorld(t)
	query = w.goes(w.wish("a"))
	w.fake.Break("probe", providertest.Fault{Kind: "status", Status: 500})
	if back, err := w.Arrive(t.Context(), "ten_1", "prv_1", query, w.alice); err != nil || back.ID == "" || w.fake.Count("revoke") != 0 {
		t.Errorf("probed again: %v", err)
	}
}

// Where the provider does not answer, it is tried again for an hour.
func TestSweepTriesAgain(t *testing.T) {
	w := newWorld(t)
	w.arrives(w.wish("a"))
	w.clock.add(connect.Lifetime)
	w.fake.Break("revoke", providertest.Fault{Kind: "status", Status: 503})
	if n, err := w.Sweep(t.Context(), "ten_1"); err != nil || n != 0 || w.store.Trips(connect.Arrived) != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := w.Sweep(t.Context(), "ten_2"); err != nil || n != 0 {
		t.Errorf("another tenant's: %d, %v", n, err)
	}
	w.clock.add(connect.KeepTrying)
	w.fake.Break("revoke", providertest.Fault{Kind: "status", Status: 503})
	if n, err := w.Sweep(t.Context(), "ten_1"); err != nil || n != 1 || w.store.Trips(connect.Arrived) != 0 {
		t.Errorf("for ever: %d, %v", n, err)
	}
}

// The same account again replaces the credential; a no to that does not end the connection that stays.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	first := w.confirms(w.arrives(w.wish("a")))
	back := w.arrives(w.wish("b"))
	waiting, err := w.Waiting(t.Context(), "ten_1", back.ID, w.alice)
	must(t, err)
	if !waiting.Again || !slices.Equal(waiting.Scopes, []string{"b", "a"}) && !slices.Equal(waiting.Scopes, []string{"a", "b"}) {
		t.Errorf("%+v", waiting)
	}
	_, err = w.Decline(t.Context(), "ten_1", back.ID, w.alice)
	must(t, err)
	if w.fake.Count("revoke") != 0 {
		t.Error("a no to more ended what there was")
	}
	again := w.confirms(w.arrives(w.wish("b")))
	owned := w.owned()
	if len(owned) != 1 || again.Connection != first.Connection || !again.Again || owned[0].Version != 2 || len(owned[0].Scopes) != 2 {
		t.Errorf("%+v", owned)
	}
}

// Another account is another connection, and is said to be another where one was meant.
func TestAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.confirms(w.arrives(w.wish("a")))
	w.fake.As("bob")
	wish := w.wish("a")
	wish.Account = w.owned()[0].Account.ID
	back := w.arrives(wish)
	waiting, err := w.Waiting(t.Context(), "ten_1", back.ID, w.alice)
	must(t, err)
	if waiting.Meant != "alice" || waiting.Account.Label != "bob" || waiting.Again || !slices.Equal(waiting.Others, []string{"alice"}) {
		t.Errorf("%+v", waiting)
	}
	w.confirms(back)
	if len(w.owned()) != 2 {
		t.Errorf("%d connections", len(w.owned()))
	}
}

func TestHeld(t *testing.T) {
	w := newWorld(t)
	made := w.confirms(w.arrives(w.wish("a")))
	back := w.arrives(w.wish("b"))
	must(t, w.held.SetStatus(t.Context(), "ten_1", made.Connection, connection.Suspended, "held"))
	if _, err := w.Confirm(t.Context(), "ten_1", back.ID, w.alice, "", "github", connect.Visit{}); !errors.Is(err, connect.ErrHeld) {
		t.Errorf("a consent ended a suspension: %v", err)
	}
	if _, err := w.Depart(t.Context(), w.wish("b")); !errors.Is(err, connect.ErrHeld) {
		t.Errorf("departed for what is held: %v", err)
	}
}

// What waits is shown to nobody else.
func TestWaitingIsTheirs(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w *world, p *connect.Person, id, tenant *string)
		want   error
	}{
		"another person":  {func(_ *world, p *connect.Person, _, _ *string) { p.UserUID = "usr_eve" }, connect.ErrWrongPerson},
		"another browser": {func(_ *world, p *connect.Person, _, _ *string) { p.Browser = [32]byte{7} }, connect.ErrWrongBrowser},
		"another id":      {func(_ *world, _ *connect.Person, id, _ *string) { *id = strings.Repeat("A", 43) }, connect.ErrGone},
		"no id":           {func(_ *world, _ *connect.Person, id, _ *string) { *id = "" }, connect.ErrGone},
		"another tenant":  {func(_ *world, _ *connect.Person, _, tenant *string) { *tenant = "ten_2" }, connect.ErrGone},
		"no tenant":       {func(_ *world, _ *connect.Person, _, tenant *string) { *tenant = "" }, connect.ErrGone},
		"too late":        {func(w *world, _ *connect.Person, _, _ *string) { w.clock.add(connect.Lifetime) }, connect.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			back := w.arrives(w.wish("a"))
			who, id, tenant := w.alice, back.ID, "ten_1"
			test.change(w, &who, &id, &tenant)
			if _, err := w.Waiting(t.Context(), tenant, id, who); !errors.Is(err, test.want) {
				t.Errorf("shown: %v", err)
			}
			if _, err := w.Confirm(t.Context(), tenant, id, who, "", "github", connect.Visit{}); !errors.Is(err, test.want) {
				t.Errorf("confirmed: %v", err)
			}
			if _, err := w.Decline(t.Context(), tenant, id, who); !errors.Is(err, test.want) {
				t.Errorf("declined: %v", err)
			}
			if len(w.owned()) != 0 {
				t.Error("something was connected")
			}
		})
	}
}

// What is typed in is kept like the rest, never given back, and confirmed too.
func TestEnter(t *testing.T) {
	w := newWorld(t)
	w.engines["prv_1"] = w.engine("", "name: static\nextends: static\n")
	wish := w.wish()
	if _, err := w.Depart(t.Context(), wish); !errors.Is(err, provider.ErrUnsupported) {
		t.Errorf("departed: %v", err)
	}
	if _, err := w.Enter(t.Context(), wish, "", provider.Secret{}); err == nil {
		t.Error("nothing was taken for a key")
	}
	back, err := w.Enter(t.Context(), wish, "", provider.NewSecret("canary-key"))
	must(t, err)
	w.confirms(back)
	stored, err := w.held.Load(t.Context(), "ten_1", w.owned()[0].ID)
	must(t, err)
	c, err := connection.Open(t.Context(), w.Sealer, w.owned()[0].Ref, stored)
	if err != nil || c.Access.Reveal() != "canary-key" || strings.Contains(string(stored.Blob), "canary") {
		t.Errorf("%v", err)
	}
}

// TestWordsOfOthersAreCleaned: what an agent calls an account, and what a person types, is shown to people.
func TestWordsOfOthersAreCleaned(t *testing.T) {
	w := newWorld(t)
	long := "ali\u202ece\u0085" + strings.Repeat("x", 5000)
	text, err := w.Link(t.Context(), connect.Order{Tenant: "ten_1", UserUID: w.alice.UserUID, ClientUID: "cli_1", ClientID: "agent", ProviderUID: "prv_1", Account: long})
	must(t, err)
	link, err := w.Open(t.Context(), "ten_1", text)
	must(t, err)
	w.engines["prv_1"] = w.engine("", "name: static\nextends: static\npresent: {scheme: Basic}\n")
	wish := w.wish()
	wish.Account = long
	back, err := w.Enter(t.Context(), wish, long, provider.NewSecret("key"))
	must(t, err)
	w.confirms(back)
	for what, shown := range map[string]string{"of an agent": link.Account, "of a wish": back.Trip.Account, "typed": w.owned()[0].Account.Label, "an id": w.owned()[0].Account.ID} {
		if !strings.HasPrefix(shown, "alicexxx") || len(shown) > 200 {
			t.Errorf("%s: %q", what, shown)
		}
	}
}

func TestLink(t *testing.T) {
	w := newWorld(t)
	id, err := w.Link(t.Context(), w.order("b", "a"))
	must(t, err)
	if !strings.HasPrefix(id, connect.Prefix) || len(id) != len(connect.Prefix)+43 {
		t.Errorf("%q", id)
	}
	l, err := w.Open(t.Context(), "ten_1", id)
	if err != nil || l.UserUID != w.alice.UserUID || !slices.Equal(l.Scopes, []string{"a", "b"}) {
		t.Fatalf("%+v %v", l, err)
	}
	for name, test := range map[string]struct {
		change func(*connect.Order)
		same   bool
	}{
		"the same":         {func(o *connect.Order) { o.Trace = "trc_9" }, true},
		"in another order": {func(o *connect.Order) { o.Scopes = []string{"a", "b", "a"} }, true},
		"another scope":    {func(o *connect.Order) { o.Scopes = []string{"a"} }, false},
		"another account":  {func(o *connect.Order) { o.Account = "bob" }, false},
		"another person":   {func(o *connect.Order) { o.UserUID = "usr_bob" }, false},
		"another client":   {func(o *connect.Order) { o.ClientUID = "cli_2" }, false},
		"another provider": {func(o *connect.Order) { o.ProviderUID = "prv_2" }, false},
	} {
		o := w.order("a", "b")
		test.change(&o)
		if got, err := w.Link(t.Context(), o); err != nil || (got == id) != test.same {
			t.Errorf("%s: %v %v", name, got == id, err)
		}
	}
	for name, change := range map[string]func(*connect.Order){
		"no tenant": func(o *connect.Order) { o.Tenant = "" }, "nobody": func(o *connect.Order) { o.UserUID = "" }, "no client": func(o *connect.Order) { o.ClientUID = "" },
		"nowhere": func(o *connect.Order) { o.ProviderUID = "" }, "too much": func(o *connect.Order) { o.Scopes = make([]string, 201) },
	} {
		o := w.order("a")
		change(&o)
		if _, err := w.Link(t.Context(), o); err == nil {
			t.Errorf("a link for an order with %s", name)
		}
	}
	w.clock.add(connect.Lifetime/2 + time.Second)
	if got, err := w.Link(t.Context(), w.order("a", "b")); err != nil || got == id {
		t.Errorf("one that ends soon was given again: %v", err)
	}
	w.clock.add(connect.Lifetime / 2)
	if _, err := w.Open(t.Context(), "ten_1", id); !errors.Is(err, connect.ErrExpired) {
		t.Errorf("too late: %v", err)
	}
	for _, text := range []string{"", "lnk_", "lnk_x", id[:len(id)-1], strings.Repeat("A", 43), "LNK" + id[3:]} {
		if _, err := w.Open(t.Context(), "ten_1", text); !errors.Is(err, connect.ErrGone) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := w.Open(t.Context(), "ten_2", id); !errors.Is(err, connect.ErrGone) {
		t.Errorf("in another tenant: %v", err)
	}
}

// A link is its person's, for its provider, and makes one connection at most.
func TestLinkIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	id, err := w.Link(t.Context(), w.order("a"))
	must(t, err)
	wish := w.wish("everything")
	wish.LinkID = id
	eve := wish
	eve.Person.UserUID = "usr_eve"
	if _, err := w.Depart(t.Context(), eve); !errors.Is(err, connect.ErrWrongPerson) {
		t.Errorf("eve departs on alice's link: %v", err)
	}
	elsewhere := wish
	elsewhere.Provider = "prv_2"
	if _, err := w.Depart(t.Context(), elsewhere); !errors.Is(err, connect.ErrGone) {
		t.Errorf("to another provider: %v", err)
	}
	first, second := w.arrives(wish), w.arrives(wish)
	made := w.confirms(first)
	if made.Trip.ClientUID != "cli_1" || !slices.Equal(made.Scopes, []string{"a"}) {
		t.Errorf("%+v", made)
	}
	if _, err := w.Confirm(t.Context(), "ten_1", second.ID, w.alice, "", "github", connect.Visit{}); !errors.Is(err, connect.ErrGone) {
		t.Errorf("used twice: %v", err)
	}
	if _, err := w.Open(t.Context(), "ten_1", id); !errors.Is(err, connect.ErrGone) {
		t.Errorf("it opens still: %v", err)
	}
	if len(w.owned()) != 1 || w.fake.Count("revoke") != 0 {
		t.Errorf("%d connections, %d revocations", len(w.owned()), w.fake.Count("revoke"))
	}
}

func TestBounded(t *testing.T) {
	w := newWorld(t)
	for range connect.MaxTrips + 3 {
		if _, err := w.Depart(t.Context(), w.wish("a")); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.store.Trips(connect.Departed); n != connect.MaxTrips {
		t.Errorf("%d under way", n)
	}
}

func TestIncomplete(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*connect.Wish){
		"no tenant": func(x *connect.Wish) { x.Tenant = "" }, "nowhere": func(x *connect.Wish) { x.Provider = "" }, "nobody": func(x *connect.Wish) { x.Person.UserUID = "" },
		"no browser": func(x *connect.Wish) { x.Person.Browser = [32]byte{} },
	} {
		wish := w.wish("a")
		change(&wish)
		if _, err := w.Depart(t.Context(), wish); err == nil {
			t.Errorf("departed with %s", name)
		}
	}
	if _, err := connect.New(connect.Config{}); err == nil {
		t.Error("a desk of nothing")
	}
}

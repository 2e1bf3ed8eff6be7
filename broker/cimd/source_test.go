package cimd_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/fetch"
)

func down() error { return &fetch.Error{Kind: fetch.ErrTransport, Host: "app.example.com"} }

func status(reason string) error {
	return &fetch.Error{Kind: fetch.ErrStatus, Host: "app.example.com", Reason: reason}
}

func TestNewRefuses(t *testing.T) {
	now := newClock().Now
	for name, c := range map[string]cimd.Config{
		"no clock": {Offline: true}, "no door": {Now: now},
		"no roots": {Now: now, Offline: true, Network: fetch.Network{CABundle: "/nowhere.pem"}},
	} {
		if _, err := cimd.New(c); err == nil {
			t.Errorf("%s is fine", name)
		}
	}
}

// What a host says of the life of its document counts between five minutes and a day.
func TestLifetime(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   time.Duration
	}{
		"nothing":          {"", cimd.DefaultLifetime},
		"an hour and more": {"public, max-age=7200", 2 * time.Hour},
		"quoted":           {`max-age="7200"`, 2 * time.Hour},
		"too short":        {"max-age=1", cimd.MinLifetime},
		"zero":             {"max-age=0", cimd.MinLifetime},
		"too long":         {"max-age=31536000", cimd.MaxLifetime},
		"beyond numbers":   {"max-age=99999999999999999999", cimd.MinLifetime},
		"negative":         {"max-age=-1", cimd.MinLifetime},
		"never":            {"no-store, max-age=86400", cimd.MinLifetime},
		"ask each time":    {"max-age=86400, No-Cache", cimd.MinLifetime},
		"private":          {"private", cimd.DefaultLifetime},
		"of shared caches": {"s-maxage=60", cimd.DefaultLifetime},
	} {
		t.Run(name, func(t *testing.T) {
			clock, body := newClock(), encode(t, members())
			door := newWeb(func(string) (fetch.Response, error) { return answer(body, c.header), nil })
			s := source(t, door, clock.Now)
			get(t, s)
			clock.forward(c.want - time.Second)
			get(t, s)
			if door.fetches() != 1 {
				t.Errorf("asked again before %s", c.want)
			}
			clock.forward(time.Second)
			get(t, s)
			if door.fetches() != 2 {
				t.Errorf("not asked again after %s", c.want)
			}
		})
	}
}

// T53: errors and invalid documents are remembered as such for a minute, and never as documents.
func TestFailuresAreNotDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*web)
		want  oauth.Code
	}{
		"not there":     {func(w *web) { w.fail(status("404")) }, oauth.CodeCIMDStatus},
		"moved":         {func(w *web) { w.fail(status("Found redirects are not followed")) }, oauth.CodeCIMDStatus},
		"server error":  {func(w *web) { w.fail(status("500")) }, oauth.CodeCIMDStatus},
		"away":          {func(w *web) { w.fail(down()) }, oauth.CodeCIMDUnavailable},
		"slow":          {func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrTimeout}) }, oauth.CodeCIMDUnavailable},
		"misconfigured": {func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrConfig}) }, oauth.CodeCIMDUnavailable},
		"private":       {func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrRefused}) }, oauth.CodeCIMDAddressRefused},
		"large":         {func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrTooLarge}) }, oauth.CodeCIMDTooLarge},
		"HTML":          {func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrType}) }, oauth.CodeCIMDContentType},
		"image": {func(w *web) {
			w.reply(func(string) (fetch.Response, error) {
				return fetch.Response{Status: 200, Header: http.Header{"Content-Type": {"image/svg+json"}}, Body: []byte("{}")}, nil
			})
		}, oauth.CodeCIMDContentType},
		"invalid":  {func(w *web) { w.document(t, without(members(), "redirect_uris")) }, oauth.CodeCIMDRedirectURIsMissing},
		"anothers": {func(w *web) { w.document(t, with(members(), "client_id", "https://a.example/c")) }, oauth.CodeCIMDClientIDMismatch},
		"panic":    {func(w *web) { w.reply(func(string) (fetch.Response, error) { panic("defect") }) }, oauth.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			clock, door := newClock(), serving(t, members())
			c.spoil(door)
			s := source(t, door, clock.Now)
			for range 5 {
				if _, err := s.Get(t.Context(), acme(), rules(), address); code(t, err) != c.want {
					t.Fatalf("%v, want %s", err, c.want)
				}
				clock.forward(cimd.Cooldown / 6)
			}
			if door.fetches() != 1 {
				t.Errorf("%d fetches in a minute", door.fetches())
			}
			door.document(t, members())
			clock.forward(cimd.Cooldown)
			get(t, s)
			if door.fetches() != 2 {
				t.Errorf("%d fetches", door.fetches())
			}
		})
	}
}

// What is private reads outside like what is away: nobody maps a network by asking.
func TestAddressesAreNotTold(t *testing.T) {
	private := (&oauth.Error{Code: oauth.CodeCIMDAddressRefused}).Wire("https://auth.example", "trc_1")
	away := (&oauth.Error{Code: oauth.CodeCIMDUnavailable}).Wire("https://auth.example", "trc_1")
	if private.Description != away.Description || private.Status != away.Status || private.URI != away.URI || private.Error != away.Error {
		t.Errorf("%+v is not %+v", private, away)
	}
}

// The last good document counts while its host is away, for a day and no longer.
func TestLastGood(t *testing.T) {
	for name, failure := range map[string]error{
		"unreachable": down(), "slow": &fetch.Error{Kind: fetch.ErrTimeout}, "server error": status("503"), "told to wait": status("429"),
	} {
		t.Run(name, func(t *testing.T) {
			clock, door := newClock(), serving(t, members())
			s := source(t, door, clock.Now)
			get(t, s)
			door.fail(failure)
			clock.forward(cimd.DefaultLifetime)
			for range 10 {
				if c := get(t, s); !c.Stale {
					t.Error("an old document does not say so")
				}
			}
			if door.fetches() != 2 {
				t.Errorf("%d fetches: a host that is away is not to be asked at each request", door.fetches())
			}
			clock.forward(cimd.MaxStale - cimd.DefaultLifetime - time.Second)
			if c := get(t, s); !c.Stale {
				t.Error("an old document does not say so")
			}
			clock.forward(time.Second)
			if _, err := s.Get(t.Context(), acme(), rules(), address); err == nil {
				t.Error("a document counts a day after it was read")
			}
			door.document(t, members())
			clock.forward(cimd.Cooldown)
			if c := get(t, s); c.Stale {
				t.Error("a new document is called old")
			}
		})
	}
}

// A host that answers something else has taken its document back: at once.
func TestTakenBack(t *testing.T) {
	for name, change := range map[string]func(*web){
		"gone":         func(w *web) { w.fail(status("410")) },
		"not there":    func(w *web) { w.fail(status("404")) },
		"forbidden":    func(w *web) { w.fail(status("403")) },
		"moved":        func(w *web) { w.fail(status("Moved Permanently redirects are not followed")) },
		"HTML":         func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrType}) },
		"huge":         func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrTooLarge}) },
		"rebound":      func(w *web) { w.fail(&fetch.Error{Kind: fetch.ErrRefused}) },
		"invalid":      func(w *web) { w.document(t, with(members(), "redirect_uris", []any{})) },
		"of another":   func(w *web) { w.document(t, with(members(), "client_id", "https://a.example/c")) },
		"with secrets": func(w *web) { w.document(t, with(members(), "client_secret", "x")) },
	} {
		t.Run(name, func(t *testing.T) {
			clock, door := newClock(), serving(t, members())
			s := source(t, door, clock.Now)
			get(t, s)
			change(door)
			clock.forward(cimd.DefaultLifetime)
			if _, err := s.Get(t.Context(), acme(), rules(), address); err == nil {
				t.Error("the last good document counts")
			}
			// Nor does it come back when the host goes away then.
			door.fail(down())
			clock.forward(cimd.Cooldown)
			if _, err := s.Get(t.Context(), acme(), rules(), address); code(t, err) != oauth.CodeCIMDUnavailable {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestClockGoesBack(t *testing.T) {
	clock, door := newClock(), serving(t, members())
	s := source(t, door, clock.Now)
	get(t, s)
	clock.forward(-time.Hour)
	get(t, s)
	if door.fetches() != 2 {
		t.Errorf("%d fetches: a document from the future is fresh", door.fetches())
	}
}

// A change of where answers go, or of the keys, is told before it counts.
func TestChange(t *testing.T) {
	base := confidential(t)
	for name, c := range map[string]struct {
		to   map[string]any
		want cimd.Difference
	}{
		"nothing":  {base, cimd.Difference{}},
		"order":    {with(base, "redirect_uris", []any{"https://app.example.com/callback"}), cimd.Difference{}},
		"a page":   {with(base, "tos_uri", "https://app.example.com/t2"), cimd.Difference{}},
		"name":     {with(base, "client_name", "Other"), cimd.Difference{Name: true}},
		"redirect": {with(base, "redirect_uris", []any{"https://evil.example/"}), cimd.Difference{RedirectURIs: true}},
		"more redirects": {
			with(base, "redirect_uris", []any{"https://app.example.com/callback", "https://evil.example/"}),
			cimd.Difference{RedirectURIs: true},
		},
		"keys":    {with(base, "jwks", map[string]any{"keys": []any{publicKey(t, "one")}}), cimd.Difference{Keys: true}},
		"moved":   {with(without(base, "jwks"), "jwks_uri", "https://app.example.com/k"), cimd.Difference{Keys: true}},
		"no keys": {with(without(base, "jwks"), "token_endpoint_auth_method", "none"), cimd.Difference{Keys: true, Method: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var told []cimd.Change
			clock, door := newClock(), serving(t, base)
			s := source(t, door, clock.Now, func(c *cimd.Config) { c.Changed = func(ch cimd.Change) { told = append(told, ch) } })
			before := get(t, s)
			// An answer in between that is none does not hide the change.
			door.fail(status("404"))
			clock.forward(cimd.DefaultLifetime)
			if _, err := s.Get(t.Context(), acme(), rules(), address); err == nil {
				t.Fatal("taken back")
			}
			door.document(t, c.to)
			clock.forward(cimd.Cooldown)
			after := get(t, s)
			if !c.want.Any() {
				if len(told) != 0 {
					t.Errorf("told of %+v", told[0].Difference)
				}
				return
			}
			if len(told) != 1 || told[0].Difference != c.want || told[0].ClientID != address || told[0].Tenant != acme() ||
				told[0].Before != before.Document || told[0].After != after.Document {
				t.Fatalf("told %+v", told)
			}
			moved := c.want.RedirectURIs || c.want.Keys || c.want.Method
			if differs := before.Document.Fingerprint() != after.Document.Fingerprint(); differs != moved {
				t.Errorf("the fingerprint differs: %v", differs)
			}
		})
	}
}

// T53: ten thousand client_ids that nobody knows cost a bounded number of fetches,
// and push no document out.
func TestUnknownClientsAreBounded(t *testing.T) {
	clock, door := newClock(), serving(t, members())
	s := source(t, door, clock.Now, func(c *cimd.Config) { c.Documents = 50 })
	get(t, s)
	door.fail(status("404"))
	refused := 0
	for i := range 10_000 {
		_, err := s.Get(t.Context(), acme(), rules(), fmt.Sprintf("https://h%d.agents.example.net/c%d", i%7, i))
		if refusal := oauth.AsError(err); refusal.Code == oauth.CodeCIMDRateExceeded {
			refused++
			if refusal.RetryAfter <= 0 || refusal.RetryAfter > time.Minute {
				t.Fatalf("retry after %s", refusal.RetryAfter)
			}
		}
	}
	if door.fetches() > 61 || refused < 9_900 {
		t.Errorf("%d fetches, %d refused", door.fetches(), refused)
	}
	// For an hour, and past the bound of what is remembered.
	for i := range 50 {
		clock.forward(time.Minute)
		for j := range 100 {
			_, _ = s.Get(t.Context(), acme(), rules(), fmt.Sprintf("https://a%d.agents.example.net/c%d", j, i))
		}
	}
	before := door.fetches()
	get(t, s)
	if door.fetches() != before {
		t.Error("what is not there pushed out what is")
	}
}

// T53: one host is not flooded through many tenants.
func TestOneHostIsBounded(t *testing.T) {
	door := newWeb(func(string) (fetch.Response, error) { return fetch.Response{}, status("404") })
	s := source(t, door, newClock().Now)
	for i := range 100 {
		who := acme()
		if i%2 == 0 {
			who = globex()
		}
		_, _ = s.Get(t.Context(), who, rules(), fmt.Sprintf("https://app.example.com/c%d", i))
	}
	if door.fetches() != 30 {
		t.Errorf("%d fetches from one host", door.fetches())
	}
}

// What is known is refreshed whatever strangers ask for.
func TestKnownClientsAreNotBudgeted(t *testing.T) {
	clock, door := newClock(), serving(t, members())
	s := source(t, door, clock.Now)
	get(t, s)
	clock.forward(cimd.DefaultLifetime)
	for i := range 100 {
		_, _ = s.Get(t.Context(), acme(), rules(), fmt.Sprintf("https://app.example.com/c%d", i))
	}
	if c := get(t, s); c.Stale {
		t.Error("was not read again")
	}
}

func TestTenantsAreApart(t *testing.T) {
	door := serving(t, members())
	s := source(t, door, newClock().Now)
	get(t, s)
	if _, err := s.Get(t.Context(), globex(), rules(), address); err != nil || door.fetches() != 2 {
		t.Errorf("%v after %d fetches", err, door.fetches())
	}
	s.Forget(acme(), address)
	if _, err := s.Get(t.Context(), globex(), rules(), address); err != nil || door.fetches() != 2 {
		t.Errorf("%v after %d fetches", err, door.fetches())
	}
	get(t, s)
	if door.fetches() != 3 {
		t.Errorf("%d fetches after Forget", door.fetches())
	}
}

func TestDocumentsAreBounded(t *testing.T) {
	clock, body := newClock(), map[string][]byte{}
	door := newWeb(func(rawURL string) (fetch.Response, error) { return answer(body[rawURL], ""), nil })
	s := source(t, door, clock.Now, func(c *cimd.Config) { c.Documents = 3 })
	ask := func(i int) {
		t.Helper()
		id := fmt.Sprintf("https://app.example.com/c%d", i)
		body[id] = encode(t, with(members(), "client_id", id))
		if _, err := s.Get(t.Context(), acme(), rules(), id); err != nil {
			t.Fatal(err)
		}
		clock.forward(time.Second)
	}
	for _, i := range []int{1, 2, 3, 1, 4, 1, 3, 4} { // 2 goes when 4 comes
		ask(i)
	}
	if door.fetches() != 4 {
		t.Errorf("%d fetches", door.fetches())
	}
	ask(2)
	if door.fetches() != 5 {
		t.Errorf("%d fetches: what was unused for longest stayed", door.fetches())
	}
}

func TestObserved(t *testing.T) {
	var events []cimd.Event
	clock, door := newClock(), serving(t, members())
	s := source(t, door, clock.Now, func(c *cimd.Config) { c.Observe = func(e cimd.Event) { events = append(events, e) } })
	door.before = func() { clock.forward(time.Second) }
	get(t, s)
	get(t, s)
	s.Close()
	if len(events) != 1 || events[0].ClientID != address || events[0].Tenant != acme() || events[0].Err != nil || events[0].Took != time.Second {
		t.Errorf("told %+v", events)
	}
}

// Who gives up waiting is answered, and the others get the document.
func TestCancelled(t *testing.T) {
	clock, door := newClock(), serving(t, members())
	began, release := make(chan struct{}), make(chan struct{})
	door.before = func() {
		close(began)
		<-release
	}
	s := source(t, door, clock.Now)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := s.Get(ctx, acme(), rules(), address)
		first <- err
	}()
	<-began
	cancel()
	if err := <-first; code(t, err) != oauth.CodeCIMDUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	close(release)
	get(t, s)
	if door.fetches() != 1 {
		t.Errorf("%d fetches", door.fetches())
	}
}

func TestClosed(t *testing.T) {
	door := serving(t, members())
	s := source(t, door, newClock().Now)
	s.Close()
	if _, err := s.Get(t.Context(), acme(), rules(), address); code(t, err) != oauth.CodeCIMDUnavailable {
		t.Errorf("after Close: %v", err)
	}
}

// Each caller has an error of its own, that it may add to.
func TestErrorsAreNotShared(t *testing.T) {
	s := source(t, newWeb(func(string) (fetch.Response, error) { return fetch.Response{}, down() }), newClock().Now)
	_, first := s.Get(t.Context(), acme(), rules(), address)
	oauth.AsError(first).TriedBasic = true
	if _, second := s.Get(t.Context(), acme(), rules(), address); oauth.AsError(second).TriedBasic {
		t.Error("one caller's error is another's")
	}
}

package jwks_test

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

const (
	issuer   = "https://idp.example"
	keysURL  = "https://idp.example/keys"
	metadata = "https://idp.example/.well-known/openid-configuration"
)

// web is a Getter that answers from memory and counts.
type web struct {
	mu    sync.Mutex
	pages map[string]page
	asked []string
	gate  chan struct{} // when set, every answer waits for it
}

type page struct {
	body, cacheControl string
	err                error
}

func (w *web) Get(ctx context.Context, rawURL string, _ fetch.Network, limit fetch.Limit) (fetch.Response, error) {
	w.mu.Lock()
	w.asked = append(w.asked, rawURL)
	p, found := w.pages[rawURL]
	gate := w.gate
	w.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return fetch.Response{}, &fetch.Error{Kind: fetch.ErrTimeout}
		}
	}
	switch {
	case !found:
		return fetch.Response{}, &fetch.Error{Kind: fetch.ErrStatus, Reason: "404"}
	case p.err != nil:
		return fetch.Response{}, p.err
	case int64(len(p.body)) > limit.Bytes:
		return fetch.Response{}, &fetch.Error{Kind: fetch.ErrTooLarge}
	}
	return fetch.Response{Status: 200, Body: []byte(p.body), Header: http.Header{"Cache-Control": {p.cacheControl}}}, nil
}

func (w *web) put(url string, p page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[url] = p
}

func (w *web) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

type clock struct{ nanoseconds atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.nanoseconds.Load()) }
func (c *clock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

// house is a cache, the web it sees, and the clock.
type house struct {
	*jwks.Cache
	web    *web
	clock  *clock
	events chan jwks.Event
}

func newHouse(t testing.TB, options ...jwks.Option) *house {
	t.Helper()
	h := &house{web: &web{pages: map[string]page{}}, clock: &clock{}, events: make(chan jwks.Event, 1000)}
	h.clock.advance(time.Duration(1_700_000_000) * time.Second)
	options = append([]jwks.Option{jwks.WithObserver(func(e jwks.Event) { h.events <- e })}, options...)
	h.Cache = jwks.NewCache(h.web, h.clock.now, options...)
	t.Cleanup(h.Close)
	return h
}

// settled waits for the next attempt to end.
func (h *house) settled(t *testing.T) jwks.Event {
	t.Helper()
	select {
	case e := <-h.events:
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("no attempt ended")
		return jwks.Event{}
	}
}

func (h *house) publish(t testing.TB, ids ...string) {
	t.Helper()
	keys := make([]any, len(ids))
	for i, id := range ids {
		keys[i] = jwk(t, id, newEC(t, elliptic.P256()))
	}
	h.web.put(keysURL, page{body: string(set(t, keys...))})
}

func source() jwks.Source { return jwks.Source{Issuer: issuer, URI: keysURL} }

func (h *house) want(t *testing.T, kid string, want error) []jwks.Key {
	t.Helper()
	keys, err := h.Keys(t.Context(), "tenant", source(), kid)
	if !errors.Is(err, want) {
		t.Fatalf("kid %q: got %v, want %v", kid, err, want)
	}
	return keys
}

func TestKeysAreLoadedOnce(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a", "b")
	for range 100 {
		if keys := h.want(t, "a", nil); len(keys) != 2 {
			t.Fatal(keys)
		}
		h.want(t, "", nil)
	}
	if n := h.web.count(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	if e := h.settled(t); e.Err != nil || e.Keys != 2 || e.Owner != "tenant" || e.Issuer != issuer {
		t.Errorf("%+v", e)
	}
}

// T53: ten thousand unknown kids are one more fetch per half minute, and a new
// key works after at most that.
func TestUnknownKidIsBounded(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.want(t, "a", nil)
	for i := range 10_000 {
		h.want(t, fmt.Sprintf("random-%d", i), jwks.ErrUnknownKey)
	}
	if n := h.web.count(); n != 1 {
		t.Errorf("%d fetches before half a minute", n)
	}
	h.publish(t, "a", "new")
	h.want(t, "new", jwks.ErrUnknownKey)
	h.clock.advance(jwks.RefetchAfter)
	h.want(t, "new", nil)
	h.clock.advance(jwks.RefetchAfter - time.Nanosecond)
	for i := range 10_000 {
		h.want(t, fmt.Sprintf("random-%d", i), jwks.ErrUnknownKey)
	}
	if n := h.web.count(); n != 2 {
		t.Errorf("%d fetches in all", n)
	}
	h.want(t, "a", nil)
}

// The half minute runs from the last attempt, also one that failed.
func TestCooldownCountsFailures(t *testing.T) {
	h := newHouse(t)
	for range 100 {
		h.want(t, "a", jwks.ErrUnavailable)
	}
	if n := h.web.count(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	h.publish(t, "a")
	h.want(t, "a", jwks.ErrUnavailable)
	h.clock.advance(jwks.RefetchAfter)
	h.want(t, "a", nil)
}

// F11: whatever the issuer answers, its last good keys stay for a day; and no
// failure brings a removed key back.
func TestLastGoodKeysAreKept(t *testing.T) {
	for name, broken := range map[string]page{
		"down":        {err: &fetch.Error{Kind: fetch.ErrTransport}},
		"slow":        {err: &fetch.Error{Kind: fetch.ErrTimeout}},
		"500":         {err: &fetch.Error{Kind: fetch.ErrStatus}},
		"HTML":        {body: "<html>"},
		"empty":       {body: ""},
		"empty set":   {body: `{"keys":[]}`},
		"unfit keys":  {body: `{"keys":[{"kty":"oct","k":"AAAA"}]}`},
		"10 MB":       {body: strings.Repeat(" ", 10<<20)},
		"not strict":  {body: `{"keys":[],"keys":[]}`},
		"other error": {err: errors.New("something else")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.publish(t, "old", "a")
			h.want(t, "old", nil)
			h.settled(t)
			h.publish(t, "a") // old is removed
			h.clock.advance(jwks.DefaultMaxAge)
			h.want(t, "a", nil) // refreshed behind the request
			h.settled(t)
			h.want(t, "old", jwks.ErrUnknownKey)

			h.web.put(keysURL, broken)
			for range 20 {
				h.clock.advance(time.Hour)
				h.want(t, "a", nil)
				if e := h.settled(t); e.Err == nil || e.Keys != 0 {
					t.Fatalf("%+v", e)
				}
				h.clock.advance(jwks.RefetchAfter)
				h.want(t, "old", jwks.ErrUnknownKey)
				h.settled(t)
			}
			if ages := h.Ages(); len(ages) != 1 || !ages[0].Failing || ages[0].Keys != 1 {
				t.Errorf("%+v", ages)
			}
			h.clock.advance(5 * time.Hour) // more than a day in all
			h.want(t, "a", jwks.ErrUnavailable)
			h.publish(t, "a")
			h.clock.advance(jwks.RefetchAfter)
			h.want(t, "a", nil)
		})
	}
}

// The same kid with another key: the newest set wins, and who was refused with
// the former key may ask again after half a minute.
func TestSameKidNewKey(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	former := h.want(t, "a", nil)
	h.publish(t, "a")
	if keys, renewed, err := h.Renew(t.Context(), "tenant", source(), former); err != nil || renewed || &keys[0] != &former[0] {
		t.Fatalf("renewed at once: %v, %v", renewed, err)
	}
	h.clock.advance(jwks.RefetchAfter)
	keys, renewed, err := h.Renew(t.Context(), "tenant", source(), former)
	if err != nil || !renewed || keys[0].Thumbprint == former[0].Thumbprint {
		t.Fatalf("not renewed: %v, %v", renewed, err)
	}
	before := h.web.count()
	if again, renewed, err := h.Renew(t.Context(), "tenant", source(), former); err != nil || !renewed || &again[0] != &keys[0] {
		t.Errorf("what another request renewed: %v, %v", renewed, err)
	}
	if h.want(t, "a", nil)[0].Thumbprint != keys[0].Thumbprint || h.web.count() != before {
		t.Error("the former key came back")
	}
}

func TestRefreshHonoursCacheControl(t *testing.T) {
	for header, age := range map[string]time.Duration{
		"":                         10 * time.Minute,
		"max-age=300":              5 * time.Minute,
		"public, MAX-AGE=300":      5 * time.Minute,
		`max-age="300"`:            5 * time.Minute,
		"max-age=0":                time.Minute,
		"max-age=1":                time.Minute,
		"max-age=31536000":         time.Hour,
		"max-age=-1":               10 * time.Minute,
		"max-age=99999999999999":   10 * time.Minute,
		"no-store":                 time.Minute,
		"max-age=3600, no-cache":   time.Minute,
		"s-maxage=60, max-age=600": 10 * time.Minute,
	} {
		h := newHouse(t)
		h.publish(t, "a")
		p := h.web.pages[keysURL]
		p.cacheControl = header
		h.web.put(keysURL, p)
		h.want(t, "a", nil)
		h.settled(t)
		h.clock.advance(age - time.Nanosecond)
		h.want(t, "a", nil)
		if n := h.web.count(); n != 1 {
			t.Errorf("%q: refreshed before %v", header, age)
		}
		h.clock.advance(time.Nanosecond)
		h.want(t, "a", nil)
		h.settled(t)
		if n := h.web.count(); n != 2 {
			t.Errorf("%q: not refreshed after %v", header, age)
		}
	}
}

// A slow refresh holds up nobody whose key is known, and is done once.
func TestOneFlight(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.web.gate = make(chan struct{})
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if _, err := h.Keys(t.Context(), "tenant", source(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	for h.web.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(h.web.gate)
	waiting.Wait()
	if n := h.web.count(); n != 1 {
		t.Errorf("%d fetches for 50 requests", n)
	}
	h.settled(t)

	gate := make(chan struct{})
	h.web.mu.Lock()
	h.web.gate = gate
	h.web.mu.Unlock()
	h.clock.advance(jwks.DefaultMaxAge)
	for range 50 {
		h.want(t, "a", nil) // does not wait
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Keys(ctx, "tenant", source(), "unknown"); !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who gave up: %v", err)
	}
	other := jwks.Source{Issuer: "https://other.example", Inline: set(t, jwk(t, "o", newEd(t)))}
	if _, err := h.Keys(t.Context(), "tenant", other, "o"); err != nil {
		t.Errorf("another issuer is held up: %v", err)
	}
	close(gate)
	h.settled(t)
	if n := h.web.count(); n != 2 {
		t.Errorf("%d fetches", n)
	}
}

func TestInlineKeys(t *testing.T) {
	h := newHouse(t)
	src := jwks.Source{Issuer: issuer, URI: keysURL, Inline: set(t, jwk(t, "a", newEd(t))), NotAfter: h.clock.now().Add(time.Hour)}
	get := func(kid string) error {
		_, err := h.Keys(t.Context(), "tenant", src, kid)
		return err
	}
	if err := get("a"); err != nil {
		t.Fatal(err)
	}
	if err := get("b"); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Error(err)
	}
	if keys, renewed, err := h.Renew(t.Context(), "tenant", src, nil); keys != nil || renewed || err != nil {
		t.Error("inline keys were renewed")
	}
	h.clock.advance(59 * time.Minute)
	if err := get("a"); err != nil {
		t.Error(err)
	}
	h.clock.advance(2 * time.Minute)
	if err := get("a"); !errors.Is(err, jwks.ErrExpired) {
		t.Error(err)
	}
	src.NotAfter = time.Time{}
	h.clock.advance(1000 * time.Hour)
	if err := get("a"); err != nil {
		t.Error(err)
	}
	src.Inline = []byte(`{"keys":[]}`)
	if err := get("a"); !errors.Is(err, jwks.ErrUnavailable) {
		t.Error(err)
	}
	if n := h.web.count(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// What is configured anew starts afresh: no key of the former source, no
// cooldown of it either.
func TestSourceChange(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.want(t, "a", nil)
	for name, src := range map[string]jwks.Source{
		"uri":     {Issuer: issuer, URI: "https://idp.example/other"},
		"network": {Issuer: issuer, URI: keysURL, Network: fetch.Network{AllowPrivateAddresses: true}},
		"inline":  {Issuer: issuer, Inline: set(t, jwk(t, "b", newEd(t)))},
	} {
		before := h.web.count()
		_, err := h.Keys(t.Context(), "tenant", src, "a")
		switch name {
		case "uri":
			if !errors.Is(err, jwks.ErrUnavailable) || h.web.count() != before+1 {
				t.Error(name, err)
			}
		case "network":
			if err != nil || h.web.count() != before+1 {
				t.Error(name, err)
			}
		case "inline":
			if !errors.Is(err, jwks.ErrUnknownKey) || h.web.count() != before {
				t.Error(name, err)
			}
		}
	}
}

// An owner's keys are nobody else's, nor are its attempts.
func TestOwnersAreApart(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.want(t, "a", nil)
	h.publish(t, "b")
	if _, err := h.Keys(t.Context(), "another", source(), "b"); err != nil {
		t.Error(err)
	}
	if _, err := h.Keys(t.Context(), "another", source(), "a"); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Error(err)
	}
	h.want(t, "a", nil)
	h.Forget("tenant", issuer)
	h.want(t, "a", jwks.ErrUnknownKey)
}

func TestEntriesAreBounded(t *testing.T) {
	h := newHouse(t, jwks.WithEntries(10))
	inline := set(t, jwk(t, "a", newEd(t)))
	for i := range 100 {
		h.clock.advance(2 * time.Minute)
		for _, name := range []string{"always", fmt.Sprintf("https://idp-%d.example", i)} {
			if _, err := h.Keys(t.Context(), "tenant", jwks.Source{Issuer: name, Inline: inline}, "a"); err != nil {
				t.Fatal(err)
			}
		}
	}
	ages := h.Ages()
	kept := false
	for _, age := range ages {
		kept = kept || age.Issuer == "always"
	}
	if len(ages) != 10 || !kept {
		t.Errorf("%d entries, the one in use kept: %v", len(ages), kept)
	}
}

// A clock that jumps costs a refresh at most.
func TestClockJumps(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.clock.advance(24 * time.Hour)
	h.want(t, "a", nil)
	h.settled(t)
	h.clock.advance(-24 * time.Hour)
	h.publish(t, "a", "new")
	h.want(t, "a", nil)
	if e := h.settled(t); e.Err != nil {
		t.Fatal(e.Err)
	}
	h.want(t, "new", nil)
}

func TestClose(t *testing.T) {
	h := newHouse(t)
	h.web.gate = make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := h.Keys(context.Background(), "tenant", source(), "a")
		done <- err
	}()
	for h.web.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	h.Close()
	if err := <-done; !errors.Is(err, jwks.ErrUnavailable) {
		t.Error(err)
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	h := newHouse(t)
	h.publish(t, "a")
	h.want(t, "a", nil)
	ctx, src := t.Context(), source()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := h.Keys(ctx, "tenant", src, "a"); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKeys(b *testing.B) {
	h := newHouse(b)
	h.publish(b, "a")
	src := source()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.Keys(context.Background(), "tenant", src, "a"); err != nil {
				b.Error(err)
			}
		}
	})
}

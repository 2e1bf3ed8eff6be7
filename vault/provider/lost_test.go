package provider_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

func rotate(how string) func(*provider.Manifest, *provider.Settings, *providertest.Profile) {
	return func(m *provider.Manifest, s *provider.Settings, p *providertest.Profile) {
		m.Refresh = provider.RefreshRules{Rotation: provider.Rotation(how)}
		p.Rotation = how
		if how == "reuse_window" {
			m.Refresh.ReuseWindow, p.Window = provider.Duration(time.Minute), time.Minute
		}
		s.Timeout = 300 * time.Millisecond
	}
}

func outcome(t *testing.T, err error) *provider.Error {
	t.Helper()
	e, ok := errors.AsType[*provider.Error](err)
	if !ok {
		t.Fatalf("got %v, want an Error", err)
	}
	return e
}

// What an answer that does not come means, by what becomes of a used refresh token. A single-use token is asked for once,
// whatever happens: the fake counts.
func TestLostAnswers(t *testing.T) {
	faults := map[string]providertest.Fault{
		"hangs":                          {Kind: "hang"},
		"hangs after it saved":           {Kind: "hang", AfterUse: true},
		"drops the connection":           {Kind: "drop"},
		"cut off in the middle":          {Kind: "cut", AfterUse: true},
		"a form cut off":                 {Kind: "cut", AfterUse: true, Text: "access_token=access-ha", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		"HTML instead of JSON":           {Kind: "html"},
		"502 from something in front":    {Kind: "status", Status: 502},
		"500 after it saved":             {Kind: "status", Status: 500, AfterUse: true},
		"500 with server_error":          {Kind: "status", Status: 500, AfterUse: true, Body: map[string]any{"error": "server_error"}},
		"503 with Retry-After":           {Kind: "status", Status: 503, Header: map[string]string{"Retry-After": "7"}},
		"200 with a token of a new kind": {Kind: "status", Status: 200, AfterUse: true, Body: map[string]any{"access_token": "x", "token_type": "mac"}},
		"200 without a token":            {Kind: "status", Status: 200, AfterUse: true, Body: map[string]any{"refresh_token": "x"}},
		"200 with a token for two lines": {Kind: "status", Status: 200, AfterUse: true, Body: map[string]any{"access_token": "x\r\nX-Evil: 1"}},
		"200 with a list":                {Kind: "status", Status: 200, AfterUse: true, Body: []string{"access_token"}},
	}
	for how, want := range map[string]provider.Outcome{"none": provider.Transient, "reuse_window": provider.Unknown, "single_use": provider.Unknown} {
		for name, fault := range faults {
			t.Run(how+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := meet(t, "oauth2", rotate(how))
				c, _ := w.connect(t, "a")
				w.fake.Break("refresh", fault)
				started := w.clock.now()
				_, err := w.Refresh(t.Context(), c)
				e := outcome(t, err)
				if e.Outcome != want {
					t.Errorf("got %v, want %s", err, want)
				}
				if how == "reuse_window" != e.RepeatBefore.Equal(started.Add(time.Minute)) || how != "reuse_window" && !e.RepeatBefore.IsZero() {
					t.Errorf("it may be repeated before %v", e.RepeatBefore)
				}
				if n := w.fake.Count("refresh"); n != 1 {
					t.Errorf("it was asked %d times", n)
				}
				if fault.Header["Retry-After"] != "" && e.RetryAfter != 7*time.Second {
					t.Errorf("retry after %v", e.RetryAfter)
				}
			})
		}
	}
}

// What the outcome promises: with a window, the same token gives a pair once more; without, it is dead.
func TestARepeatedRefreshToken(t *testing.T) {
	for how, works := range map[string]bool{"none": true, "reuse_window": true, "single_use": false} {
		t.Run(how, func(t *testing.T) {
			w := meet(t, "oauth2", rotate(how))
			c, _ := w.connect(t, "a")
			w.fake.Break("refresh", providertest.Fault{Kind: "cut", AfterUse: true})
			if _, err := w.Refresh(t.Context(), c); err == nil {
				t.Fatal("half an answer was taken")
			}
			_, err := w.Refresh(t.Context(), c)
			if works != (err == nil) {
				t.Fatalf("the second time: %v", err)
			}
			if !works && outcome(t, err).Outcome != provider.Terminal {
				t.Errorf("got %v, want terminal", err)
			}
		})
	}
	t.Run("after the window", func(t *testing.T) {
		w := meet(t, "oauth2", rotate("reuse_window"))
		c, _ := w.connect(t, "a")
		w.fake.Break("refresh", providertest.Fault{Kind: "drop", AfterUse: true})
		_, err := w.Refresh(t.Context(), c)
		w.clock.add(outcome(t, err).RepeatBefore.Sub(w.clock.now()) + time.Second)
		if _, err = w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Terminal {
			t.Errorf("got %v, want terminal", err)
		}
	})
	t.Run("reuse ends everything", func(t *testing.T) {
		w := meet(t, "oauth2", rotate("single_use"))
		w.fake.Set(func(s *providertest.Switches) { s.RevokeOnReuse = true })
		c, _ := w.connect(t, "a")
		next, err := w.Refresh(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Terminal {
			t.Fatalf("got %v, want terminal", err)
		}
		if w.fake.Works(next.Access.Reveal()) {
			t.Fatal("the fake did not notice the reuse")
		}
	})
}

// Nothing was sent, so nothing is used up, whatever the rotation.
func TestNothingWasSent(t *testing.T) {
	refused := errors.New("refused by the door")
	door := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	unreachable := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }}
	for name, test := range map[string]struct {
		through http.RoundTripper
		unsent  func(error) bool
		want    provider.Outcome
	}{
		"no connection":                    {unreachable, nil, provider.Transient},
		"the door refuses, and says so":    {roundTripper(door(refused)), func(err error) bool { return errors.Is(err, refused) }, provider.Transient},
		"the door fails, nobody knows why": {roundTripper(door(refused)), nil, provider.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			var w *world
			through := roundTripper(func(r *http.Request) (*http.Response, error) { return w.fake.Transport().RoundTrip(r) })
			swap := &through
			w = meet(t, "oauth2", rotate("single_use"), func(_ *provider.Manifest, s *provider.Settings, _ *providertest.Profile) {
				s.Transport = roundTripper(func(r *http.Request) (*http.Response, error) { return (*swap)(r) })
				s.Unsent = test.unsent
			})
			c, _ := w.connect(t, "a")
			through = test.through.RoundTrip
			if _, err := w.Refresh(t.Context(), c); outcome(t, err).Outcome != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A caller who goes away takes nothing with it: the answer with the only successor is read to its end.
func TestTheCallerGoesAway(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	through := w.fake.Transport()
	swap := roundTripper(func(r *http.Request) (*http.Response, error) {
		cancel()
		return through.RoundTrip(r)
	})
	p, err := provider.New(w.Manifest(), provider.Settings{
		ClientID: providertest.ClientID, ClientSecret: provider.NewSecret(providertest.ClientSecret), RedirectURL: providertest.Redirect, Now: w.clock.now, Transport: swap,
	})
	if err != nil {
		t.Fatal(err)
	}
	next, err := p.Refresh(ctx, c)
	if err != nil || next.Refresh.IsZero() {
		t.Fatalf("the answer is lost: %v", err)
	}
	// One who has gone before sends nothing.
	if _, err := p.Refresh(ctx, next); outcome(t, err).Outcome != provider.Transient || w.fake.Count("refresh") != 1 {
		t.Fatalf("got %v after %d requests", err, w.fake.Count("refresh"))
	}
}

func TestSlowIsNotLost(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a")
	w.fake.Break("refresh", providertest.Fault{Kind: "slow", Wait: 20 * time.Millisecond, AfterUse: true})
	if _, err := w.Refresh(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	w := meet(t, "oauth2", rotate("none"))
	c, _ := w.connect(t, "a")
	long := make([]byte, 300<<10)
	for n := range long {
		long[n] = 'a'
	}
	w.fake.Break("refresh", providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"access_token": string(long)}})
	if _, err := w.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Transient {
		t.Fatalf("got %v", err)
	}
}

// An answer that is complete, and followed by more than is read.
func TestLongAnswers(t *testing.T) {
	w := meet(t, "oauth2", rotate("none"))
	c, _ := w.connect(t, "a")
	endless := roundTripper(func(r *http.Request) (*http.Response, error) {
		body := `{"access_token":"x"}` + strings.Repeat(" ", 300<<10)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
	p, err := provider.New(w.Manifest(), settings(func(s *provider.Settings) { s.Transport = endless }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Refresh(t.Context(), c); outcome(t, err).Outcome != provider.Transient {
		t.Fatalf("got %v", err)
	}
}

// A code is good once: a lost answer is not asked for again.
func TestALostCode(t *testing.T) {
	w := meet(t, "oauth2")
	code, d := w.arrive(t, provider.Ask{Scopes: []string{"a"}})
	w.fake.Break("code", providertest.Fault{Kind: "drop"})
	_, _, err := w.Exchange(t.Context(), code, d)
	if e := outcome(t, err); e.Outcome != provider.Unknown || !e.RepeatBefore.IsZero() || w.fake.Count("code") != 1 {
		t.Fatalf("got %v after %d requests", err, w.fake.Count("code"))
	}
}

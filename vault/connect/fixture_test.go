package connect_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connect/connecttest"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// clock is a time that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// engines gives one provider, or another under another uid.
type engines map[string]*provider.Provider

var errNoProvider = errors.New("no such provider")

func (e engines) Connecting(_ context.Context, tenant, uid string) (connect.Provider, error) {
	p, ok := e[uid]
	if !ok || tenant != "ten_1" {
		return nil, errNoProvider
	}
	return p, nil
}

// world is a desk with a provider behind it that alice goes to.
type world struct {
	*connect.Desk
	t       *testing.T
	clock   *clock
	fake    *providertest.Server
	engines engines
	held    *connectiontest.Memory
	store   *connecttest.Memory
	alice   connect.Person
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := &clock{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	profile, ok := providertest.Named("oauth2")
	if !ok {
		t.Fatal("no profile")
	}
	profile.Redirect = "https://chancery.example.com/connect/github/callback"
	fake := providertest.Start(profile, c.now)
	t.Cleanup(fake.Close)
	w := &world{t: t, clock: c, fake: fake, engines: engines{}, held: connectiontest.NewMemory(c.now), alice: connect.Person{UserUID: "usr_alice", Browser: [32]byte{1}, Version: 3}}
	w.store = connecttest.NewMemory(w.held)
	w.engines["prv_1"] = w.engine(profile.Redirect, manifest)
	w.engines["prv_2"] = w.engine("https://chancery.example.com/connect/other/callback", manifest)
	var err error
	w.Desk, err = connect.New(connect.Config{
		Store: w.store, Connections: w.held, Sealer: connectiontest.Keyring(t, c.now()), Providers: w.engines, Log: slog.New(slog.DiscardHandler), Now: c.now,
	})
	must(t, err)
	return w
}

const manifest = `
name: oauth2
extends: oauth2
authorization_url: https://as.example.com/authorize
token_url: https://as.example.com/token
revoke: {url: https://as.example.com/revoke, format: form}
probe: {url: https://as.example.com/me, id: id, label: [login]}
`

func (w *world) engine(redirect, text string) *provider.Provider {
	w.t.Helper()
	catalogue, err := provider.NewCatalogue()
	must(w.t, err)
	m, err := catalogue.Decode([]byte(text))
	must(w.t, err)
	settings := provider.Settings{RedirectURL: redirect, Transport: w.fake.Transport(), Now: w.clock.now}
	if m.Kind == provider.OAuth2 {
		settings.ClientID, settings.ClientSecret = providertest.ClientID, provider.NewSecret(providertest.ClientSecret)
	}
	p, err := provider.New(m, settings)
	must(w.t, err)
	return p
}

func (w *world) wish(scopes ...string) connect.Wish {
	return connect.Wish{Tenant: "ten_1", Person: w.alice, Provider: "prv_1", Scopes: scopes}
}

// goes is the way to the provider and back.
func (w *world) goes(wish connect.Wish) url.Values {
	w.t.Helper()
	address, err := w.Depart(w.t.Context(), wish)
	must(w.t, err)
	back, err := w.fake.Visit(address)
	must(w.t, err)
	return back
}

func (w *world) arrives(wish connect.Wish) connect.Arrival {
	w.t.Helper()
	back, err := w.Arrive(w.t.Context(), "ten_1", wish.Provider, w.goes(wish), w.alice)
	must(w.t, err)
	return back
}

func (w *world) confirms(back connect.Arrival) connect.Made {
	w.t.Helper()
	made, err := w.Confirm(w.t.Context(), "ten_1", back.ID, w.alice, "", "github", connect.Visit{Trace: "trc_1"})
	must(w.t, err)
	return made
}

func (w *world) owned() []connection.Connection {
	w.t.Helper()
	found, err := w.held.Find(w.t.Context(), "ten_1", connection.Owner{Kind: connection.User, UID: w.alice.UserUID}, "prv_1")
	must(w.t, err)
	return found
}

func (w *world) order(scopes ...string) connect.Order {
	return connect.Order{
		Tenant: "ten_1", UserUID: w.alice.UserUID, ClientUID: "cli_1", ClientID: "claude", ClientName: "Claude", ProviderUID: "prv_1", Scopes: scopes, Trace: "trc_0",
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

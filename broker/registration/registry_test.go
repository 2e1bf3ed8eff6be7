package registration_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
)

const place = "https://app.example.com/client.json"

// objects are Client objects, and registrations behind them.
type objects struct {
	known map[string]*client.Client
	shelf *shelf
	err   error
}

func (o *objects) Lookup(_ context.Context, _ tenant.UID, clientID string) (*client.Client, error) {
	if o.err != nil {
		return nil, o.err
	}
	if c, ok := o.known[clientID]; ok {
		return c, nil
	}
	return nil, client.ErrUnknown
}

func (o *objects) Named(_ context.Context, _ tenant.UID, name string) (*client.Client, error) {
	for _, c := range o.known {
		if c.Name == name {
			return c, nil
		}
	}
	return nil, client.ErrUnknown
}

func (o *objects) Registered(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	return registration.Base(ctx, o.shelf, t, clientID)
}

type pictures struct {
	t   *snapshot.Tenant
	err error
}

func (p *pictures) ByUID(context.Context, tenant.UID) (*snapshot.Tenant, error) { return p.t, p.err }

// host answers for every URL, and counts.
type host struct {
	body  string
	asked int
	err   error
}

func (h *host) Get(context.Context, string, fetch.Network, fetch.Limit) (fetch.Response, error) {
	h.asked++
	if h.err != nil {
		return fetch.Response{}, h.err
	}
	return fetch.Response{Body: []byte(h.body), Header: map[string][]string{"Content-Type": {"application/json"}}}, nil
}

type bureau struct {
	*office
	registry *registration.Registry
	objects  *objects
	pictures *pictures
	host     *host
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{office: newOffice(t), host: &host{body: `{"client_id":"` + place + `","client_name":"App","redirect_uris":["https://app.example.com/cb"],"grant_types":["authorization_code","refresh_token","client_credentials","urn:ietf:params:oauth:grant-type:jwt-bearer"]}`}}
	b.objects, b.pictures = &objects{known: map[string]*client.Client{}, shelf: b.shelf}, &pictures{t: b.tenant}
	b.tenant.Registration.Documents = cimd.Rules{Mode: cimd.ModeHosts, Hosts: []string{"app.example.com"}, Scopes: []string{"notes:read"}, Resources: []string{"notes"}}
	now := func() time.Time { return b.at }
	source, err := cimd.New(cimd.Config{Fetch: b.host, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	b.registry, err = registration.NewRegistry(registration.RegistryConfig{
		Clients: b.objects, Pictures: b.pictures, Documents: source, Touch: b.shelf.Touch, Now: now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bureau) find(t *testing.T, clientID string) *client.Client {
	t.Helper()
	c, err := b.registry.Lookup(t.Context(), b.tenant.UID, clientID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bureau) wantUnknown(t *testing.T, clientID string) {
	t.Helper()
	if c, err := b.registry.Lookup(t.Context(), b.tenant.UID, clientID); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("%s: %+v %v, want ErrUnknown", clientID, c, err)
	}
}

// TestDocumentClient has what its document says, within what the tenant gives, and nobody's word but its host's.
func TestDocumentClient(t *testing.T) {
	b := newBureau(t)
	c := b.find(t, place)
	if c.UID != cimd.UID(place) || c.Host != "app.example.com" || c.Origin != client.OriginDocument || c.Approved || c.Type != client.Public ||
		!slices.Equal(c.RedirectURIs, []string{"https://app.example.com/cb"}) || !slices.Equal(c.Scopes, []string{"notes:read"}) || !slices.Equal(c.Resources, []string{"notes"}) ||
		!slices.Equal(c.GrantTypes, []string{"authorization_code", "refresh_token"}) {
		t.Errorf("%+v", c)
	}
	if !cimd.IsUID(c.UID) || cimd.IsUID("cimd_x") || cimd.IsUID("cli_01JZ8Q0V9V2B7T5D4N3M2K1H0G") {
		t.Error("uid of a document")
	}
}

// TestAdministratorsComeFirst: a Client object with the URL is the client, and nobody's host is asked; disabled, it blocks.
func TestAdministratorsComeFirst(t *testing.T) {
	b := newBureau(t)
	b.objects.known[place] = &client.Client{UID: "cli_1", Name: "app", ClientID: place, Disabled: true, Origin: client.OriginCompany}
	if c := b.find(t, place); !c.Disabled || c.UID != "cli_1" || b.host.asked != 0 {
		t.Errorf("%+v, %d questions", c, b.host.asked)
	}
	made := b.come(t, said())
	id := text(t, made, "client_id")
	b.objects.known[id] = &client.Client{UID: "cli_2", Name: "blocked", ClientID: id, Disabled: true}
	if c := b.find(t, id); !c.Disabled {
		t.Errorf("%+v", c)
	}
	if c, err := b.registry.Named(t.Context(), b.tenant.UID, "app"); err != nil || c.UID != "cli_1" {
		t.Errorf("%+v %v", c, err)
	}
	for _, name := range []string{id, place, "app.example.com"} { // nobody but an administrator gives names
		if _, err := b.registry.Named(t.Context(), b.tenant.UID, name); !errors.Is(err, client.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRulesOfTheMoment: what the tenant takes back is gone at once.
func TestRulesOfTheMoment(t *testing.T) {
	b := newBureau(t)
	made := b.come(t, said())
	id := text(t, made, "client_id")
	b.find(t, id)
	b.find(t, place)
	for _, mode := range []cimd.Mode{cimd.ModeOff, cimd.ModeRegistered, cimd.ModeOpen, ""} {
		b.tenant.Registration.Documents.Mode = mode
		b.wantUnknown(t, place)
	}
	b.tenant.Registration.Documents = cimd.Rules{Mode: cimd.ModeHosts, Hosts: []string{"other.example.com"}}
	_, err := b.registry.Lookup(t.Context(), b.tenant.UID, place)
	wantCode(t, err, oauth.CodeCIMDHostUnlisted)

	rules := b.tenant.Registration.Dynamic
	b.tenant.Registration.Dynamic.Scopes, b.tenant.Registration.Dynamic.Resources = nil, nil
	if c := b.find(t, id); len(c.Scopes) != 0 || len(c.Resources) != 0 {
		t.Errorf("%+v", c)
	}
	b.tenant.Registration.Dynamic.Hosts = nil
	b.wantUnknown(t, id)
	b.tenant.Registration.Dynamic = rules
	for _, mode := range []snapshot.DynamicMode{snapshot.DynamicOff, "", "on"} {
		b.tenant.Registration.Dynamic.Mode = mode
		b.wantUnknown(t, id)
	}
}

// TestWhatIsNoClient is unknown, and no document is asked for it.
func TestWhatIsNoClient(t *testing.T) {
	b := newBureau(t)
	for _, id := range []string{"", "claude", "dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G", "dyn_", "cli_1", "app.example.com/client.json"} {
		b.wantUnknown(t, id)
	}
	for id, code := range map[string]oauth.Code{
		"http://app.example.com/client.json":       oauth.CodeCIMDURLMalformed,
		"https://127.0.0.1/client.json":            oauth.CodeCIMDURLMalformed,
		"https://app.example.com:8443/client.json": oauth.CodeCIMDURLMalformed,
		"HTTPS://app.example.com/client.json":      oauth.CodeCIMDURLMalformed,
		"https://evil.example/client.json":         oauth.CodeCIMDHostUnlisted,
	} {
		_, err := b.registry.Lookup(t.Context(), b.tenant.UID, id)
		wantCode(t, err, code)
	}
	if b.host.asked != 0 {
		t.Errorf("%d questions", b.host.asked)
	}
}

// TestNotKnown is not unknown: nothing may be decided on it.
func TestNotKnown(t *testing.T) {
	b := newBureau(t)
	reset := errors.New("reset")
	id := text(t, b.come(t, said()), "client_id")
	b.shelf.err = reset
	if _, err := b.registry.Lookup(t.Context(), b.tenant.UID, id); !errors.Is(err, reset) {
		t.Error(err)
	}
	b.shelf.err, b.pictures.err = nil, reset
	for _, which := range []string{id, place} {
		if _, err := b.registry.Lookup(t.Context(), b.tenant.UID, which); !errors.Is(err, reset) {
			t.Error(err)
		}
	}
	b.pictures.err, b.objects.err = nil, reset
	if _, err := b.registry.Lookup(t.Context(), b.tenant.UID, place); !errors.Is(err, reset) || b.host.asked != 0 {
		t.Error(err)
	}
}

// TestStanding asks no host: a token does not die because somebody's site is away.
func TestStanding(t *testing.T) {
	b := newBureau(t)
	b.host.err = fetch.ErrTransport
	standing := registration.Standing{Registry: b.registry}
	c, err := standing.Lookup(t.Context(), b.tenant.UID, place)
	if err != nil || c.UID != cimd.UID(place) || len(c.GrantTypes)+len(c.Scopes)+len(c.RedirectURIs) != 0 || b.host.asked != 0 {
		t.Errorf("%+v %v, %d questions", c, err, b.host.asked)
	}
	b.tenant.Registration.Documents.Hosts = nil
	if _, err := standing.Lookup(t.Context(), b.tenant.UID, place); !errors.Is(err, client.ErrUnknown) {
		t.Error(err)
	}
	b.objects.known[place] = &client.Client{UID: "cli_1", ClientID: place, Disabled: true}
	if c, err := standing.Lookup(t.Context(), b.tenant.UID, place); err != nil || !c.Disabled {
		t.Errorf("%+v %v", c, err)
	}
}

// TestLastUse is noted once a day.
func TestLastUse(t *testing.T) {
	b := newBureau(t)
	id := text(t, b.come(t, said()), "client_id")
	touched := func(n int) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for {
			b.shelf.mu.Lock()
			got := len(b.shelf.touched)
			b.shelf.mu.Unlock()
			if got == n {
				return
			}
			if got > n || time.Now().After(deadline) {
				t.Fatalf("noted %d times, want %d", got, n)
			}
		}
	}
	b.find(t, id)
	touched(1)
	b.find(t, id)
	touched(1)
	b.at = b.at.Add(25 * time.Hour)
	b.find(t, id)
	touched(2)
}

func TestRegistryNeedsItsParts(t *testing.T) {
	if _, err := registration.NewRegistry(registration.RegistryConfig{}); err == nil {
		t.Error("a registry of nothing")
	}
	if _, err := registration.New(registration.Config{}); err == nil {
		t.Error("a desk of nothing")
	}
}

package provider_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest/tour"
)

// walk is what connect → refresh → narrow → revoke is for one manifest.
type walk struct {
	scopes    []string
	label     string
	life      time.Duration // 0: it does not end
	refreshes bool
	replaces  bool // a refresh gives another refresh token
	less      provider.Wanted
	narrowed  bool
	revokes   bool
}

var walks = map[string]walk{
	"github":     {scopes: []string{"repo", "gist"}, label: "alice", less: provider.Wanted{Scopes: []string{"gist"}}, revokes: true},
	"github-app": {scopes: nil, label: "alice", life: 8 * time.Hour, refreshes: true, replaces: true, revokes: true},
	"google": {
		scopes: []string{"https://www.googleapis.com/auth/devstorage.read_write"}, label: "alice@example.com", life: time.Hour, refreshes: true,
		less:     provider.Wanted{Scopes: []string{"inRole:roles/storage.objectViewer"}, Resources: []string{"//storage.googleapis.com/projects/_/buckets/b"}},
		narrowed: true, revokes: true,
	},
	"microsoft": {
		scopes: []string{"Mail.Read", "Files.Read"}, label: "alice@example.com", life: time.Hour, refreshes: true, replaces: true,
		less: provider.Wanted{Scopes: []string{"Mail.Read"}}, narrowed: true,
	},
	"slack": {
		scopes: []string{"chat:write", "users:read"}, label: "alice", life: 12 * time.Hour, refreshes: true, replaces: true,
		less: provider.Wanted{Scopes: []string{"users:read"}}, revokes: true,
	},
	"atlassian": {
		scopes: []string{"read:jira-work"}, label: "alice@example.com", life: time.Hour, refreshes: true, replaces: true,
		less: provider.Wanted{Scopes: []string{"read:me"}},
	},
	"linear": {
		scopes: []string{"read", "write"}, label: "alice@example.com", life: 24 * time.Hour, refreshes: true, replaces: true,
		less: provider.Wanted{Scopes: []string{"read"}}, revokes: true,
	},
	"notion":     {label: "Workspace of alice", refreshes: true, replaces: true, revokes: true},
	"salesforce": {scopes: []string{"api"}, label: "alice@acme.com", life: 2 * time.Hour, refreshes: true, less: provider.Wanted{Scopes: []string{"api"}}, revokes: true},
	"hubspot": {
		scopes: []string{"crm.objects.contacts.read"}, label: "app.hubspot.com", life: 30 * time.Minute, refreshes: true,
		less: provider.Wanted{Scopes: []string{"crm.objects.contacts.read"}}, revokes: true,
	},
	"servicenow": {scopes: []string{"useraccount"}, label: "alice", life: 30 * time.Minute, refreshes: true, revokes: true},
	"box": {
		scopes: []string{"root_readwrite", "item_preview"}, label: "alice", life: time.Hour, refreshes: true, replaces: true,
		less: provider.Wanted{Scopes: []string{"item_preview"}, Resources: []string{"https://api.box.com/2.0/files/1"}}, narrowed: true, revokes: true,
	},
	"oauth2": {
		scopes: []string{"a", "b"}, label: "alice", life: time.Hour, refreshes: true, replaces: true,
		less: provider.Wanted{Scopes: []string{"a"}}, revokes: true,
	},
}

// others are walked elsewhere: nobody connects there.
var others = []string{"client-credentials", "jwt-bearer", "token-exchange", "static"}

func TestEveryManifestIsWalked(t *testing.T) {
	for _, name := range catalogue(t).Names() {
		if _, ok := walks[name]; !ok && !slices.Contains(others, name) {
			t.Errorf("nobody walks %s", name)
		}
	}
}

func TestWalk(t *testing.T) {
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) { meet(t, name).tour(walk).Run(t) })
	}
}

func (w *world) tour(walk walk) tour.Tour {
	return tour.Tour{
		Provider: w.Provider, Now: w.clock.now,
		Visit:  func(_ context.Context, address string) (url.Values, error) { return w.fake.Visit(address) },
		Works:  func(_ context.Context, access provider.Secret) bool { return w.fake.Works(access.Reveal()) },
		Scopes: walk.scopes, Label: walk.label, Life: walk.life, Refreshes: walk.refreshes, Replaces: walk.replaces,
		Less: walk.less, Narrowed: walk.narrowed, Revokes: walk.revokes,
	}
}

// The same on a machine without a network: the provider is at an address of this machine, as in the demo.
func TestWalkOnLoopback(t *testing.T) {
	w := meet(t, "github-app")
	m, err := catalogue(t).Decode([]byte(strings.ReplaceAll(`
name: github-app
extends: github-app
authorization_url: BASE/github.com/login/oauth/authorize
token_url: BASE/github.com/login/oauth/access_token
revoke: {url: "BASE/api.github.com/applications/{client_id}/grant"}
probe: {url: BASE/api.github.com/user}
`, "BASE", w.fake.URL())))
	if err != nil {
		t.Fatal(err)
	}
	p, err := provider.New(m, settings(func(s *provider.Settings) { s.Transport, s.Now = http.DefaultTransport, w.clock.now }))
	if err != nil {
		t.Fatal(err)
	}
	w.Provider = p
	through := w.tour(walks["github-app"])
	through.Visit = func(ctx context.Context, address string) (url.Values, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		response.Body.Close()
		back, err := response.Location()
		return back.Query(), err
	}
	through.Run(t)
}

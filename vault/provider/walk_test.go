package provider_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
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
	for name, want := range walks {
		t.Run(name, func(t *testing.T) {
			w := meet(t, name)

			// 1. Connect.
			c, account := w.connect(t, want.scopes...)
			if account.ID == "" || account.Label != want.label {
				t.Errorf("account %+v, want label %q", account, want.label)
			}
			for _, scope := range want.scopes {
				if !slices.Contains(c.Scopes, scope) {
					t.Errorf("scopes %v lack %q", c.Scopes, scope)
				}
			}
			checkLife(t, w, c, want.life)
			if c.Refresh.IsZero() == want.refreshes {
				t.Errorf("refresh token there: %t", !c.Refresh.IsZero())
			}

			// 2. Refresh, as a store would: from what rests.
			c = w.refreshed(t, c, want)

			// 3. Narrow.
			lease, narrowed, err := w.Narrow(t.Context(), c, want.less)
			if err != nil {
				t.Fatal(err)
			}
			if wantWhole := want.less.Scopes != nil && len(want.less.Resources) == 0 && slices.Equal(c.Scopes, want.less.Scopes); narrowed != (want.narrowed || wantWhole) {
				t.Errorf("narrowed %t of %v to %v", narrowed, c.Scopes, want.less)
			}
			if !w.fake.Works(lease.Access.Reveal()) {
				t.Error("the lease does not work")
			}
			if !w.fake.Works(c.Access.Reveal()) {
				t.Error("the credential does not work any more")
			}

			// 4. Revoke, twice: what is gone is gone.
			if !want.revokes {
				if err := w.Revoke(t.Context(), c); !errors.Is(err, provider.ErrNoRevocation) {
					t.Fatalf("got %v, want ErrNoRevocation", err)
				}
				return
			}
			for range 2 {
				if err := w.Revoke(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			if w.fake.Works(c.Access.Reveal()) {
				t.Error("it works after it was revoked")
			}
		})
	}
}

func checkLife(t *testing.T, w *world, c provider.Credential, life time.Duration) {
	t.Helper()
	if life == 0 {
		if !c.ExpiresAt.IsZero() || c.Stale(w.clock.now().AddDate(9, 0, 0)) {
			t.Errorf("it ends at %v", c.ExpiresAt)
		}
		return
	}
	if got := c.ExpiresAt.Sub(w.clock.now()); got != life {
		t.Errorf("it lives %v, want %v", got, life)
	}
	if lead := max(time.Minute, life/10); c.Stale(c.ExpiresAt.Add(-lead-time.Second)) || !c.Stale(c.ExpiresAt.Add(-lead)) {
		t.Errorf("stale from %v on", c.RefreshAt())
	}
}

func (w *world) refreshed(t *testing.T, c provider.Credential, want walk) provider.Credential {
	t.Helper()
	plaintext, err := c.Plaintext()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = provider.ParseCredential(plaintext); err != nil {
		t.Fatal(err)
	}
	next, err := w.Refresh(t.Context(), c)
	if !want.refreshes {
		if !errors.Is(err, provider.ErrNoRefresh) {
			t.Fatalf("got %v, want ErrNoRefresh", err)
		}
		return c
	}
	if err != nil {
		t.Fatal(err)
	}
	if next.Access.Reveal() == c.Access.Reveal() || !w.fake.Works(next.Access.Reveal()) {
		t.Error("the access token is the old one, or does not work")
	}
	if replaced := next.Refresh.Reveal() != c.Refresh.Reveal(); replaced != want.replaces || next.Refresh.IsZero() {
		t.Errorf("the refresh token was replaced: %t", replaced)
	}
	if !slices.Equal(next.Scopes, c.Scopes) {
		t.Errorf("scopes %v became %v", c.Scopes, next.Scopes)
	}
	checkLife(t, w, next, want.life)
	return next
}

package provider_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// narrowed is true only where the answer bears it out.
func TestNarrowedIsHonest(t *testing.T) {
	for name, test := range map[string]struct {
		manifest string
		set      func(*providertest.Switches)
		scopes   []string
		less     provider.Wanted
		want     bool
		same     bool // the credential's own token is lent
	}{
		"refresh for less":               {"microsoft", nil, []string{"Mail.Read", "Files.Read"}, provider.Wanted{Scopes: []string{"Mail.Read"}}, true, false},
		"refresh for less is ignored":    {"microsoft", func(s *providertest.Switches) { s.IgnoreNarrow = true }, []string{"Mail.Read", "Files.Read"}, provider.Wanted{Scopes: []string{"Mail.Read"}}, false, true},
		"ignored without a word":         {"microsoft", func(s *providertest.Switches) { s.SilentNarrow = true }, []string{"Mail.Read", "Files.Read"}, provider.Wanted{Scopes: []string{"Mail.Read"}}, false, true},
		"scopes narrowed, resources not": {"microsoft", nil, []string{"Mail.Read", "Files.Read"}, provider.Wanted{Scopes: []string{"Mail.Read"}, Resources: []string{"x"}}, false, false},
		"exchange":                       {"box", nil, []string{"a", "b"}, provider.Wanted{Scopes: []string{"a"}, Resources: []string{"https://api.box.com/2.0/files/1"}}, true, false},
		"exchange for resources alone":   {"box", nil, []string{"a", "b"}, provider.Wanted{Resources: []string{"https://api.box.com/2.0/files/1"}}, false, false},
		"cannot":                         {"slack", nil, []string{"a", "b"}, provider.Wanted{Scopes: []string{"a"}}, false, true},
		"has nothing else":               {"slack", nil, []string{"a"}, provider.Wanted{Scopes: []string{"a"}}, true, true},
		"nothing was wanted":             {"slack", nil, []string{"a"}, provider.Wanted{}, false, true},
		"names no scopes at all":         {"notion", nil, nil, provider.Wanted{Resources: []string{"x"}}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := meet(t, test.manifest, func(m *provider.Manifest, _ *provider.Settings, _ *providertest.Profile) {
				m.Scopes.Always = m.Scopes.Unlisted
			})
			c, _ := w.connect(t, test.scopes...)
			if test.set != nil {
				w.fake.Set(test.set)
			}
			lease, narrowed, err := w.Narrow(t.Context(), c, test.less)
			if err != nil || narrowed != test.want || (lease.Access.Reveal() == c.Access.Reveal()) != test.same {
				t.Errorf("narrowed %t, the same %t: %v", narrowed, lease.Access.Reveal() == c.Access.Reveal(), err)
			}
			if test.same && !slices.Equal(lease.Scopes, c.Scopes) {
				t.Errorf("it says %v, and can %v", lease.Scopes, c.Scopes)
			}
			// The credential's refresh token is as good as before.
			if !c.Refresh.IsZero() {
				if _, err := w.Refresh(t.Context(), c); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			}
		})
	}
}

// An authorization server that exchanges a token for all it can do, or for itself, has narrowed nothing.
func TestExchangeThatIgnores(t *testing.T) {
	w := meet(t, "token-exchange")
	c, err := w.ExchangeToken(t.Context(), provider.Presented{Token: provider.NewSecret("subject-alice")}, provider.Wanted{Scopes: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	w.fake.Set(func(s *providertest.Switches) { s.IgnoreNarrow = true })
	lease, narrowed, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"a"}})
	if err != nil || narrowed || !slices.Equal(lease.Scopes, []string{"a", "b"}) {
		t.Errorf("narrowed %t: %+v %v", narrowed, lease, err)
	}
	w.fake.Break("exchange", status(200, map[string]any{"access_token": c.Access.Reveal()}))
	if _, narrowed, err = w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"a"}}); err != nil || narrowed {
		t.Errorf("narrowed %t: %v", narrowed, err)
	}
}

// So with an installation whose token can do more, or reaches more, than was wanted.
func TestInstallationThatIgnores(t *testing.T) {
	w, c := installed(t)
	w.fake.Set(func(s *providertest.Switches) { s.IgnoreNarrow = true })
	for name, wanted := range map[string]provider.Wanted{
		"permissions":  {Scopes: []string{"contents:read"}},
		"repositories": {Resources: []string{"hello"}},
		"one of them":  {Scopes: []string{"contents:write", "issues:read"}, Resources: []string{"hello"}},
	} {
		if _, narrowed, err := w.Narrow(t.Context(), c, wanted); err != nil || narrowed {
			t.Errorf("%s: narrowed %t: %v", name, narrowed, err)
		}
	}
}

func TestNarrowNamesWhatIsMissing(t *testing.T) {
	w := meet(t, "oauth2")
	c, _ := w.connect(t, "a", "b")
	_, _, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"a", "c", "d"}})
	missing, ok := errors.AsType[*provider.MissingScopesError](err)
	if !ok || !slices.Equal(missing.Missing, []string{"c", "d"}) {
		t.Fatalf("got %v", err)
	}
}

func TestGoogleBoundary(t *testing.T) {
	w := meet(t, "google")
	c, _ := w.connect(t, "https://www.googleapis.com/auth/devstorage.read_write")
	bucket := "//storage.googleapis.com/projects/_/buckets/b"
	lease, narrowed, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"inRole:roles/storage.objectViewer"}, Resources: []string{bucket}})
	if err != nil || !narrowed || !slices.Equal(lease.Scopes, []string{"inRole:roles/storage.objectViewer"}) || lease.ExpiresAt.IsZero() {
		t.Fatalf("narrowed %t: %+v %v", narrowed, lease, err)
	}
	last := w.fake.Seen()[len(w.fake.Seen())-1]
	var options struct {
		AccessBoundary struct {
			AccessBoundaryRules []struct {
				AvailableResource    string
				AvailablePermissions []string
			}
		}
	}
	if err := json.Unmarshal([]byte(last.Form.Get("options")), &options); err != nil {
		t.Fatal(err)
	}
	rules := options.AccessBoundary.AccessBoundaryRules
	if len(rules) != 1 || rules[0].AvailableResource != bucket || !slices.Equal(rules[0].AvailablePermissions, []string{"inRole:roles/storage.objectViewer"}) || last.Form.Has("client_secret") {
		t.Errorf("%v", last.Form)
	}
	// A role without a bucket bounds nothing.
	if _, narrowed, err = w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"inRole:roles/storage.objectViewer"}}); err != nil || narrowed {
		t.Errorf("narrowed %t: %v", narrowed, err)
	}
	// Elsewhere a role is a scope like any other, and nobody has it.
	box := meet(t, "box")
	b, _ := box.connect(t, "a")
	if _, _, err := box.Narrow(t.Context(), b, provider.Wanted{Scopes: []string{"inRole:roles/owner"}}); err == nil {
		t.Error("a role was given")
	}
}

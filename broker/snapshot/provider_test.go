package snapshot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/provider"
)

const providerDocs = `apiVersion: chancery/v1
kind: Provider
metadata: {name: github}
spec:
  display_name: GitHub of Acme
  manifest: github
  client_id: Iv1.acme
  client_secret: {env: GITHUB_SECRET}
  scope_map: {"repo:read": [repo], "org:read": ["read:org", repo], any: []}
  default_scopes: ["repo:read"]
  allow: {clients: [claude], resources: [notes]}
  accounts: {email_domains: [acme.com]}
  min_ttl: 5m
  require_narrowed: true
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: billing}
spec: {disabled: true, manifest: static}
`

func TestProviders(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := newApplier(t, w)
		a.apply(t, providerDocs)
		p := get(t, w.a, tenant.DefaultName)
		github, ok := p.Provider("github")
		if !ok || github.Title != "GitHub of Acme" || github.Manifest.Kind != provider.OAuth2 || github.MinTTL != 5*time.Minute || !github.RequireNarrowed ||
			!slices.Equal(github.DefaultScopes, []string{"repo:read"}) || !strings.HasPrefix(github.UID, "prv_") || github.ManagedBy == "" {
			t.Fatalf("%+v", github)
		}
		if same, ok := p.ProviderByUID(github.UID); !ok || same != github {
			t.Error("it is not found by its uid")
		}
		billing, ok := p.Provider("billing")
		if !ok || !billing.Disabled || billing.Title != "Entered by hand" || billing.MinTTL != time.Minute {
			t.Fatalf("%+v", billing)
		}
		if all := p.Providers(); len(all) != 1 || all[0] != github {
			t.Errorf("those that lend: %v", all)
		}
		if _, ok := get(t, w.a, tenant.DefaultName).Provider("GitHub"); ok {
			t.Error("a name of another case finds one")
		}

		// Another change leaves it the one that it is; its own makes it anew.
		a.apply(t, workloadDocs)
		if same, _ := get(t, w.a, tenant.DefaultName).Provider("github"); same != github {
			t.Error("it was read anew, and has not changed")
		}
		for name, take := range map[string]func(){
			"disabled": func() {
				a.apply(t, strings.Replace(providerDocs, "  manifest: github", "  disabled: true\n  manifest: github", 1))
			},
			"a client less": func() { a.apply(t, strings.Replace(providerDocs, "clients: [claude], ", "", 1)) },
			"deleted":       func() { a.delete(t, object.KindProvider, "github") },
		} {
			a.apply(t, providerDocs)
			before := get(t, w.a, tenant.DefaultName)
			take()
			if w.stands(t, before) {
				t.Errorf("%s: the version is the same", name)
			}
			poll(t, w.b)
			after, there := get(t, w.b, tenant.DefaultName).Provider("github")
			if there == (name == "deleted") || there && after.Lends("claude", "notes") {
				t.Errorf("%s: elsewhere it lends still: %+v", name, after)
			}
		}
	})
}

func TestWhomAProviderLendsTo(t *testing.T) {
	valid := func() *snapshot.Provider {
		return &snapshot.Provider{Clients: []string{"claude"}, Resources: []string{"notes"}}
	}
	if !valid().Lends("claude", "notes") {
		t.Fatal("the valid one lends nothing")
	}
	for name, test := range map[string]struct {
		change           func(*snapshot.Provider)
		client, resource string
	}{
		"another client":   {func(*snapshot.Provider) {}, "cursor", "notes"},
		"another resource": {func(*snapshot.Provider) {}, "claude", "files"},
		"no client":        {func(p *snapshot.Provider) { p.Clients = []string{""} }, "", "notes"},
		"no resource":      {func(p *snapshot.Provider) { p.Resources = []string{""} }, "claude", ""},
		"clients absent":   {func(p *snapshot.Provider) { p.Clients = nil }, "claude", "notes"},
		"resources absent": {func(p *snapshot.Provider) { p.Resources = nil }, "claude", "notes"},
		"disabled":         {func(p *snapshot.Provider) { p.Disabled = true }, "claude", "notes"},
		"names exchanged":  {func(*snapshot.Provider) {}, "notes", "claude"},
	} {
		t.Run(name, func(t *testing.T) {
			p := valid()
			test.change(p)
			if p.Lends(test.client, test.resource) {
				t.Error("it lends")
			}
		})
	}
}

func TestKeysOfAProvider(t *testing.T) {
	p := &snapshot.Provider{ScopeMap: map[string][]string{"read": {"repo"}, "org": {"read:org", "repo"}, "any": {}}}
	if got, err := p.Needed([]string{"org", "read"}); err != nil || !slices.Equal(got, []string{"read:org", "repo"}) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := p.Needed([]string{"read", "write"}); err == nil {
		t.Errorf("an unknown key leads to %v", got)
	}
	for name, test := range map[string]struct{ scopes, keys []string }{
		"all":  {[]string{"repo", "read:org", "user"}, []string{"any", "org", "read"}},
		"some": {[]string{"repo"}, []string{"any", "read"}},
		"none": {nil, []string{"any"}},
	} {
		if got := p.Covered(test.scopes); !slices.Equal(got, test.keys) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhichAccountsAProviderTakes(t *testing.T) {
	p := &snapshot.Provider{
		Manifest: provider.Manifest{Probe: &provider.ProbeRules{}}, Object: &object.ProviderSpec{Accounts: object.ProviderAccounts{EmailDomains: []string{"acme.com"}}},
	}
	for label, takes := range map[string]bool{
		"alice@acme.com": true, "alice@ACME.com": true, "alice@evil.example": false, "alice@acme.com.evil.example": false, "alice@acme.com@evil.example": false,
		"alice": false, "acme.com": false, "@acme.com": false, "": false, "alice@sub.acme.com": false,
	} {
		if p.Takes(provider.Account{ID: "1", Label: label}, false) != takes {
			t.Errorf("%q", label)
		}
	}
	// A name that its bearer chose is no address, though it reads like one; nor is what a person typed, where no provider says.
	if p.Takes(provider.Account{ID: "1", Label: "mallory@acme.com", Otherwise: true}, false) {
		t.Error("a name stands for an address")
	}
	p.Manifest.Probe = nil
	if p.Takes(provider.Account{ID: "1", Label: "mallory@acme.com"}, false) {
		t.Error("a person's own word is taken")
	}
	if !p.Takes(provider.Account{ID: "1", Label: "alice@acme.com"}, true) || p.Takes(provider.Account{ID: "1", Label: "alice@evil.example"}, true) {
		t.Error("an administrator's word is not taken as it is")
	}
	p.Object.Accounts.EmailDomains = nil
	if !p.Takes(provider.Account{ID: "1"}, false) {
		t.Error("no domain is named, and an account is refused")
	}
}

func TestWhoseAProvidersCredentialsAre(t *testing.T) {
	for name, test := range map[string]struct {
		kind         provider.Kind
		installation string
		people       bool
	}{
		"a person's":      {provider.OAuth2, "", true},
		"an installation": {provider.OAuth2, "7", false},
		"entered":         {provider.Static, "", true},
		"our own":         {provider.ClientCredentials, "", false},
		"our key's":       {provider.JWTBearer, "", false},
		"exchanged":       {provider.TokenExchange, "", false},
		"not known":       {"saml", "", true},
	} {
		p := &snapshot.Provider{Manifest: provider.Manifest{Kind: test.kind}, Object: &object.ProviderSpec{InstallationID: test.installation}}
		if p.OfPeople() != test.people {
			t.Error(name)
		}
	}
}

package snapshot

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
)

func stored(kind object.Kind, spec string) object.Stored {
	return object.Stored{UID: "uid_1", Kind: kind, Name: "name", Revision: 3, Spec: []byte(spec)}
}

// TestAbsentAllowsNothing: no list that allows has a default.
func TestAbsentAllowsNothing(t *testing.T) {
	idp, err := identityProvider(stored(object.KindIdentityProvider, `{"issuer":"https://idp.example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	a := idp.Assertions
	for name, list := range map[string][]string{
		"clients": a.Clients, "resources": a.Resources, "scopes": a.Scopes, "tenants": a.Tenants, "saml_entity_ids": a.SAMLEntityIDs,
		"email_domains": idp.Subject.EmailDomains,
	} {
		if len(list) > 0 {
			t.Errorf("%s: absent became %v", name, list)
		}
	}
	switch {
	case len(a.Profiles) > 0, a.DefaultScopes, idp.Subject.Provision, idp.Subject.AllowGuests, idp.Claims.FetchOverage, idp.Disabled:
		t.Errorf("absent became permission: %+v", idp)
	case a.Reuse != federation.ReuseSingle, a.Errors != federation.ErrorsEMA04, len(a.Algorithms) == 0, a.MaxLifetime <= 0:
		t.Errorf("defaults: %+v", a)
	case slices.Contains(idp.Subject.Match, federation.MatchEmail):
		t.Errorf("email matches without being named")
	}
	c, err := newClient(stored(object.KindClient, `{"client_id":"c"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.GrantTypes)+len(c.Scopes)+len(c.Resources)+len(c.Auth.Secrets)+len(c.Auth.Keys.Inline) > 0 || c.Auth.Keys.URI != "" || c.Auth.Method == "none" {
		t.Errorf("absent became %+v", c)
	}
}

func TestIdentityProvider(t *testing.T) {
	idp, err := identityProvider(stored(object.KindIdentityProvider, `{"issuer":"https://idp.example.com","disabled":true,"preset":"okta",
		"jwks":{"inline":{"keys":[{"kty":"EC"}]},"not_after":"2030-01-31T00:00:00Z"},
		"network":{"ca_bundle":"/ca.pem","proxy":"http://proxy","allow_private_addresses":true},
		"assertions":{"profiles":["id-jag"],"algorithms":["ES256"],"max_lifetime":"2m","clock_skew":"10s","clients":["c"],"resources":["r"],
			"scopes":["s"],"absent_scope":"default_scopes","reuse":"client_bound","error_profile":"idjag-06","tenants":["t"],"saml_entity_ids":["e"]},
		"subject":{"match":["sub","email"],"provision":"just_in_time","email_domains":["acme.com"],"guests":"allow"},
		"claims":{"groups":"g","groups_from":["directory"],"groups_overage":"fetch","group_aliases":{"a":"b"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(idp.Keys.Inline) != `{"keys":[{"kty":"EC"}]}` {
		t.Errorf("inline keys: %s", idp.Keys.Inline)
	}
	idp.Keys.Inline = nil
	want := federation.IdentityProvider{
		UID: "uid_1", Name: "name", Preset: "okta", Issuer: "https://idp.example.com", Disabled: true,
		Assertions: federation.AssertionRules{
			Profiles: []federation.Profile{federation.ProfileIDJAG}, Algorithms: []string{"ES256"}, MaxLifetime: 2 * time.Minute,
			ClockSkew: 10 * time.Second, Clients: []string{"c"}, Resources: []string{"r"}, Scopes: []string{"s"}, DefaultScopes: true,
			Reuse: federation.ReuseClientBound, Errors: federation.ErrorsIDJAG06, Tenants: []string{"t"}, SAMLEntityIDs: []string{"e"},
		},
		Subject: federation.SubjectRules{
			Match: []federation.MatchBy{federation.MatchSubject, federation.MatchEmail}, Provision: true,
			EmailDomains: []string{"acme.com"}, AllowGuests: true,
		},
		Claims: federation.ClaimRules{
			Groups: "g", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromDirectory}, FetchOverage: true,
			GroupAliases: map[string]string{"a": "b"},
		},
	}
	want.Keys.Issuer, want.Keys.NotAfter = want.Issuer, time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC)
	want.Keys.Network.CABundle, want.Keys.Network.Proxy, want.Keys.Network.AllowPrivateAddresses = "/ca.pem", "http://proxy", true
	if !reflect.DeepEqual(idp, want) {
		t.Errorf("got  %+v\nwant %+v", idp, want)
	}
}

func TestResource(t *testing.T) {
	r, err := newResource(stored(object.KindResource, `{"uri":"HTTPS://Notes.example.com:443","default_scopes":["a"],
		"scopes":{"a":{"description":"A","risk":"low"},"b":{"implies":["a"]},"c":{"implies":["b"]},"loop":{"implies":["loop","ghost","c"]}},
		"token":{"lifetime":"5m","dpop":"required","claims":["groups"]}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Canonical != "https://notes.example.com/" || r.URI != "HTTPS://Notes.example.com:443" {
		t.Errorf("%s is compared as %s", r.URI, r.Canonical)
	}
	if want := map[string][]string{"b": {"a"}, "c": {"a", "b"}, "loop": {"a", "b", "c"}}; !reflect.DeepEqual(r.Implies, want) {
		t.Errorf("implies %v, want %v", r.Implies, want)
	}
	if got := r.Expand([]string{"c"}); !slices.Equal(got, []string{"c", "a", "b"}) {
		t.Errorf("c expands to %v", got)
	}
	if !slices.Equal(r.ScopeNames, []string{"a", "b", "c", "loop"}) || r.Risk["a"] != "low" || r.Scopes["a"] != "A" || !r.DPoPRequired ||
		r.Lifetime != 5*time.Minute || r.Algorithm != "ES256" || !slices.Equal(r.TokenClaims, []string{"groups"}) {
		t.Errorf("%+v", r)
	}
	plain, err := newResource(stored(object.KindResource, `{"uri":"https://r.example.com"}`), "RS256")
	if err != nil || plain.DPoPRequired || plain.Lifetime != object.DefaultTokenLifetime || len(plain.ScopeNames) > 0 || plain.Algorithm != "RS256" {
		t.Errorf("%+v, %v", plain, err)
	}
	says, err := newResource(stored(object.KindResource, `{"uri":"https://r.example.com","token":{"algorithm":"ES256"}}`), "RS256")
	if err != nil || says.Algorithm != "ES256" {
		t.Errorf("%+v, %v: the configuration is stronger than the resource", says, err)
	}
}

// TestUnreadable: what cannot be understood is refused, not read in part.
func TestUnreadable(t *testing.T) {
	for name, s := range map[string]object.Stored{
		"unknown field": stored(object.KindClient, `{"client_id":"c","from_the_future":true}`),
		"twice":         stored(object.KindClient, `{"client_id":"c","disabled":true,"disabled":false}`),
		"folded":        stored(object.KindClient, `{"client_id":"c","DISABLED":true}`),
		"no JSON":       stored(object.KindClient, `{`),
		"nothing":       stored(object.KindClient, ``),
		"another kind":  stored(object.KindResource, `{"uri":"https://r"}`),
		"a bad time":    stored(object.KindClient, `{"client_id":"c","expires_at":"tomorrow"}`),
	} {
		if c, err := newClient(s, nil); err == nil {
			t.Errorf("%s: read as %+v", name, c)
		}
	}
	if _, err := newResource(stored(object.KindResource, `{"uri":"notes"}`), ""); err == nil {
		t.Error("a relative uri was taken")
	}
	if _, err := identityProvider(stored(object.KindIdentityProvider, `{"issuer":"https://i","jwks":{"not_after":"soon"}}`)); err == nil {
		t.Error("not_after: soon was taken")
	}
	if err := new(Source).describe(new(Tenant), stored(object.KindTenant, `{"timezone":"Mars/Olympus"}`)); err == nil {
		t.Error("a time zone on Mars was taken")
	}
}

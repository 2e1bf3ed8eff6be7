package oidc_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

func (s *site) breakWith(change func(*idptest.Draft)) {
	s.idp.BreakIDTokens(&idptest.Mutation{Name: "changed", Break: func(d *idptest.Draft, _ *idptest.IdP) { change(d) }})
}

// what a sign-in with changed claims comes to.
type outcome struct {
	name   string
	entry  func(*oidc.Entry)
	ask    oidc.Ask
	claims map[string]any // nil takes one away
	code   federation.Code
}

func run(t *testing.T, tests []outcome, basis ...func(*oidc.Entry)) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			for _, change := range basis {
				change(s.entry)
			}
			if test.entry != nil {
				test.entry(s.entry)
			}
			s.breakWith(func(d *idptest.Draft) {
				for name, value := range test.claims {
					if value == nil {
						delete(d.Claims, name)
						continue
					}
					d.Claims[name] = value
				}
			})
			signedIn, err := s.signIn(test.ask)
			if test.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if signedIn != nil {
				t.Fatal("signed in")
			}
			wantCode(t, err, test.code)
		})
	}
}

func seconds(n int) *time.Duration {
	d := time.Duration(n) * time.Second
	return &d
}

func ago(d time.Duration) int64 { return noon.Add(-d).Unix() }

// T48: what was asked for is shown, exactly, or nobody signs in.
func TestStepUp(t *testing.T) {
	asked := oidc.Ask{ACRValues: []string{"phr", "phrh"}}
	run(t, []outcome{
		{name: "reached", ask: asked},
		{name: "the second", ask: asked, claims: map[string]any{"acr": "phrh"}},
		{name: "nothing asked, nothing said", claims: map[string]any{"acr": nil}},
		{name: "absent", ask: asked, claims: map[string]any{"acr": nil}, code: federation.CodeACRUnmet},
		{name: "another", ask: asked, claims: map[string]any{"acr": "pwd"}, code: federation.CodeACRUnmet},
		{name: "longer", ask: asked, claims: map[string]any{"acr": "phrx"}, code: federation.CodeACRUnmet},
		{name: "in upper case", ask: asked, claims: map[string]any{"acr": "PHR"}, code: federation.CodeACRUnmet},
		{name: "both in one string", ask: asked, claims: map[string]any{"acr": "phr phrh"}, code: federation.CodeACRUnmet},
		{name: "as a list", ask: asked, claims: map[string]any{"acr": []string{"phr"}}, code: federation.CodeClaimMalformed},
		{name: "in amr", ask: asked, claims: map[string]any{"acr": nil, "amr": []string{"phr"}}, code: federation.CodeACRUnmet},
		{name: "fresh", ask: oidc.Ask{MaxAge: seconds(300)}},
		{name: "at the edge", ask: oidc.Ask{MaxAge: seconds(300)}, claims: map[string]any{"auth_time": ago(330 * time.Second)}},
		{name: "beyond it", ask: oidc.Ask{MaxAge: seconds(300)}, claims: map[string]any{"auth_time": ago(331 * time.Second)}, code: federation.CodeAuthTimeTooOld},
		{name: "not said", ask: oidc.Ask{MaxAge: seconds(300)}, claims: map[string]any{"auth_time": nil}, code: federation.CodeAuthTimeMissing},
		{name: "not said and not asked", claims: map[string]any{"auth_time": nil}},
		{name: "now, and an hour ago", ask: oidc.Ask{MaxAge: seconds(0)}, claims: map[string]any{"auth_time": ago(time.Hour)}, code: federation.CodeAuthTimeTooOld},
		{name: "now", ask: oidc.Ask{MaxAge: seconds(0)}},
		{name: "at the epoch", ask: oidc.Ask{MaxAge: seconds(300)}, claims: map[string]any{"auth_time": 0}, code: federation.CodeAuthTimeTooOld},
		{name: "in the future", ask: oidc.Ask{MaxAge: seconds(300)}, claims: map[string]any{"auth_time": ago(-time.Minute)}, code: federation.CodeClockSkew},
	})
}

func TestStepUpIsAskedInItsOwnWay(t *testing.T) {
	ask := oidc.Ask{ACRValues: []string{"c1"}, MaxAge: seconds(60)}
	for name, test := range map[string]struct {
		dialect        oidc.Dialect
		ask            oidc.Ask
		values, claims string
	}{
		"acr_values":  {oidc.Dialect{StepUp: oidc.StepUpACRValues}, ask, "c1", ""},
		"acr claim":   {oidc.Dialect{StepUp: oidc.StepUpClaimsACR}, ask, "", `{"id_token":{"acr":{"essential":true,"value":"c1"}}}`},
		"acrs claim":  {oidc.Dialect{StepUp: oidc.StepUpClaimsACRS, ACRListClaim: "acrs"}, ask, "", `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`},
		"several":     {oidc.Dialect{StepUp: oidc.StepUpClaimsACR}, oidc.Ask{ACRValues: []string{"a", "b"}}, "", `{"id_token":{"acr":{"essential":true,"values":["a","b"]}}}`},
		"auth_time":   {oidc.Dialect{StepUp: oidc.StepUpACRValues, AskAuthTime: true}, ask, "c1", `{"id_token":{"auth_time":{"essential":true}}}`},
		"not asked":   {oidc.Dialect{StepUp: oidc.StepUpClaimsACR, AskAuthTime: true}, oidc.Ask{}, "", ""},
		"cannot, and": {oidc.Dialect{}, oidc.Ask{MaxAge: seconds(60)}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.entry.Dialect = test.dialect
			target, _ := s.depart(test.ask)
			q := query(t, target)
			if q.Get("acr_values") != test.values || q.Get("claims") != test.claims {
				t.Errorf("acr_values %q, claims %q", q.Get("acr_values"), q.Get("claims"))
			}
		})
	}
	s := newSite(t)
	s.entry.Dialect = oidc.Dialect{}
	_, _, err := s.rp.Begin(t.Context(), owner, s.entry, ask)
	wantCode(t, err, federation.CodeIdPStepUpUnsupported)
	if s.idp.AllRequests() != 0 {
		t.Error("the IdP was asked for its metadata")
	}
}

const (
	tenant = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"
	oid    = "690222be-ff1a-4d56-abd1-7e4f7d38e474"
)

// entra makes the entry one of a single Entra tenant.
func entra(e *oidc.Entry) {
	preset, _ := oidc.PresetNamed("entra", "https://login.microsoftonline.com/"+tenant+"/v2.0")
	e.Dialect, e.OverageEndpoint = preset.Dialect, preset.OverageEndpoint
	e.Provider.Dialect = federation.Dialect{
		TenantClaim: "tid", Tenant: tenant, SubjectClaim: "oid", IDClaim: "uti", NamesApplication: true, AgentClaims: true, GuestClaim: "acct", MemberValue: "0",
	}
}

func asEntra(more map[string]any) map[string]any {
	claims := map[string]any{"tid": tenant, "oid": oid, "ver": "2.0", "email_verified": nil}
	maps.Copy(claims, more)
	return claims
}

// T12, T13: whose tenant it is and who it is, an address is neither.
func TestEntra(t *testing.T) {
	unlisted := federation.CodeTenantUnlisted
	run(t, []outcome{
		{name: "of the tenant", claims: asEntra(nil)},
		{name: "tid absent", claims: asEntra(map[string]any{"tid": nil}), code: federation.CodeClaimMissing},
		{name: "tid of another", claims: asEntra(map[string]any{"tid": "72f988bf-86f1-41af-91ab-2d7cd011db47"}), code: unlisted},
		{name: "tid of everybody", claims: asEntra(map[string]any{"tid": "common"}), code: unlisted},
		{name: "tid of organizations", claims: asEntra(map[string]any{"tid": "organizations"}), code: unlisted},
		{name: "tid of personal accounts", claims: asEntra(map[string]any{"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}), code: unlisted},
		{name: "tid in upper case", claims: asEntra(map[string]any{"tid": "6BABCAAD-604B-40AC-A9D7-9FD97C0B779F"}), code: unlisted},
		{name: "tid as a list", claims: asEntra(map[string]any{"tid": []string{tenant}}), code: federation.CodeClaimMalformed},
		{name: "oid absent", claims: asEntra(map[string]any{"oid": nil}), code: federation.CodeClaimMissing},
		{name: "oid empty", claims: asEntra(map[string]any{"oid": ""}), code: federation.CodeClaimMalformed},
		{name: "not on the list", claims: asEntra(nil), code: unlisted, entry: func(e *oidc.Entry) { e.Provider.Assertions.Tenants = []string{"another"} }},
		{name: "issuer of no tenant, listed", claims: asEntra(nil), entry: func(e *oidc.Entry) {
			e.Provider.Dialect.Tenant, e.Provider.Assertions.Tenants = "", []string{tenant}
		}},
		{name: "issuer of no tenant, not listed", claims: asEntra(nil), code: unlisted, entry: func(e *oidc.Entry) { e.Provider.Dialect.Tenant = "" }},
		{name: "version 2 where version 1 is trusted", claims: asEntra(map[string]any{"iss": "https://sts.windows.net/" + tenant + "/"}), code: federation.CodeIDTokenIssuer},
		{name: "context reached", ask: oidc.Ask{ACRValues: []string{"c1"}}, claims: asEntra(map[string]any{"acrs": []string{"c1", "c2"}})},
		{name: "context as one string", ask: oidc.Ask{ACRValues: []string{"c1"}}, claims: asEntra(map[string]any{"acrs": "c1"})},
		{name: "context absent", ask: oidc.Ask{ACRValues: []string{"c1"}}, claims: asEntra(nil), code: federation.CodeACRUnmet},
		{name: "context of another", ask: oidc.Ask{ACRValues: []string{"c1"}}, claims: asEntra(map[string]any{"acrs": []string{"c2", "c11"}}), code: federation.CodeACRUnmet},
		{name: "context in acr", ask: oidc.Ask{ACRValues: []string{"c1"}}, claims: asEntra(map[string]any{"acr": "c1"}), code: federation.CodeACRUnmet},
		{name: "contexts with a number", claims: asEntra(map[string]any{"acrs": []any{"c1", 2}}), code: federation.CodeClaimMalformed},
		{name: "guest claim as an object", claims: asEntra(map[string]any{"acct": map[string]any{}}), code: federation.CodeClaimMalformed},
	}, entra)
}

func TestEntraIdentity(t *testing.T) {
	s := newSite(t)
	entra(s.entry)
	for name, test := range map[string]struct {
		more            map[string]any
		guest, verified bool
	}{
		"member":             {map[string]any{"acct": 0}, false, true},
		"guest":              {map[string]any{"acct": 1}, true, true},
		"guest as text":      {map[string]any{"acct": "1"}, true, true},
		"of an unknown kind": {map[string]any{"acct": 2}, true, true},
		"domain not owned":   {map[string]any{"xms_edov": false}, false, false},
		"domain not owned 0": {map[string]any{"xms_edov": "0"}, false, false},
		"domain owned":       {map[string]any{"xms_edov": true}, false, true},
		"domain in doubt":    {map[string]any{"xms_edov": []bool{true}}, false, false},
	} {
		s.breakWith(func(d *idptest.Draft) {
			delete(d.Claims, "email_verified")
			for claim, value := range asEntra(test.more) {
				if value != nil {
					d.Claims[claim] = value
				}
			}
		})
		signedIn := s.mustSignIn(oidc.Ask{})
		ids := signedIn.Identifiers()
		if ids.Tenant != tenant || ids.Subject != oid || signedIn.Sub() != "00u1alice" || ids.Guest != test.guest || (ids.EmailVerified == nil) != test.verified {
			t.Errorf("%s: %+v", name, ids)
		}
	}
	s.breakWith(func(d *idptest.Draft) {
		delete(d.Claims, "email_verified")
		d.Claims["tid"], d.Claims["oid"], d.Claims["acrs"] = tenant, oid, []string{"c1", "c2"}
	})
	if signedIn := s.mustSignIn(oidc.Ask{}); signedIn.ACR() != "" || !slices.Equal(signedIn.ACRs(), []string{"c1", "c2"}) {
		t.Errorf("acr %q of %v", signedIn.ACR(), signedIn.ACRs())
	}
	if signedIn := s.mustSignIn(oidc.Ask{ACRValues: []string{"c2"}}); signedIn.ACR() != "c2" {
		t.Errorf("acr %q", signedIn.ACR())
	}
}

func TestGoogle(t *testing.T) {
	google := func(e *oidc.Entry) {
		preset, _ := oidc.PresetNamed("google", "https://accounts.google.com")
		e.Dialect, e.HostedDomains = preset.Dialect, []string{"acme.com"}
		e.Provider.Claims.GroupsFrom = []federation.GroupsFrom{federation.GroupsFromDirectory}
	}
	unlisted := federation.CodeHostedDomainUnlisted
	run(t, []outcome{
		{name: "of the domain", claims: map[string]any{"hd": "acme.com"}},
		{name: "private account with an address of the domain", claims: nil, code: unlisted},
		{name: "another domain", claims: map[string]any{"hd": "evil.example"}, code: unlisted},
		{name: "subdomain", claims: map[string]any{"hd": "sub.acme.com"}, code: unlisted},
		{name: "in upper case", claims: map[string]any{"hd": "ACME.com"}, code: unlisted},
		{name: "as a list", claims: map[string]any{"hd": []string{"acme.com"}}, code: federation.CodeClaimMalformed},
		{name: "at_hash absent", claims: map[string]any{"hd": "acme.com", "at_hash": nil}, code: federation.CodeAtHashMismatch},
	}, google)
	s := newSite(t)
	google(s.entry)
	target, _ := s.depart(oidc.Ask{})
	if hosted := query(t, target).Get("hd"); hosted != "acme.com" {
		t.Errorf("hd is %q", hosted)
	}
	s.entry.HostedDomains = []string{"acme.com", "acme.org"}
	target, _ = s.depart(oidc.Ask{})
	if hosted := query(t, target).Get("hd"); hosted != "*" {
		t.Errorf("hd is %q", hosted)
	}
}

func TestAudiences(t *testing.T) {
	run(t, []outcome{
		{name: "list of one", claims: map[string]any{"aud": []string{client}}},
		{name: "several with azp", claims: map[string]any{"aud": []string{client, "api"}, "azp": client}},
		{name: "azp alone", claims: map[string]any{"azp": client}},
		{name: "azp is us, aud is not", claims: map[string]any{"aud": "api", "azp": client}, code: federation.CodeIDTokenAudience},
		{name: "kind of Keycloak", claims: map[string]any{"typ": "ID"}},
		{name: "kind of Cognito", claims: map[string]any{"token_use": "id"}},
		{name: "tenant listed", claims: map[string]any{"tenant": "acme"}, entry: func(e *oidc.Entry) { e.Provider.Assertions.Tenants = []string{"acme"} }},
		{name: "tenant required", code: federation.CodeTenantMissing, entry: func(e *oidc.Entry) { e.Provider.Assertions.Tenants = []string{"acme"} }},
		{name: "at_hash absent where it is optional", claims: map[string]any{"at_hash": nil}},
		{name: "a century of nesting", claims: map[string]any{"deep": json.RawMessage(`[[[[[[[[[1]]]]]]]]]`)}, code: federation.CodeClaimMalformed},
	})
}

func TestHashesOfEveryAlgorithm(t *testing.T) {
	for _, algorithm := range []string{"ES256", "ES384", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			s := newSite(t, func(o *idptest.Options) { o.Algorithm = algorithm })
			s.entry.Algorithms, s.entry.Dialect.RequireAtHash = []string{algorithm}, true
			if got := s.mustSignIn(oidc.Ask{}); got.Algorithm() != algorithm || got.KeyID() != "key-1" {
				t.Errorf("%s %s", got.Algorithm(), got.KeyID())
			}
			s.entry.Algorithms, s.rp = []string{"ES512"}, s.relyingParty()
			asked := s.idp.Requests(idptest.PathKeys)
			_, err := s.signIn(oidc.Ask{})
			wantCode(t, err, federation.CodeAlgorithmNotAllowed)
			if s.idp.Requests(idptest.PathKeys) != asked {
				t.Error("keys were fetched for an algorithm that cannot pass")
			}
		})
	}
}

// A new key is found, and the old one is gone with the set that had it.
func TestKeysRotate(t *testing.T) {
	s := newSite(t)
	s.mustSignIn(oidc.Ask{})
	old := s.idp.SigningKey()
	if _, err := s.idp.Rotate(false); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Minute)
	s.mustSignIn(oidc.Ask{})
	s.breakWith(func(d *idptest.Draft) { d.Key, d.Header["kid"] = old, old.ID })
	_, err := s.signIn(oidc.Ask{})
	wantCode(t, err, federation.CodeKeyUnknown)
}

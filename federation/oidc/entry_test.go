package oidc_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// An entry in which a check would be empty is none.
func TestValidate(t *testing.T) {
	entry := func() *oidc.Entry { return entryFor("https://acme.okta.com", "okta") }
	if err := entry().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*oidc.Entry){
		"no provider":          func(e *oidc.Entry) { e.Provider = nil },
		"no uid":               func(e *oidc.Entry) { e.Provider.UID = "" },
		"no issuer":            func(e *oidc.Entry) { e.Provider.Issuer = "" },
		"SPIFFE":               func(e *oidc.Entry) { e.Provider.Dialect.SPIFFE = true },
		"no client":            func(e *oidc.Entry) { e.ClientID = "" },
		"client with newline":  func(e *oidc.Entry) { e.ClientID = "a\nb" },
		"no algorithms":        func(e *oidc.Entry) { e.Algorithms = nil },
		"none":                 func(e *oidc.Entry) { e.Algorithms = []string{"RS256", "none"} },
		"HMAC":                 func(e *oidc.Entry) { e.Algorithms = []string{"HS256"} },
		"no scopes":            func(e *oidc.Entry) { e.Scopes = nil },
		"no openid":            func(e *oidc.Entry) { e.Scopes = []string{"profile"} },
		"two scopes in one":    func(e *oidc.Entry) { e.Scopes = []string{"openid", "a b"} },
		"no callback":          func(e *oidc.Entry) { e.CallbackURL = "" },
		"callback without TLS": func(e *oidc.Entry) { e.CallbackURL = "http://auth.acme.com/cb" },
		"callback with query":  func(e *oidc.Entry) { e.CallbackURL = "https://auth.acme.com/cb?x=1" },
		"callback with hash":   func(e *oidc.Entry) { e.CallbackURL = "https://auth.acme.com/cb#" },
		"callback with user":   func(e *oidc.Entry) { e.CallbackURL = "https://a@auth.acme.com/cb" },
		"callback relative":    func(e *oidc.Entry) { e.CallbackURL = "/cb" },
		"logout as a script":   func(e *oidc.Entry) { e.PostLogoutURL = "javascript:x" },
		"skew":                 func(e *oidc.Entry) { e.ClockSkew = 61 * time.Second },
		"negative skew":        func(e *oidc.Entry) { e.ClockSkew = -1 },
		"no authentication":    func(e *oidc.Entry) { e.Authentication = "" },
		"public":               func(e *oidc.Entry) { e.Authentication = "none" },
		"no secret":            func(e *oidc.Entry) { e.Secret = oidc.Secret{} },
		"empty secret":         func(e *oidc.Entry) { e.Secret = oidc.NewSecret("") },
		"key and secret":       func(e *oidc.Entry) { e.Signer = failing{} },
		"no key":               func(e *oidc.Entry) { e.Authentication, e.Secret = oidc.AuthPrivateKey, oidc.Secret{} },
		"secret for a key":     func(e *oidc.Entry) { e.Authentication, e.Signer = oidc.AuthPrivateKey, failing{} },
		"domains no one shows": func(e *oidc.Entry) { e.HostedDomains = []string{"acme.com"} },
		"no domains":           func(e *oidc.Entry) { e.Dialect.HostedDomainClaim = "hd" },
		"domain in capitals":   func(e *oidc.Entry) { e.Dialect.HostedDomainClaim, e.HostedDomains = "hd", []string{"Acme.com"} },
		"no domain":            func(e *oidc.Entry) { e.Dialect.HostedDomainClaim, e.HostedDomains = "hd", []string{""} },
		"lookup nowhere":       func(e *oidc.Entry) { e.Provider.Claims.FetchOverage = true },
		"lookup of no claim": func(e *oidc.Entry) {
			e.Provider.Claims.FetchOverage, e.OverageEndpoint, e.Provider.Claims.GroupsFrom = true, "https://graph.example/x", nil
		},
		"step-up of nobody":     func(e *oidc.Entry) { e.Dialect.StepUp = "ask_nicely" },
		"acrs without claim":    func(e *oidc.Entry) { e.Dialect.StepUp = oidc.StepUpClaimsACRS },
		"acr as a list":         func(e *oidc.Entry) { e.Dialect.ACRListClaim = "acr" },
		"assertion for nobody":  func(e *oidc.Entry) { e.Dialect.AssertionAudience = "everybody" },
		"domain asked only":     func(e *oidc.Entry) { e.Dialect.HostedDomainParameter = "hd" },
		"own state":             func(e *oidc.Entry) { e.Dialect.Parameters = map[string]string{"state": "x"} },
		"own redirect":          func(e *oidc.Entry) { e.Dialect.Parameters = map[string]string{"redirect_uri": "x"} },
		"own challenge":         func(e *oidc.Entry) { e.Dialect.Parameters = map[string]string{"code_challenge_method": "plain"} },
		"parameter without one": func(e *oidc.Entry) { e.Dialect.Parameters = map[string]string{"": "x"} },
	} {
		e := entry()
		change(e)
		if err := e.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// RFC 9700 §4.4.2.2: a callback is one IdP's.
func TestCallbacksAreApart(t *testing.T) {
	first, second := *entryFor("https://acme.okta.com", "okta"), *entryFor("https://acme.example", "other")
	if err := oidc.ValidateAll([]oidc.Entry{first, second}); !errors.Is(err, oidc.ErrEntry) {
		t.Errorf("got %v", err)
	}
	second.CallbackURL = "http://127.0.0.1:8080/federation/oidc/other/callback"
	if err := oidc.ValidateAll([]oidc.Entry{first, second}); err != nil {
		t.Error(err)
	}
}

func TestPresets(t *testing.T) {
	for name, issuer := range map[string]string{
		"generic": "https://idp.example", "okta": "https://acme.okta.com", "entra": "https://login.microsoftonline.com/" + tenant + "/v2.0",
		"google": "https://accounts.google.com", "keycloak": "https://sso.acme.com/realms/acme", "ping": "https://auth.pingone.eu/x/as",
	} {
		preset, found := oidc.PresetNamed(name, issuer)
		if !found {
			t.Errorf("%s is not known", name)
			continue
		}
		e := entryFor(issuer, name)
		e.Dialect, e.Scopes = preset.Dialect, preset.Scopes
		if preset.Dialect.HostedDomainClaim != "" {
			e.HostedDomains = []string{"acme.com"}
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, found := oidc.PresetNamed("saml", ""); found {
		t.Error("what is no OIDC has a preset")
	}
	for issuer, groups := range map[string]bool{"https://acme.okta.com": true, "https://acme.okta.com/oauth2/default": false, "https://acme.okta.com/oauth2/aus1": false} {
		if preset, _ := oidc.PresetNamed("okta", issuer); slices.Contains(preset.Scopes, "groups") != groups {
			t.Errorf("%s asks for %v", issuer, preset.Scopes)
		}
	}
	for issuer, graph := range map[string]string{
		"https://login.microsoftonline.com/" + tenant + "/v2.0":        "https://graph.microsoft.com/v1.0/me/getMemberGroups",
		"https://sts.windows.net/" + tenant + "/":                      "https://graph.microsoft.com/v1.0/me/getMemberGroups",
		"https://login.microsoftonline.us/" + tenant + "/v2.0":         "https://graph.microsoft.us/v1.0/me/getMemberGroups",
		"https://login.partner.microsoftonline.cn/" + tenant + "/v2.0": "https://microsoftgraph.chinacloudapi.cn/v1.0/me/getMemberGroups",
	} {
		if preset, _ := oidc.PresetNamed("entra", issuer); preset.OverageEndpoint != graph {
			t.Errorf("%s looks at %s", issuer, preset.OverageEndpoint)
		}
	}
}

func TestParametersOfTheDialect(t *testing.T) {
	s := newSite(t)
	s.entry.Dialect.Parameters = map[string]string{"domain_hint": "acme.com"}
	target, _ := s.depart(oidc.Ask{})
	if hint := query(t, target).Get("domain_hint"); hint != "acme.com" {
		t.Errorf("domain_hint is %q", hint)
	}
}

// T13, T14: an address decides nothing by itself, in whatever letters.
func TestAddressIsNoKey(t *testing.T) {
	for _, address := range []string{
		"alice@acme.com", "ALICE@ACME.COM", "alice＠acme.com", "alice@acme.com@evil.example", "alice@acme.com.", "alice@ac\u212ae.com", "\"a b\"@acme.com", "alice@аcme.com",
	} {
		s := newSite(t)
		s.rename(address)
		ids := s.mustSignIn(oidc.Ask{}).Identifiers()
		if ids.Email != address || ids.Subject != "00u1alice" {
			t.Errorf("%q became %+v", address, ids)
		}
		s.entry.Provider.Subject = federation.SubjectRules{
			Match: []federation.MatchBy{federation.MatchSubject, federation.MatchEmail}, EmailDomains: []string{"acme.com"},
		}
		_, err := federation.Resolve(t.Context(), everybody{}, s.entry.Provider, ids)
		if err == nil {
			t.Errorf("%q found somebody", address)
		}
	}
}

// The identifiers are federation.Resolve's, as those of assertions are.
func TestResolve(t *testing.T) {
	s := newSite(t)
	entra(s.entry)
	as := func(tid, object string) federation.Identifiers {
		s.breakWith(func(d *idptest.Draft) { d.Claims["tid"], d.Claims["oid"] = tid, object })
		return s.mustSignIn(oidc.Ask{}).Identifiers()
	}
	resolution, err := federation.Resolve(t.Context(), everybody{}, s.entry.Provider, as(tenant, oid))
	if err != nil || resolution.Account.UID != "usr_alice" {
		t.Errorf("%+v, %v", resolution, err)
	}
	_, err = federation.Resolve(t.Context(), everybody{}, s.entry.Provider, as(tenant, "another"))
	wantCode(t, err, federation.CodeSubjectUnmatched)
}

package assertion_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func TestClaimByPath(t *testing.T) {
	s := sceneOf(t, federation.ProfileWorkload)
	v := s.mustVerify(s.idp.Workload(idptest.WithClaim("kubernetes.io", map[string]any{"namespace": "agents", "pod": map[string]any{"name": "p"}, "null": nil}),
		idptest.WithClaim("n", json.RawMessage("-12")), idptest.WithClaim("f", json.RawMessage("1.50")), idptest.WithClaim("yes", true), idptest.WithClaim("no", false),
		idptest.WithClaim("nothing", nil), idptest.WithClaim("list", []string{"x"}), idptest.WithClaim("empty", "")))
	for _, test := range []struct {
		path  []string
		value string
		found bool
	}{
		{[]string{"sub"}, "repo:acme/app:ref:refs/heads/main", true},
		{[]string{"iss"}, s.idp.Issuer(), true},
		{[]string{"kubernetes.io", "namespace"}, "agents", true},
		{[]string{"kubernetes.io", "pod", "name"}, "p", true},
		{[]string{"n"}, "-12", true},
		{[]string{"f"}, "1.50", true},
		{[]string{"yes"}, "true", true},
		{[]string{"no"}, "false", true},
		{[]string{"empty"}, "", true},
		{nil, "", false},
		{[]string{""}, "", false},
		{[]string{"absent"}, "", false},
		{[]string{"nothing"}, "", false},
		{[]string{"list"}, "", false},
		{[]string{"list", "0"}, "", false},
		{[]string{"kubernetes.io"}, "", false},
		{[]string{"kubernetes.io", "absent"}, "", false},
		{[]string{"kubernetes.io", "null"}, "", false},
		{[]string{"kubernetes.io", "null", "x"}, "", false},
		{[]string{"kubernetes.io", "namespace", "x"}, "", false},
		{[]string{"kubernetes", "io"}, "", false},
		{[]string{"Sub"}, "", false},
	} {
		if value, found := v.Claim(test.path); value != test.value || found != test.found {
			t.Errorf("%q: %q, %v", test.path, value, found)
		}
	}
	rules := []federation.Workload{
		{Name: "build", IdPUID: "idp_okta", Match: []federation.ClaimEquals{{Path: []string{"repository"}, Value: "acme/app"}, {Path: []string{"ref"}, Value: "refs/heads/main"}}},
		{Name: "other", IdPUID: "idp_okta", Match: []federation.ClaimEquals{{Path: []string{"repository"}, Value: "acme/other"}}},
	}
	if found := federation.MatchWorkloads(rules, v.Provider().UID, v.Claim); len(found) != 1 || found[0].Name != "build" {
		t.Errorf("matched %v", found)
	}
}

func TestRedemptionKey(t *testing.T) {
	s := sceneOf(t, federation.ProfileWorkload)
	named := s.mustVerify(s.idp.Workload(idptest.WithClaim("jti", "j-1")))
	if named.RedemptionKey() != "jti:j-1" || named.ID() != "j-1" {
		t.Errorf("key %s", named.RedemptionKey())
	}
	compact := s.idp.Workload(idptest.WithoutClaim("jti"))
	first := s.mustVerify(compact).RedemptionKey()
	if s.mustVerify(compact).RedemptionKey() != first || !strings.HasPrefix(first, "sha256:") || len(first) != 7+64 {
		t.Errorf("key %s", first)
	}
	if other := s.mustVerify(s.idp.Workload(idptest.WithoutClaim("jti"), idptest.WithClaim("run_id", "2"))).RedemptionKey(); other == first {
		t.Error("two tokens share a key")
	}
	// A jti that looks like a digest is not one.
	if forged := s.mustVerify(s.idp.Workload(idptest.WithClaim("jti", first))).RedemptionKey(); forged == first {
		t.Error("a jti stands for another token")
	}
	// ECDSA: (r, n - s) verifies too. It is the same token, and must not be redeemable again.
	twin := malleated(t, compact)
	if twin == compact {
		t.Fatal("the signature was not changed")
	}
	if key := s.mustVerify(twin).RedemptionKey(); key != first {
		t.Error("another signature makes another key")
	}
}

// What a platform says of itself has no meaning here.
func TestWorkloadsOwnWords(t *testing.T) {
	s := sceneOf(t, federation.ProfileWorkload)
	v := s.mustVerify(s.idp.Workload(idptest.WithClaim("email", "alice@acme.com"), idptest.WithClaim("email_verified", true), idptest.WithScope("admin"),
		idptest.WithResource(notes), idptest.WithClaim("acr", "phr"), idptest.WithClaim("auth_time", noon.Unix()), idptest.WithClaim("amr", []string{"hwk"}),
		idptest.WithClaim("groups", []string{"notes-editors"}), idptest.WithClaim("client_id", "claude"), idptest.WithClaim("aud_sub", "usr_1"),
		idptest.WithClaim("authorization_details", []any{map[string]any{"type": "x"}}), idptest.WithClaim("sub_id", map[string]any{"format": "opaque", "id": "alice"})))
	scopes, asserted := v.Scopes()
	_, known := v.AuthTime()
	ids := v.Identifiers()
	if scopes != nil || asserted || known || v.Resources() != nil || v.ACR() != "" || v.AMR() != nil || v.ClientID() != "" || len(v.Groups().Values) != 0 ||
		v.AuthorizationDetails() != nil || ids.Email != "" || ids.AudSub != "" || !ids.SubID.IsZero() || ids.EmailVerified != nil {
		t.Errorf("a platform's word was taken for more: %+v", ids)
	}
	for _, name := range []string{"email", "scope", "resource", "acr", "auth_time", "amr", "groups", "client_id", "aud_sub", "sub_id", "repository"} {
		if _, kept := v.Private()[name]; !kept {
			t.Errorf("%s is not kept for policies", name)
		}
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti"} {
		if _, kept := v.Private()[name]; kept {
			t.Errorf("%s is private", name)
		}
	}
	at := v.IssuedAt()
	if v := s.mustVerify(s.idp.Workload(idptest.WithoutClaim("iat"))); !v.IssuedAt().IsZero() || at.IsZero() {
		t.Errorf("issued at %s", v.IssuedAt())
	}
	within := idptest.WithClaim("exp", noon.Add(5*time.Minute+30*time.Second).Unix())
	s.mustVerify(s.idp.Workload(idptest.WithoutClaim("iat"), within))
	s.refused(s.idp.Workload(idptest.WithoutClaim("iat"), idptest.WithClaim("exp", noon.Add(5*time.Minute+31*time.Second).Unix())), federation.CodeAssertionTooLongLived)
	s.refused(s.idp.Workload(within), federation.CodeAssertionTooLongLived)
}

func TestSPIFFE(t *testing.T) {
	byTrustDomain := func(t *testing.T) *scene {
		shape, _ := idptest.ShapeNamed("spiffe")
		return sceneOfShape(t, shape)
	}
	sub := func(id string) idptest.Option { return idptest.WithClaim("sub", id) }
	for _, test := range []struct {
		name   string
		change func(*scene)
		option idptest.Option
		want   federation.Code
	}{
		{"typ JOSE", nil, idptest.WithHeader("typ", "JOSE"), ""},
		{"iss is the trust domain", nil, idptest.WithClaim("iss", "spiffe://acme.example"), ""},
		{"the trust domain is listed", func(s *scene) { s.entry.Assertions.Tenants = []string{trustDomain} }, sub("spiffe://acme.example/a"), ""},
		{"another is listed", func(s *scene) { s.entry.Assertions.Tenants = []string{"other.example"} }, sub("spiffe://acme.example/a"), federation.CodeTenantUnlisted},
		{"iss is empty", nil, idptest.WithClaim("iss", ""), federation.CodeClaimMalformed},
		{"iss is null", nil, idptest.WithClaim("iss", nil), federation.CodeClaimMalformed},
		{"iss is another trust domain", nil, idptest.WithClaim("iss", "spiffe://other.example"), federation.CodeIssUnknown},
		{"sub of another trust domain", nil, sub("spiffe://other.example/agents/builder"), federation.CodeIssUnknown},
		{"sub in upper case", nil, sub("spiffe://ACME.example/agents/builder"), federation.CodeClaimMissing},
		{"sub is no SPIFFE ID", nil, sub("builder"), federation.CodeClaimMissing},
		{"sub is the trust domain", nil, sub("spiffe://acme.example"), federation.CodeClaimMalformed},
		{"sub with a dot segment", nil, sub("spiffe://acme.example/a/../b"), federation.CodeClaimMissing},
		{"sub with a port", nil, sub("spiffe://acme.example:443/a"), federation.CodeClaimMissing},
		{"sub of another with iss", nil, func(d *idptest.Draft) {
			d.Claims["iss"], d.Claims["sub"] = "spiffe://acme.example", "spiffe://other.example/a"
		}, federation.CodeTenantUnlisted},
		{"sub malformed with iss", nil, func(d *idptest.Draft) {
			d.Claims["iss"], d.Claims["sub"] = "spiffe://acme.example", "spiffe://acme.example/a/"
		}, federation.CodeClaimMalformed},
		{"an ID-JAG without iss", func(s *scene) { s.request.ClientID = clientID }, idptest.WithHeader("typ", "oauth-id-jag+jwt"), federation.CodeClaimMissing},
		{"not listed", func(s *scene) { s.entry.Assertions.Profiles = nil }, sub("spiffe://acme.example/a"), federation.CodeTypMissing},
		{"two audiences", nil, idptest.WithClaim("aud", []string{ours, "spiffe://acme.example/other"}), federation.CodeAudMulti},
		{"no exp", nil, idptest.WithoutClaim("exp"), federation.CodeClaimMissing},
		// SPIFFE knows no discovery: without an explicit key set there are no keys, and nothing is asked.
		{"no keys", func(s *scene) { s.entry.Keys = jwks.Source{} }, sub("spiffe://acme.example/a"), federation.CodeKeysUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := byTrustDomain(t)
			if test.change != nil {
				test.change(s)
			}
			compact := s.idp.Shaped("spiffe", test.option)
			if test.want != "" {
				s.refused(compact, test.want)
			} else if v := s.mustVerify(compact); v.Issuer() != "spiffe://acme.example" || v.Tenant() != trustDomain {
				t.Errorf("issuer %s, tenant %s", v.Issuer(), v.Tenant())
			}
			if n := s.dials.count(); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// An https issuer speaks for the trust domains that the entry lists, and for no others.
func TestSPIFFEByDiscovery(t *testing.T) {
	shape, _ := idptest.ShapeNamed("spiffe-oidc")
	s := sceneOfShape(t, shape)
	if v := s.mustVerify(s.idp.Shaped(shape.Name)); v.Issuer() != s.idp.Issuer() || v.Tenant() != trustDomain {
		t.Errorf("issuer %s, tenant %s", v.Issuer(), v.Tenant())
	}
	s.refused(s.idp.Shaped(shape.Name, idptest.WithClaim("sub", "spiffe://other.example/a")), federation.CodeTenantUnlisted)
	s.refused(s.idp.Shaped(shape.Name, idptest.WithClaim("sub", "builder")), federation.CodeClaimMalformed)
	s.refused(s.idp.Shaped(shape.Name, idptest.WithoutClaim("iss")), federation.CodeIssUnknown)
	s.entry.Assertions.Tenants = nil
	s.refused(s.idp.Shaped(shape.Name), federation.CodeTenantUnlisted)
	s.entry.Dialect.SPIFFE = false // JOSE is theirs alone
	s.refused(s.idp.Shaped(shape.Name), federation.CodeTypWrong)
}

// Keys of a SPIFFE bundle verify for SPIFFE entries, and for no others; those for X.509 verify nothing.
func TestSPIFFEBundle(t *testing.T) {
	shape, _ := idptest.ShapeNamed("spiffe")
	s := sceneOfShape(t, shape)
	bundle := func(use string) []byte {
		key := s.idp.SigningKey().JWK()
		key["use"] = use
		delete(key, "alg")
		encoded, err := json.Marshal(map[string]any{"keys": []any{key}, "spiffe_sequence": 12, "spiffe_refresh_hint": 300})
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	s.entry.Keys = jwks.Source{Inline: bundle("jwt-svid")}
	s.mustVerify(s.idp.Shaped(shape.Name))
	s.entry.Keys = jwks.Source{Inline: bundle("x509-svid")}
	s.refused(s.idp.Shaped(shape.Name), federation.CodeKeysUnavailable)

	other := sceneOf(t, federation.ProfileWorkload)
	other.idp = s.idp
	other.entry.Issuer, other.entry.Keys = s.idp.Issuer(), jwks.Source{Inline: bundle("jwt-svid")}
	other.refused(other.idp.Workload(), federation.CodeKeysUnavailable)
	if !slices.Contains(other.entry.Assertions.Profiles, federation.ProfileWorkload) {
		t.Error("the entry is another than was meant")
	}
}

// Names of checks are the program's: they are counted, and what an issuer chooses would make a series of metrics each.
func TestChecksAreNamedHere(t *testing.T) {
	deep := map[string]any{}
	for range 10 {
		deep = map[string]any{"x": deep}
	}
	for _, profile := range profiles() {
		s := sceneOf(t, profile)
		s.entry.Claims = federation.ClaimRules{Groups: "https://acme.com/teams", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}}
		for _, options := range [][]idptest.Option{
			{idptest.WithClaim("https://acme.com/chosen", deep)},
			{idptest.WithClaim("https://acme.com/teams", []string{"a"})},
			{idptest.WithClaim("https://acme.com/teams", true)},
			{idptest.WithClaim("https://acme.com/teams:src1", true)},
		} {
			var checks []federation.Check
			v, err := s.verify(s.idp.Assertion(profile, "alice", options...))
			if refusal, ok := errors.AsType[*federation.Refusal](err); ok {
				checks = refusal.Checks
			} else if err != nil {
				t.Fatal(err)
			} else {
				checks = v.Checks()
			}
			for _, c := range checks {
				if strings.Contains(c.Name, "acme.com") {
					t.Errorf("%s: a check is named %q", profile, c.Name)
				}
			}
		}
	}
}

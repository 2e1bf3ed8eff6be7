package assertion_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

const (
	entraTenant = "323626f5-1bfe-48cd-8902-ddfdfd44e1ce"
	trustDomain = "acme.example"
)

func entra() federation.Dialect {
	return federation.Dialect{
		TenantClaim: "tid", Tenant: entraTenant, SubjectClaim: "oid", IDClaim: "uti", NamesApplication: true, AgentClaims: true, GuestClaim: "acct", MemberValue: "0",
	}
}

// sceneOfShape is a scene whose entry trusts tokens of a product's form.
func sceneOfShape(t *testing.T, shape idptest.Shape) *scene {
	t.Helper()
	s := sceneOf(t, shape.Profile)
	s.entry.Assertions.MaxLifetime = 2 * time.Hour
	switch {
	case strings.HasPrefix(shape.Name, "entra-"):
		s.entry.Dialect = entra()
	case shape.Name == "spiffe":
		s.entry.Dialect.SPIFFE = true
		s.entry.Issuer = "spiffe://" + trustDomain
		s.entry.Keys = jwks.Source{Inline: s.idp.Keys()}
	case shape.Name == "spiffe-oidc":
		s.entry.Dialect.SPIFFE = true
		s.entry.Assertions.Tenants = []string{trustDomain}
	}
	return s
}

// Tokens as products really send them pass, and say what Workload rules ask for.
func TestShapes(t *testing.T) {
	want := map[string]struct{ subject, path, value string }{
		"github-actions":           {"repo:acme/app:ref:refs/heads/main", "claims.repository_id", "718263540"},
		"gitlab":                   {"project_path:acme/app:ref_type:branch:ref:main", "claims.runner_id", "1"},
		"kubernetes":               {"system:serviceaccount:agents:builder", `claims["kubernetes.io"].serviceaccount.name`, "builder"},
		"kubernetes-1.28":          {"system:serviceaccount:agents:builder", `claims["kubernetes.io"].namespace`, "agents"},
		"spiffe":                   {"spiffe://acme.example/agents/builder", "sub", "spiffe://acme.example/agents/builder"},
		"spiffe-oidc":              {"spiffe://acme.example/agents/builder", "sub", "spiffe://acme.example/agents/builder"},
		"google-service-account":   {"107517467455664443765", "claims.email_verified", "true"},
		"google-compute":           {"107517467455664443765", "claims.google.compute_engine.project_number", "739419398126"},
		"entra-v1-app":             {"12d1b58c-d6e1-4b90-a8de-e8a8cecfb46d", "claims.appid", "8a22dfd8-f315-4ee1-be84-c5f46a5b0b3c"},
		"entra-v2-app":             {"12d1b58c-d6e1-4b90-a8de-e8a8cecfb46d", "claims.azp", "8a22dfd8-f315-4ee1-be84-c5f46a5b0b3c"},
		"entra-agent":              {"12d1b58c-d6e1-4b90-a8de-e8a8cecfb46d", "claims.tid", entraTenant},
		"entra-user":               {"7d3f6b1a-50a0-4e9a-9a2d-1f4f3f1b2c3d", "claims.scp", "access_as_user"},
		"keycloak-user":            {"5c1d3c9e-2b3b-4e5a-8b1f-3a9f2f7f0c11", "claims.azp", "desktop"},
		"keycloak-service-account": {"0a7f6e5d-4c3b-2a19-8877-665544332211", "claims.client_id", "builder"},
		"okta-user":                {"alice@acme.com", "claims.uid", "00u1alice"},
		"okta-service":             {"0oa1builder", "claims.cid", "0oa1builder"},
		"pingone-user":             {"3c1d9f10-7a6b-4c5d-8e9f-0a1b2c3d4e5f", "claims.env", "b8c2d1e0-1111-4222-8333-444455556666"},
		"pingfederate":             {"alice", "claims.OrgName", "Acme"},
	}
	shapes := idptest.Shapes()
	if len(shapes) != len(want) {
		t.Errorf("%d shapes, %d expectations", len(shapes), len(want))
	}
	for _, shape := range shapes {
		t.Run(shape.Name, func(t *testing.T) {
			if !strings.HasPrefix(shape.Source, "https://") {
				t.Error("no source")
			}
			s := sceneOfShape(t, shape)
			v := s.mustVerify(s.idp.Shaped(shape.Name))
			path, err := federation.ParseClaimPath(want[shape.Name].path)
			if err != nil {
				t.Fatal(err)
			}
			value, found := v.Claim(path)
			if v.Profile() != shape.Profile || v.Subject() != want[shape.Name].subject || !found || value != want[shape.Name].value {
				t.Errorf("profile %s, subject %s, claim %q %v", v.Profile(), v.Subject(), value, found)
			}
			if _, asserted := v.Scopes(); asserted {
				t.Error("a product's scopes were taken for ours")
			}
			s.refused(s.idp.Shaped(shape.Name, idptest.WithAudience("https://other.example")), federation.CodeAudNotUs)
			s.refused(s.idp.Shaped(shape.Name, idptest.WithClaim("exp", 1)), federation.CodeAssertionExpired)
		})
	}
}

func TestAgent(t *testing.T) {
	s := sceneOf(t, federation.ProfileWorkload)
	s.entry.Dialect, s.entry.Assertions.MaxLifetime = entra(), 2*time.Hour
	got := s.mustVerify(s.idp.Shaped("entra-agent"))
	a := got.Agent()
	if a == nil || a.Kind != assertion.KindAgent || a.SubjectKind != assertion.KindAgent || strings.Join(a.Facets, " ") != "3 9 agent_identity" ||
		strings.Join(a.SubjectFacets, " ") != "9 3 agent_identity" || a.ParentApp != "30cf4c22-9985-4ef7-8756-91cc888176bd" || strings.Join(a.Relations, " ") != "7 10" {
		t.Errorf("agent %+v", a)
	}
	if got.Private()["xms_act_fct"] != "3 9 11" || got.Private()["idtyp"] != "app" {
		t.Errorf("the claims themselves are not kept: %v", got.Private())
	}
	a.Facets[0] = "changed"
	if got.Agent().Facets[0] != "3" {
		t.Error("a copy was not a copy")
	}
	claim := idptest.WithClaim
	for _, test := range []struct {
		name           string
		options        []idptest.Option
		kind, subjects string
	}{
		{"an agent for a person", []idptest.Option{claim("xms_sub_fct", "3"), claim("idtyp", "user")}, assertion.KindAgent, assertion.KindPerson},
		{"an agent's user", []idptest.Option{claim("xms_act_fct", "13"), claim("xms_sub_fct", "13 3")}, assertion.KindAgentUser, assertion.KindAgentUser},
		{"a blueprint alone tells an agent", []idptest.Option{idptest.WithoutClaim("xms_act_fct"), idptest.WithoutClaim("xms_sub_fct")}, assertion.KindAgent, assertion.KindApplication},
		{"an application", []idptest.Option{idptest.WithoutClaim("xms_par_app_azp"), claim("xms_act_fct", "9 3"), claim("xms_sub_fct", "9 3")}, assertion.KindApplication, assertion.KindApplication},
		{"nobody says of whom", []idptest.Option{idptest.WithoutClaim("idtyp"), claim("xms_sub_fct", "3")}, assertion.KindAgent, ""},
		{"111 is not 11", []idptest.Option{idptest.WithoutClaim("xms_par_app_azp"), claim("xms_act_fct", "111 1 1"), claim("xms_sub_fct", "3")}, assertion.KindApplication, assertion.KindApplication},
	} {
		a := s.mustVerify(s.idp.Shaped("entra-agent", test.options...)).Agent()
		if a == nil || a.Kind != test.kind || a.SubjectKind != test.subjects {
			t.Errorf("%s: %+v", test.name, a)
		}
	}
	for _, option := range []idptest.Option{
		claim("xms_act_fct", []string{"11"}), claim("xms_act_fct", 11), claim("xms_par_app_azp", true), claim("idtyp", 1), claim("xms_sub_fct", strings.Repeat("1 ", 65)),
		claim("xms_act_fct", "9,11"), claim("xms_act_fct", "011"), claim("xms_act_fct", "+11"), claim("xms_sub_fct", "１１"), claim("xms_idrel", "x"), claim("xms_act_fct", " "),
	} {
		s.refused(s.idp.Shaped("entra-agent", option), federation.CodeClaimMalformed)
	}
	if a := s.mustVerify(s.idp.Shaped("entra-v2-app")).Agent(); a != nil {
		t.Errorf("made up: %+v", a)
	}
	s.entry.Dialect.AgentClaims = false // other IdPs' claims of these names mean nothing
	if a := s.mustVerify(s.idp.Shaped("entra-agent")).Agent(); a != nil {
		t.Errorf("made up: %+v", a)
	}
}

// T12: the tenant that the issuer names, and one that is listed; never everybody's.
func TestDialectTenant(t *testing.T) {
	const foreign = "11111111-2222-3333-4444-555555555555"
	for _, test := range []struct {
		name   string
		tenant string
		listed []string
		option idptest.Option
		want   federation.Code
	}{
		{"absent", entraTenant, nil, idptest.WithoutClaim("tid"), federation.CodeClaimMissing},
		{"empty", entraTenant, nil, idptest.WithClaim("tid", ""), federation.CodeClaimMalformed},
		{"number", entraTenant, nil, idptest.WithClaim("tid", 1), federation.CodeClaimMalformed},
		{"foreign", entraTenant, nil, idptest.WithClaim("tid", foreign), federation.CodeTenantUnlisted},
		{"in other case", entraTenant, nil, idptest.WithClaim("tid", strings.ToUpper(entraTenant)), federation.CodeTenantUnlisted},
		{"common", "common", []string{"common"}, idptest.WithClaim("tid", "common"), federation.CodeTenantUnlisted},
		{"organizations", "", []string{"organizations"}, idptest.WithClaim("tid", "organizations"), federation.CodeTenantUnlisted},
		{"consumers", "", []string{"consumers"}, idptest.WithClaim("tid", "consumers"), federation.CodeTenantUnlisted},
		{"personal accounts", "", []string{"9188040d-6c67-4c5b-b112-36a304b66dad"}, idptest.WithClaim("tid", "9188040d-6c67-4c5b-b112-36a304b66dad"), federation.CodeTenantUnlisted},
		{"neither named nor listed", "", nil, idptest.WithClaim("tid", entraTenant), federation.CodeTenantUnlisted},
		{"named, not listed", entraTenant, []string{foreign}, idptest.WithClaim("tid", entraTenant), federation.CodeTenantUnlisted},
		{"listed, another named", entraTenant, []string{foreign}, idptest.WithClaim("tid", foreign), federation.CodeTenantUnlisted},
		{"named", entraTenant, nil, idptest.WithClaim("tid", entraTenant), ""},
		{"named and listed", entraTenant, []string{foreign, entraTenant}, idptest.WithClaim("tid", entraTenant), ""},
		{"listed", "", []string{entraTenant}, idptest.WithClaim("tid", entraTenant), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, shape := range []string{"entra-user", "entra-v2-app"} {
				form, _ := idptest.ShapeNamed(shape)
				s := sceneOfShape(t, form)
				s.entry.Dialect.Tenant, s.entry.Assertions.Tenants = test.tenant, test.listed
				compact := s.idp.Shaped(shape, test.option)
				if test.want != "" {
					s.refused(compact, test.want)
					continue
				}
				if v := s.mustVerify(compact); v.Tenant() != entraTenant || v.Identifiers().Tenant != entraTenant {
					t.Errorf("tenant %q, of the subject %q", v.Tenant(), v.Identifiers().Tenant)
				}
			}
		})
	}
}

// Without a dialect the tenant claim counts in every profile: listed where there is a list, absent where there is none.
func TestPlainTenants(t *testing.T) {
	for _, profile := range profiles() {
		s := sceneOf(t, profile)
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithClaim("tenant", "acme-eu")), federation.CodeTenantUnlisted)
		s.entry.Assertions.Tenants = []string{"acme-eu"}
		s.refused(s.idp.Assertion(profile, "alice"), federation.CodeTenantMissing)
		if v := s.mustVerify(s.idp.Assertion(profile, "alice", idptest.WithClaim("tenant", "acme-eu"))); v.Tenant() != "acme-eu" {
			t.Errorf("%s: tenant %q", profile, v.Tenant())
		}
	}
}

// An ID token of this dialect has no mark but one: it names no application.
func TestIDTokenWithoutMarks(t *testing.T) {
	shape, _ := idptest.ShapeNamed("entra-user")
	s := sceneOfShape(t, shape)
	s.refused(s.idp.Shaped(shape.Name, idptest.WithoutClaim("azp")), federation.CodeIDTokenPresented)
	for _, nobody := range []any{nil, "", []string{"8a22dfd8-f315-4ee1-be84-c5f46a5b0b3c"}, true} {
		_, err := s.verify(s.idp.Shaped(shape.Name, idptest.WithClaim("azp", nobody)))
		if err == nil {
			t.Errorf("azp %v names an application", nobody)
		}
	}
	s.entry.Dialect.NamesApplication = false
	s.mustVerify(s.idp.Shaped(shape.Name, idptest.WithoutClaim("azp")))
}

func TestGuest(t *testing.T) {
	shape, _ := idptest.ShapeNamed("entra-user")
	s := sceneOfShape(t, shape)
	for value, guest := range map[any]bool{0: false, "0": false, 1: true, "1": true, 2: true, true: true, "": true, json.Number("0.0"): true} {
		v := s.mustVerify(s.idp.Shaped(shape.Name, idptest.WithClaim("acct", value)))
		if v.Guest() != guest || v.Identifiers().Guest != guest {
			t.Errorf("acct %v: guest %v", value, v.Guest())
		}
	}
	if s.mustVerify(s.idp.Shaped(shape.Name, idptest.WithoutClaim("acct"))).Guest() {
		t.Error("who is said to be nothing is said to be a guest")
	}
	for _, value := range []any{nil, []any{1}, map[string]any{"value": 1}} {
		s.refused(s.idp.Shaped(shape.Name, idptest.WithClaim("acct", value)), federation.CodeClaimMalformed)
	}
}

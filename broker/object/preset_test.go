package object_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
)

const directory = "72f988bf-86f1-41af-91ab-2d7cd011db47"

func presetDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "presets", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each preset as people write it applies without a word of warning, and its second
// apply changes nothing.
func TestPresetsApply(t *testing.T) {
	files, err := filepath.Glob("testdata/presets/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var seen []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			doc := presetDoc(t, name)
			plan := h.apply(t, doc, by("ci"))
			if len(plan.Warnings) > 0 {
				t.Errorf("warnings: %v", plan.Warnings)
			}
			if again := h.apply(t, doc, by("ci")); again.Differs() {
				t.Errorf("the second apply: %s", actionsOf(again))
			}
			exported, err := h.path.Export(t.Context(), "default")
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := object.Encode(&text, exported, false); err != nil {
				t.Fatal(err)
			}
			if again := h.apply(t, text.String(), by("ci")); again.Differs() {
				t.Errorf("what is exported does not apply unchanged: %s\n%s", actionsOf(again), &text)
			}
			for _, o := range exported {
				if spec, ok := o.Spec.(*object.IdentityProviderSpec); ok {
					seen = append(seen, spec.WithDefaults().Preset)
				}
			}
		})
	}
	for _, name := range object.Presets() {
		if !slices.Contains(seen, name) {
			t.Errorf("preset %s has no file in testdata/presets", name)
		}
	}
}

func TestPresetDefaults(t *testing.T) {
	for name, want := range map[string]struct {
		lifetime   time.Duration
		reuse      string
		algorithms string
		dialect    federation.Dialect
	}{
		"generic":        {5 * time.Minute, "single_use", "RS256 ES256", federation.Dialect{}},
		"okta":           {5 * time.Minute, "single_use", "RS256", federation.Dialect{}},
		"pingfederate":   {5 * time.Minute, "single_use", "RS256 ES256", federation.Dialect{}},
		"github-actions": {15 * time.Minute, "single_use", "RS256", federation.Dialect{}},
		"gitlab":         {time.Hour, "single_use", "RS256", federation.Dialect{}},
		"kubernetes":     {time.Hour, "client_bound", "RS256 ES256", federation.Dialect{}},
		"google":         {time.Hour, "client_bound", "RS256", federation.Dialect{}},
		"spiffe":         {time.Hour, "client_bound", "ES256 RS256 ES384", federation.Dialect{SPIFFE: true}},
		"spiffe-https":   {time.Hour, "client_bound", "ES256 RS256 ES384", federation.Dialect{SPIFFE: true}},
		"entra": {95 * time.Minute, "client_bound", "RS256", federation.Dialect{
			TenantClaim: "tid", Tenant: directory, SubjectClaim: "oid", IDClaim: "uti", NamesApplication: true, AgentClaims: true, GuestClaim: "acct", MemberValue: "0",
		}},
		"entra-v1": {95 * time.Minute, "client_bound", "RS256", federation.Dialect{
			TenantClaim: "tid", Tenant: directory, SubjectClaim: "oid", IDClaim: "uti", NamesApplication: true, AgentClaims: true, GuestClaim: "acct", MemberValue: "0",
		}},
		"entra-china": {95 * time.Minute, "single_use", "RS256", federation.Dialect{
			TenantClaim: "tid", Tenant: directory, SubjectClaim: "oid", IDClaim: "uti", NamesApplication: true, AgentClaims: true, GuestClaim: "acct", MemberValue: "0",
		}},
	} {
		spec := idpOf(t, presetDoc(t, name))
		a := spec.WithDefaults().Assertions
		if time.Duration(a.MaxLifetime) != want.lifetime || a.Reuse != want.reuse || strings.Join(a.Algorithms, " ") != want.algorithms {
			t.Errorf("%s: %s %s %v", name, a.MaxLifetime, a.Reuse, a.Algorithms)
		}
		if spec.Dialect() != want.dialect {
			t.Errorf("%s: %+v", name, spec.Dialect())
		}
	}
	// An ID-JAG keeps its few minutes, and is used once, whoever else's tokens the entry takes.
	both := idpOf(t, strings.Replace(presetDoc(t, "entra-gov"), "[jwt-bearer]", "[id-jag, jwt-bearer]", 1))
	if a := both.WithDefaults().Assertions; time.Duration(a.MaxLifetime) != 5*time.Minute {
		t.Errorf("with id-jag: %s", a.MaxLifetime)
	}
}

func idpOf(t *testing.T, doc string) *object.IdentityProviderSpec {
	t.Helper()
	for _, o := range decode(t, doc) {
		if spec, ok := o.Spec.(*object.IdentityProviderSpec); ok {
			return spec
		}
	}
	t.Fatal("no IdentityProvider")
	return nil
}

func problemsOf(t *testing.T, err error) []object.Problem {
	t.Helper()
	invalid, ok := errors.AsType[*object.Invalid](err)
	if !ok {
		t.Fatalf("%v is no *Invalid", err)
	}
	return invalid.Problems
}

// One thing is wrong, and the text says what to write instead.
func TestPresetsRefuse(t *testing.T) {
	const v2 = "https://login.microsoftonline.com/" + directory + "/v2.0"
	const v1 = "https://sts.windows.net/" + directory + "/"
	for name, test := range map[string]struct{ file, from, to, code, text string }{
		"entra: common":                {"entra", v2, "https://login.microsoftonline.com/common/v2.0", "issuer_of_many", "https://login.microsoftonline.com/TENANT/"},
		"entra: organizations":         {"entra", v2, "https://login.microsoftonline.com/organizations/v2.0", "issuer_of_many", "every tenant"},
		"entra: consumers":             {"entra", v2, "https://login.microsoftonline.com/consumers/v2.0", "issuer_of_many", "every tenant"},
		"entra: personal accounts":     {"entra", v2, "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "issuer_of_many", "every tenant"},
		"entra: personal accounts, v1": {"entra-v1", v1, "https://sts.windows.net/9188040d-6c67-4c5b-b112-36a304b66dad/", "issuer_of_many", "every tenant"},
		"entra: common, US":            {"entra-gov", "us/" + directory, "us/common", "issuer_of_many", "login.microsoftonline.us/TENANT"},
		"entra: common, China":         {"entra-china", "cn/" + directory, "cn/common", "issuer_of_many", "sts.chinacloudapi.cn/TENANT"},
		"entra: COMMON":                {"entra", v2, "https://login.microsoftonline.com/Common/v2.0", "issuer_of_many", "every tenant"},
		"entra: placeholder":           {"entra", v2, "https://login.microsoftonline.com/{tenantid}/v2.0", "issuer_of_many", "every tenant"},
		"common as generic":            {"entra", "preset: entra\n  issuer: " + v2, "preset: generic\n  issuer: https://login.microsoftonline.com/common/v2.0", "issuer_of_many", "every tenant"},
		"entra: domain for the id":     {"entra", v2, "https://login.microsoftonline.com/acme.onmicrosoft.com/v2.0", "entra_tenant", `"acme.onmicrosoft.com" is no directory's id`},
		"entra: id in upper case":      {"entra", directory + "/v2.0", strings.ToUpper(directory) + "/v2.0", "entra_tenant", "in lower case"},
		"entra: no version":            {"entra", v2, "https://login.microsoftonline.com/" + directory, "entra_issuer", v2 + "; tokens of version 1 have the issuer " + v1},
		"entra: slash behind v2":       {"entra", v2, v2 + "/", "entra_issuer", v2 + ", without a slash"},
		"entra: v1 without slash":      {"entra-v1", v1, strings.TrimSuffix(v1, "/"), "entra_issuer", v1 + ", with the slash"},
		"entra: v1 with version":       {"entra-v1", v1, v1 + "v2.0", "entra_issuer", v1 + ", with the slash"},
		"entra: another host":          {"entra", "login.microsoftonline.com", "login.example.com", "entra_issuer", "is on no host of Entra"},
		"entra: a host that ends so":   {"entra", "login.microsoftonline.com", "login.microsoftonline.com.evil.example", "entra_issuer", "is on no host of Entra"},
		"google: another":              {"google", "issuer: https://accounts.google.com", "issuer: https://accounts.google.com/acme", "google_issuer", "Google's issuer is https://accounts.google.com"},
		"spiffe: no keys":              {"spiffe", "    inline: {keys", "    inline: {keys: []} #", "spiffe_keys", "expected uri (the bundle endpoint) or inline"},
		"spiffe: a workload":           {"spiffe", "issuer: spiffe://acme.example", "issuer: spiffe://acme.example/ns/ci", "spiffe_issuer", "the issuer is its trust domain, spiffe://acme.example"},
		"spiffe: in upper case":        {"spiffe", "issuer: spiffe://acme.example", "issuer: spiffe://ACME.example", "", "is no SPIFFE ID"},
		"spiffe: by another preset":    {"spiffe", "preset: spiffe", "preset: kubernetes", "spiffe_issuer", "expected preset spiffe"},
		"spiffe: domain with a list":   {"spiffe", "    profiles:", "    tenants: [acme.example]\n    profiles:", "spiffe_trust_domains", "leave the list out"},
		"spiffe: https, no domains":    {"spiffe-https", "    tenants: [acme.example]\n", "", "spiffe_trust_domains", "lists the trust domains"},
		"spiffe: https, URL as domain": {"spiffe-https", "[acme.example]", `["spiffe://acme.example"]`, "spiffe_trust_domains", "its name alone"},
		"github as generic":            {"github-actions", "preset: github-actions", "preset: generic", "preset_mismatch", "expected preset github-actions"},
		"github, preset absent":        {"github-actions", "  preset: github-actions\n", "", "preset_mismatch", "expected preset github-actions"},
		"github as kubernetes":         {"github-actions", "preset: github-actions", "preset: kubernetes", "preset_mismatch", "expected preset github-actions"},
		"github enterprise as generic": {"github-actions", "preset: github-actions\n  issuer: https://token.actions.githubusercontent.com", "preset: generic\n  issuer: https://token.actions.githubusercontent.com/acme", "preset_mismatch", "expected preset github-actions"},
		"gitlab as generic":            {"gitlab", "preset: gitlab", "preset: generic", "preset_mismatch", "expected preset gitlab"},
		"google as generic":            {"google", "preset: google", "preset: generic", "preset_mismatch", "expected preset google"},
		"entra as generic":             {"entra", "preset: entra", "preset: generic", "preset_mismatch", "expected preset entra"},
		"entra v1 as generic":          {"entra-v1", "preset: entra", "preset: generic", "preset_mismatch", "expected preset entra"},
		"platform: id-jag":             {"github-actions", "profiles: [workload]", "profiles: [id-jag]", "profile_of_preset", "github-actions issues no ID-JAGs: expected workload"},
		"audiences of ID-JAGs":         {"okta", "    profiles:", "    audiences: [a]\n    profiles:", "audiences_unused", "neither is listed"},
		"audience as a pattern":        {"entra", `"6e74172b-be56-4843-9ff4-e66a39bb12e3"]`, `"api://*"]`, "", "audiences are compared exactly"},
		"audience twice":               {"entra", `audiences: ["`, `audiences: ["6e74172b-be56-4843-9ff4-e66a39bb12e3", "`, "", "listed twice"},
		"workload and jwt-bearer":      {"gitlab", "profiles: [workload]", "profiles: [workload, jwt-bearer]", "", "one token would have two meanings"},
		"lifetime of two days":         {"kubernetes", "    profiles:", "    max_lifetime: 48h\n    profiles:", "", "expected 10s to 25h"},
		"lifetime of ID-JAGs":          {"okta", "    profiles:", "    max_lifetime: 2h\n    profiles:", "", "expected 10s to 1h"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := presetDoc(t, test.file)
			decode(t, doc)
			problems := problemsOf(t, decodeError(t, mutate(t, doc, test.from, test.to)))
			if !slices.ContainsFunc(problems, func(p object.Problem) bool {
				return p.Code == test.code && strings.Contains(p.Text, test.text)
			}) {
				t.Fatalf("no %q saying %q: %v", test.code, test.text, problems)
			}
		})
	}
}

func TestPresetsWarn(t *testing.T) {
	for name, test := range map[string]struct{ file, from, to, code string }{
		"github: another host":     {"github-actions", "https://token.actions.githubusercontent.com", "https://github.com", "github_issuer"},
		"github: two segments":     {"github-actions", "githubusercontent.com", "githubusercontent.com/acme/inc", "github_issuer"},
		"pingone: no environment":  {"ping", "/9a5b1c5e-1b1a-4b6e-9c1e-0a6c2f7d8e90/as", "/as", "pingone_issuer"},
		"pingone: no /as":          {"ping", "8e90/as", "8e90", "pingone_issuer"},
		"kubernetes: its own name": {"kubernetes", "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E", "https://kubernetes.default.svc.cluster.local", "kubernetes_internal"},
		"entra as okta, ID-JAGs":   {"okta", "issuer: https://acme.okta.com", "issuer: https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", "preset_mismatch"},
		"google, once, no jti":     {"google", "profiles: [workload]", "profiles: [jwt-bearer]", "jti_absent"},
		"entra, with ID-JAGs":      {"entra-gov", "[jwt-bearer]", "[id-jag, jwt-bearer]", "lifetime_short"},
		"audience of AWS":          {"entra", `audiences: ["`, `audiences: ["sts.amazonaws.com", "`, "audience_of_others"},
		"keycloak, no realm":       {"keycloak", "/realms/acme", "", "keycloak_realm"},
		"keycloak, a slash":        {"keycloak", "/realms/acme", "/realms/acme/", "iss_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := mutate(t, presetDoc(t, test.file), test.from, test.to)
			spec := idpOf(t, doc)
			if !hasWarning(spec.Warnings(), test.code, "") {
				t.Fatalf("no %s: %v", test.code, spec.Warnings())
			}
		})
	}
	for name, issuer := range map[string]string{
		"an enterprise":     "https://token.actions.githubusercontent.com/acme-inc",
		"data residency":    "https://token.actions.acme.ghe.com",
		"enterprise server": "https://github.acme.com/_services/token",
	} {
		spec := idpOf(t, mutate(t, presetDoc(t, "github-actions"), "https://token.actions.githubusercontent.com", issuer))
		if w := spec.Warnings(); len(w) > 0 {
			t.Errorf("%s: %v", name, w)
		}
	}
}

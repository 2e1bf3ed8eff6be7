package object_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
)

const workloadDoc = `apiVersion: chancery/v1
kind: Workload
metadata: {name: build}
spec:
  idp: github-actions
  match: {sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, claims.run: 7, claims.protected: true}
  client: build
  resources: [notes]
  scopes: ["notes:read"]
`

const actionsDoc = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: github-actions}
spec:
  preset: github-actions
  issuer: https://token.actions.githubusercontent.com
  assertions: {profiles: [workload], clients: [build], resources: [notes], scopes: ["notes:read"]}
`

func workloadDocs() string {
	return strings.Join([]string{resourceDoc, workloadClientDoc, actionsDoc, workloadDoc}, "---\n")
}

func TestWorkloadsRefuse(t *testing.T) {
	for name, test := range map[string]struct{ from, to, path, text string }{
		"no idp":                {"  idp: github-actions\n", "", "spec.idp", "is required"},
		"idp of no name":        {"idp: github-actions", "idp: GitHub", "spec.idp", "is no name"},
		"no client":             {"  client: build\n", "", "spec.client", "is required"},
		"a document's client":   {"client: build", "client: agent.example.com", "spec.client", "is no name"},
		"no match":              {`match: {sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, claims.run: 7, claims.protected: true}`, "match: {}", "spec.match", "every token of the issuer"},
		"a path of no claim":    {"claims.run", "run", "spec.match", `claim path "run"`},
		"a path cut short":      {"claims.run", "claims.", "spec.match", "empty name"},
		"a path left open":      {"claims.run", `"claims[run"`, "spec.match", "double quotes"},
		"a path too deep":       {"claims.run", "claims.a.b.c.d.e.f.g.h.i", "spec.match", "at most 8"},
		"one claim by two ways": {"claims.run: 7", `"claims[\"sub\"]": x`, "spec.match", "are the same claim"},
		"the issuer":            {"claims.run", "claims.iss", "spec.match", "checked for every token"},
		"the audience":          {"claims.run", "claims.aud", "spec.match", "checked for every token"},
		"an empty value":        {"acme/app,", `"",`, "spec.match", "is empty"},
		"a pattern":             {"acme/app,", `"acme/*",`, "spec.match", "never as a pattern"},
		"a control character":   {"acme/app,", `"acme/app\n",`, "spec.match", "control characters"},
		"a list":                {"claims.run: 7", "claims.run: [7]", "spec.match.claims.run", "expected text, a whole number"},
		"an object":             {"claims.run: 7", "claims.run: {a: b}", "spec.match.claims.run", "expected text, a whole number"},
		"no value":              {"claims.run: 7", "claims.run: null", "spec.match.claims.run", "has no value"},
		"a fraction":            {"claims.run: 7", "claims.run: 7.5", "spec.match.claims.run", "expected text, a whole number"},
		"an exponent":           {"claims.run: 7", "claims.run: 7e0", "spec.match.claims.run", "expected text, a whole number"},
		"minus nothing":         {"claims.run: 7", "claims.run: -0", "spec.match.claims.run", "expected text, a whole number"},
		"resource twice":        {"[notes]", "[notes, notes]", "spec.resources[1]", "listed twice"},
		"scope with a space":    {`["notes:read"]`, `["notes:read notes:write"]`, "spec.scopes[0]", "is no scope"},
		"an unknown member":     {"client: build", "client: build\n  issuer: https://a.com", "spec", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			decode(t, workloadDoc)
			problems := problemsOf(t, decodeError(t, mutate(t, workloadDoc, test.from, test.to)))
			if !slices.ContainsFunc(problems, func(p object.Problem) bool { return p.Path == test.path && strings.Contains(p.Text, test.text) }) {
				t.Fatalf("nothing at %s says %q: %v", test.path, test.text, problems)
			}
		})
	}
}

// Values keep the form in which the token has them.
func TestWorkloadClaims(t *testing.T) {
	doc := mutate(t, workloadDoc, "claims.run: 7", `claims.run: 12345678901234567890123, 'claims["kubernetes.io"].pod.name': "007"`)
	spec, ok := decode(t, doc)[0].Spec.(*object.WorkloadSpec)
	if !ok {
		t.Fatal("no Workload")
	}
	claims, err := spec.Claims()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range claims {
		got = append(got, c.String()+"="+c.Value)
	}
	want := []string{
		`claims.protected=true`, `claims.repository=acme/app`, `claims.run=12345678901234567890123`,
		`claims["kubernetes.io"].pod.name=007`, `sub=repo:acme/app:ref:refs/heads/main`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWorkloadsApply(t *testing.T) {
	h := newHouse(t)
	plan := h.apply(t, workloadDocs(), by("ci"))
	if want := "create Resource/notes, create Client/build, create IdentityProvider/github-actions, create Workload/build"; actionsOf(plan) != want || len(plan.Warnings) > 0 {
		t.Fatalf("%s %v", actionsOf(plan), plan.Warnings)
	}
	if plan := h.apply(t, mutate(t, workloadDocs(), "  client: build\n  resources: [notes]\n  scopes: [\"notes:read\"]", "  client: build\n  disabled: true\n  resources: [notes]\n  scopes: [\"notes:read\"]"), by("ci")); !strings.HasSuffix(actionsOf(plan), "update Workload/build") {
		t.Fatal(actionsOf(plan))
	}
	if last := h.store.Changes[len(h.store.Changes)-1]; !last.Narrows {
		t.Error("disabling a workload raises no version")
	}
	prune := by("ci")
	prune.Prune = true
	if plan := h.apply(t, strings.Join([]string{resourceDoc, workloadClientDoc, actionsDoc}, "---\n"), prune); !strings.Contains(actionsOf(plan), "delete Workload/build") {
		t.Fatal(actionsOf(plan))
	}
	if last := h.store.Changes[len(h.store.Changes)-1]; !last.Deleted || !last.Narrows {
		t.Error("deleting a workload raises no version")
	}
	first := h.store.Changes[3].UID
	if plan := h.apply(t, workloadDocs(), by("ci")); !strings.Contains(actionsOf(plan), "create Workload/build") {
		t.Fatal(actionsOf(plan))
	}
	again, err := h.path.Get(t.Context(), "default", object.KindWorkload, "build")
	if err != nil || again.Metadata.UID == first || again.Metadata.Revision != 1 || !strings.HasPrefix(again.Metadata.UID, "wkl_") {
		t.Errorf("made again: %+v, %v", again.Metadata, err)
	}
}

func TestWorkloadsAgainstTheirNeighbours(t *testing.T) {
	second := mutate(t, workloadDoc, "{name: build}", "{name: build-2}")
	for name, test := range map[string]struct{ doc, code, path, text string }{
		"same match":                 {workloadDocs() + "---\n" + second, "workload_match_taken", "spec.match", "two workloads"},
		"same match, other spelling": {workloadDocs() + "---\n" + mutate(t, second, `"claims.repository"`, `"claims[\"repository\"]"`), "workload_match_taken", "spec.match", "two workloads"},
		"same match, text for number": {
			workloadDocs() + "---\n" + mutate(t, second, "claims.run: 7", `claims.run: "7"`), "workload_match_taken", "spec.match", "two workloads",
		},
		"profile not listed":        {mutate(t, workloadDocs(), "profiles: [workload]", "profiles: [jwt-bearer]"), "profile_not_listed", "spec.idp", "does not list the profile workload"},
		"anybody's ref":             {mutate(t, workloadDocs(), `{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, `, `{claims.ref: refs/heads/main, `), "workload_not_identified", "spec.match", "claims.repository_id"},
		"anybody's sub":             {mutate(t, workloadDocs(), `{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, `, `{sub: "ref:refs/heads/main", `), "workload_not_identified", "spec.match", "beginning with repo:"},
		"anybody's called workflow": {mutate(t, workloadDocs(), `{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, `, `{claims.job_workflow_ref: acme/app/x.yml@main, `), "workload_not_identified", "spec.match", "others have tokens"},
		"a claim of the same name further in": {
			mutate(t, workloadDocs(), `{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, `, `{claims.x.repository: acme/app, `), "workload_not_identified", "spec.match", "others have tokens",
		},
	} {
		t.Run(name, func(t *testing.T) {
			problems := problemsOf(t, newHouse(t).applyError(t, test.doc, by("ci")))
			if len(problems) != 1 || problems[0].Code != test.code || problems[0].Path != test.path || !strings.Contains(problems[0].Text, test.text) ||
				!strings.HasPrefix(problems[0].Object, "Workload build") {
				t.Fatalf("%v", problems)
			}
		})
	}
}

// Of Entra, the program that asked says nothing of whom it asked for: a person's token for the same program would be the
// workload's.
func TestWorkloadsOfEntraAreNoPersons(t *testing.T) {
	const whole = "    claims.oid: f8a5c4c4-1f0a-4d3e-8f6f-0c1f2b3a4d5e\n    claims.azp: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n    claims.azpacr: \"2\"\n    claims.idtyp: app\n"
	for name, test := range map[string]struct {
		match   string
		refused bool
	}{
		"the program alone":             {"    claims.azp: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n", true},
		"the program, version 1":        {"    claims.appid: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n", true},
		"the program, for a person":     {"    claims.azp: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n    claims.idtyp: user\n", true},
		"the program, idtyp further in": {"    claims.azp: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n    claims.x.idtyp: app\n", true},
		"any program":                   {"    claims.idtyp: app\n", true},
		"the program for itself":        {"    claims.azp: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n    claims.idtyp: app\n", false},
		"version 1 for itself":          {"    claims.appid: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n    claims.idtyp: app\n", false},
		"the service principal":         {"    claims.oid: f8a5c4c4-1f0a-4d3e-8f6f-0c1f2b3a4d5e\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			doc := mutate(t, presetDoc(t, "entra"), whole, test.match)
			if !test.refused {
				newHouse(t).apply(t, doc, by("ci"))
				return
			}
			problems := problemsOf(t, newHouse(t).applyError(t, doc, by("ci")))
			if len(problems) != 1 || problems[0].Code != "workload_not_identified" || !strings.Contains(problems[0].Text, "claims.azp (with claims.idtyp: app)") {
				t.Fatalf("%v", problems)
			}
		})
	}
}

// Rules that came before their IdP are checked when it comes, and when it changes.
func TestWorkloadsBeforeTheirIdP(t *testing.T) {
	h := newHouse(t)
	loose := mutate(t, workloadDoc, `{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, `, "{claims.ref: main, ")
	plan := h.apply(t, strings.Join([]string{resourceDoc, workloadClientDoc, loose}, "---\n"), by("ci"))
	if !hasWarning(plan.Warnings, "reference_unknown", "spec.idp") {
		t.Fatalf("%v", plan.Warnings)
	}
	if err := h.applyError(t, actionsDoc, by("ci")); problemsOf(t, err)[0].Code != "workload_not_identified" {
		t.Fatal(err)
	}
	cluster := mutate(t, mutate(t, actionsDoc, "preset: github-actions", "preset: kubernetes"), "https://token.actions.githubusercontent.com", "https://oidc.acme.com")
	h.apply(t, cluster, by("ci"))
	for name, doc := range map[string]string{"becomes GitHub": actionsDoc, "lists no workload": mutate(t, cluster, "[workload]", "[jwt-bearer]")} {
		if code := problemsOf(t, h.applyError(t, doc, by("ci")))[0].Code; code != "workload_not_identified" && code != "profile_not_listed" {
			t.Errorf("%s: %s", name, code)
		}
	}
}

func TestWorkloadsWarn(t *testing.T) {
	for name, test := range map[string]struct{ from, to, code, path string }{
		"no such client":   {"  client: build\n", "  client: other\n", "reference_unknown", "spec.client"},
		"no such resource": {"  client: build\n  resources: [notes]", "  client: build\n  resources: [other]", "reference_unknown", "spec.resources"},
		"no resources":     {"  client: build\n  resources: [notes]\n", "  client: build\n", "absent_denies", "spec.resources"},
		"no scopes":        {"  scopes: [\"notes:read\"]\n", "", "absent_denies", "spec.scopes"},
		"a program's name": {`{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, claims.run: 7, claims.protected: true}`, "{claims.azp: build, claims.client_id: build}", "workload_may_be_person", "spec.match"},
		"no such scope":    {"  scopes: [\"notes:read\"]\n", "  scopes: [\"notes:admin\"]\n", "scope_unknown", "spec.scopes"},
	} {
		t.Run(name, func(t *testing.T) {
			docs := mutate(t, workloadDocs(), "preset: github-actions\n  issuer: https://token.actions.githubusercontent.com", "preset: keycloak\n  issuer: https://sso.acme.com/realms/acme")
			plan := newHouse(t).apply(t, mutate(t, docs, test.from, test.to), by("ci"))
			if !hasWarning(plan.Warnings, test.code, test.path) {
				t.Fatalf("no %s at %s: %v", test.code, test.path, plan.Warnings)
			}
		})
	}
	h := newHouse(t)
	h.apply(t, workloadDocs(), by("ci"))
	for kind, name := range map[object.Kind]string{object.KindClient: "build", object.KindIdentityProvider: "github-actions", object.KindResource: "notes"} {
		r := by("ci")
		r.DryRun = true
		plan, err := h.path.Delete(t.Context(), "default", kind, name, r)
		if err != nil || !slices.ContainsFunc(plan.Warnings, func(p object.Problem) bool { return p.Object == "Workload build" && p.Code == "reference_unknown" }) {
			t.Errorf("deleting %s %s: %v, %v", kind, name, plan.Warnings, err)
		}
	}
}

// A value that was never read is none.
func TestWorkloadValueOfNothing(t *testing.T) {
	var v object.ClaimValue
	if b, err := v.MarshalJSON(); err != nil || string(b) != `""` || v.String() != "" {
		t.Errorf("%s %v", b, err)
	}
	if object.Text("a").String() != "a" {
		t.Error("text is not itself")
	}
	if _, err := federation.ParseClaimPath(""); err == nil {
		t.Error("an empty path was taken")
	}
}

// Rules are written for one issuer's claims. Where the IdP's issuer becomes another
// one, or another IdP gets the name, whoever does it is told.
func TestWorkloadsOfAnIssuerThatChanges(t *testing.T) {
	h := newHouse(t)
	h.apply(t, workloadDocs(), by("ci"))
	plan := h.apply(t, mutate(t, actionsDoc, "githubusercontent.com", "githubusercontent.com/acme"), by("ci"))
	if !hasWarning(plan.Warnings, "issuer_changed", "spec.idp") {
		t.Errorf("%v", plan.Warnings)
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindIdentityProvider, "github-actions", by("ci")); err != nil {
		t.Fatal(err)
	}
	if plan := h.apply(t, actionsDoc, by("ci")); !hasWarning(plan.Warnings, "name_again", "spec.idp") {
		t.Errorf("%v", plan.Warnings)
	}
}

// A resource's own tokens are no assertions, whichever is there first.
func TestAudiencesAreNoResources(t *testing.T) {
	own := mutate(t, actionsDoc, "profiles:", `audiences: ["https://MCP.acme.com:443/notes"], profiles:`)
	refused := func(h *house, doc string) {
		t.Helper()
		problems := problemsOf(t, h.applyError(t, doc, by("ci")))
		if len(problems) != 1 || problems[0].Code != "aud_is_resource" || problems[0].Object != "IdentityProvider github-actions" {
			t.Errorf("%v", problems)
		}
	}
	refused(newHouse(t), resourceDoc+"---\n"+own)
	first := newHouse(t)
	first.apply(t, resourceDoc, by("ci"))
	refused(first, own)
	second := newHouse(t)
	second.apply(t, own, by("ci"))
	refused(second, resourceDoc)
}

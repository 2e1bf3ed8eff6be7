package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/rego"
)

func TestTemplatesPassTheirTests(t *testing.T) {
	if got := rego.Names(); !slices.Equal(got, []string{
		"allow-listed-clients", "approve-destructive", "break-glass", "business-hours", "delegation-depth", "environment-separation",
		"group-scopes", "network-zones", "plan-scopes", "read-only-contractors", "step-up-by-risk", "vend-only-narrowed",
	}) {
		t.Fatalf("templates: %v", got)
	}
	for _, template := range rego.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			if template.Summary == "" || template.DataSchema == nil || template.Example == nil || len(template.Tests) == 0 {
				t.Fatal("a template needs a README, a data.schema.json, a data.json and tests")
			}
			c := compile(t, policy.Source{Name: template.Name, Role: policy.RoleGrant, Modules: template.Modules, Tests: template.Tests})
			results, coverage, err := c.Cover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if coverage.Covered < coverage.Lines || coverage.Lines == 0 {
				t.Errorf("%d of %d lines are covered by tests: %+v", coverage.Covered, coverage.Lines, coverage.Files)
			}
			for _, role := range template.Roles() {
				compile(t, policy.Source{Name: template.Name, Role: policy.Role(role), Template: template.Name, Data: template.Example})
			}
			for _, r := range policy.Failed(results) {
				t.Errorf("%s:%d: %s: %s", r.File, r.Row, r.Name, r.Message)
			}
			if len(results) < 8 {
				t.Errorf("only %d tests", len(results))
			}
		})
	}
}

func TestTemplatesAreFormatted(t *testing.T) {
	for _, template := range rego.Templates() {
		files := maps.Clone(template.Modules)
		maps.Copy(files, template.Tests)
		for name, text := range files {
			formatted, err := policy.Format(name, text)
			if err != nil {
				t.Fatal(err)
			}
			if formatted != text {
				t.Errorf("%s/%s is not formatted:\n%s", template.Name, name, formatted)
			}
		}
	}
}

// The index that Go makes must be the one that the template's Rego describes: the
// same policy decides alike with either, on data and requests made at random.
func TestTemplateIndexAgreesWithItsRego(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) []any {
		var some []any
		for _, s := range from {
			if r.IntN(2) == 0 {
				some = append(some, s)
			}
		}
		return append(some, from[r.IntN(len(from))])
	}
	resources := []string{"notes", "calendar", "*"}
	makers := map[string]func() map[string]any{
		"group-scopes": func() map[string]any {
			grants := []any{}
			for range r.IntN(6) {
				grants = append(grants, map[string]any{
					"groups": pick("a", "b", "c"), "resource": resources[r.IntN(2)], "scopes": pick("notes:read", "notes:write"),
				})
			}
			data := map[string]any{"grants": grants}
			if r.IntN(2) == 0 {
				data["clients"] = []any{map[string]any{"clients": pick("a", "b", "c"), "resource": "notes", "scopes": pick("notes:read", "notes:write")}}
			}
			return data
		},
		"plan-scopes": func() map[string]any {
			plans := []any{}
			for range r.IntN(4) {
				plans = append(plans, map[string]any{"plans": pick("a", "b", "c"), "resource": resources[r.IntN(2)], "scopes": pick("notes:read", "notes:write")})
			}
			return map[string]any{"plans": plans}
		},
		"break-glass": func() map[string]any {
			entries := func(more map[string]any) []any {
				all := []any{}
				for range r.IntN(4) {
					entry := map[string]any{"groups": pick("a", "b", "c"), "resource": resources[r.IntN(2)], "scopes": pick("notes:read", "notes:write")}
					maps.Copy(entry, more)
					all = append(all, entry)
				}
				return all
			}
			return map[string]any{
				"grants": entries(nil), "lifetime": 600,
				"glass": entries(map[string]any{"until": noon.Add(time.Duration(r.IntN(3)-1) * time.Hour).Format(time.RFC3339), "because": "INC-1"}),
			}
		},
		"allow-listed-clients": func() map[string]any {
			allow := []any{}
			for range r.IntN(6) {
				entry := map[string]any{"clients": pick("a", "b", "c"), "resource": resources[r.IntN(3)]}
				if r.IntN(2) == 0 {
					entry["scopes"] = pick("notes:read", "notes:write")
				}
				allow = append(allow, entry)
			}
			return map[string]any{"allow": allow}
		},
	}
	e := policy.NewInProcess(patience)
	defer e.Close()
	for name, makeData := range makers {
		template, _ := rego.Lookup(name)
		for range 100 {
			data := makeData()
			src := policy.Source{Name: name, Role: policy.RoleGrant, Data: data}
			fast, slow := src, src
			fast.Template, slow.Modules = name, template.Modules
			fastSet, slowSet := set(t, fast), set(t, slow)
			for range 5 {
				in := alice()
				in.User.Groups, in.User.GroupNames = texts(pick("a", "b", "x")), texts(pick("b", "c", "y"))
				in.Client.ID, in.Client.Name = []string{"a", "b", "x"}[r.IntN(3)], []string{"c", "y"}[r.IntN(2)]
				in.Client.Plan = []string{"", "a", "b", "x"}[r.IntN(4)]
				if r.IntN(3) == 0 {
					in.User, in.Actor = nil, &policy.Actor{Kind: []string{"client", "workload", "agent"}[r.IntN(3)]}
				}
				fastly, slowly := e.Decide(t.Context(), fastSet, in), e.Decide(t.Context(), slowSet, in)
				fastly.Policies, slowly.Policies = nil, nil // a template's hash is not that of its modules
				got, want := show(t, fastly), show(t, slowly)
				if got != want {
					t.Fatalf("%s with %v and %v, %v:\n Go   %s\n Rego %s", name, data, in.User, in.Client, got, want)
				}
			}
		}
	}
}

// Where there is no user, what reads one grants nothing: with every template, and nothing listed for the client itself.
func TestTemplatesGrantNobodyForWantOfAUser(t *testing.T) {
	e := policy.NewInProcess(patience)
	defer e.Close()
	entry := func(names string) []any {
		return []any{map[string]any{names: []any{"notes-editors", "someone"}, "resource": "notes", "scopes": []any{"notes:write"}}}
	}
	for name, data := range map[string]map[string]any{
		"group-scopes": {"grants": entry("groups"), "clients": entry("clients")}, "allow-listed-clients": {"allow": entry("clients")}, "plan-scopes": {"plans": entry("plans")},
		"break-glass": {"grants": entry("groups"), "lifetime": 600, "glass": []any{}},
	} {
		for _, kind := range []string{"client", "workload", "agent", ""} {
			in := alice()
			in.User, in.Assertion, in.Issuer, in.Asserted, in.Actor = nil, nil, nil, nil, &policy.Actor{Kind: kind}
			src := policy.Source{Name: name, Role: policy.RoleGrant, Template: name, Data: data}
			if d := e.Decide(t.Context(), set(t, src), in); d.Allow || d.Code != policy.CodeDenied {
				t.Errorf("%s, %q: %+v", name, kind, d)
			}
		}
	}
}

// A template that only takes away is refused as a grant policy, where it would grant what it does not take.
func TestTemplatesThatTakeAwayDoNotGrant(t *testing.T) {
	refusals := 0
	for _, template := range rego.Templates() {
		src := policy.Source{Name: template.Name, Role: policy.RoleGrant, Template: template.Name, Data: template.Example}
		if slices.Contains(template.Roles(), "grant") {
			continue
		}
		refusals++
		if got := refused(t, src, "role"); got.Code != "template_role" {
			t.Errorf("%s: %v", template.Name, got)
		}
	}
	if refusals != 8 {
		t.Errorf("%d are refused", refusals)
	}
}

// Whatever a guard of a template says, nothing is granted that the grant policy does not grant, and what it is about is denied or
// taken away where its data does not list it.
func TestTemplatesAsGuards(t *testing.T) {
	e := policy.NewInProcess(patience)
	defer e.Close()
	grants := groupScopes(2)
	for _, template := range rego.Templates() {
		if template.Roles()[0] != "guard" {
			continue
		}
		src := policy.Source{UID: "pol_9", Name: "g", Role: policy.RoleGuard, Template: template.Name, Data: template.Example}
		t.Run(template.Name, func(t *testing.T) {
			alone, both := e.Decide(t.Context(), set(t, grants), alice()), e.Decide(t.Context(), set(t, grants, src), alice())
			for _, scope := range both.Scopes {
				if !slices.Contains(alone.Scopes, scope) {
					t.Errorf("%s is granted", scope)
				}
			}
			stranger := alice() // of whom the grant policy thinks well, and the guard knows nothing
			stranger.Client = &policy.Client{ID: "someone", Name: "someone"}
			stranger.User.GroupsState, stranger.Network, stranger.Action = policy.GroupsAbsent, nil, policy.ActionVend
			stranger.Actor = &policy.Actor{Depth: 4}
			stranger.Time = policy.At(time.Date(2026, 8, 30, 3, 0, 0, 0, time.UTC), nil)
			stranger.Connection = &policy.Connection{Provider: "slack"}
			stranger.Assertion = nil
			d := e.Decide(t.Context(), set(t, grants, src), stranger)
			if d.Allow && d.StepUp == nil && d.Approval == nil && slices.Equal(d.Scopes, alone.Scopes) {
				t.Errorf("a stranger is let pass: %+v", d)
			}
		})
	}
}

func TestTemplateRefusesDataThatDoesNotFit(t *testing.T) {
	for name, data := range map[string]map[string]any{
		"absent":          nil,
		"misspelt":        {"grant": []any{}},
		"unknown member":  {"grants": []any{}, "more": 1},
		"group not text":  {"grants": []any{map[string]any{"groups": []any{1}, "resource": "notes", "scopes": []any{"s"}}}},
		"no scopes":       {"grants": []any{map[string]any{"groups": []any{"g"}, "resource": "notes"}}},
		"scopes empty":    {"grants": []any{map[string]any{"groups": []any{"g"}, "resource": "notes", "scopes": []any{}}}},
		"groups a string": {"grants": []any{map[string]any{"groups": "g", "resource": "notes", "scopes": []any{"s"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			src := groupScopes(2)
			src.Data = data
			_ = refused(t, src, "data")
		})
	}
}

func texts(list []any) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = fmt.Sprint(v)
	}
	return all
}

func show(t *testing.T, d policy.Decision) string {
	t.Helper()
	slices.SortFunc(d.Reasons, func(a, b policy.Reason) int { return strings.Compare(a.Detail, b.Detail) })
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/rego"
)

func TestTemplatesPassTheirTests(t *testing.T) {
	if got := rego.Names(); !slices.Equal(got, []string{"allow-listed-clients", "group-scopes", "plan-scopes"}) {
		t.Fatalf("templates: %v", got)
	}
	for _, template := range rego.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			if template.Summary == "" || template.DataSchema == nil || len(template.Tests) == 0 {
				t.Fatal("a template needs a README, a data.schema.json and tests")
			}
			c := compile(t, policy.Source{Name: template.Name, Role: policy.RoleGrant, Modules: template.Modules, Tests: template.Tests})
			results, err := c.RunTests(t.Context())
			if err != nil {
				t.Fatal(err)
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

package vocabulary_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/vocabulary"
)

func entry(resource string, groups ...any) map[string]any {
	return map[string]any{"groups": groups, "resource": resource, "scopes": []any{"notes:read"}}
}

func TestData(t *testing.T) {
	src := policy.Source{
		Template: "group-scopes", Resources: []string{"wiki"},
		Data: map[string]any{
			"grants":   []any{entry("notes", "writers", "editors"), entry("mail", "postmen"), entry("notes", "editors")},
			"clients":  []any{map[string]any{"clients": []any{"build"}, "resource": "notes"}},
			"by_group": map[string]any{"groups": map[string]any{"owners": map[string]any{"acr_values": []any{"phr"}}}},
			"all":      []any{map[string]any{"group": "staff", "resource": "*"}, map[string]any{"group": "multi", "resources": []any{"mail", "notes"}}},
			"odd":      map[string]any{"groups": 7, "group": strings.Repeat("x", 300), "resource": nil, "acr": ""},
		},
	}
	all := vocabulary.Of("", src)
	if want := []string{"editors", "multi", "owners", "postmen", "staff", "writers"}; !slices.Equal(all.Groups, want) {
		t.Errorf("groups %v, want %v", all.Groups, want)
	}
	if want := []string{"*", "mail", "notes", "wiki"}; !slices.Equal(all.Resources, want) {
		t.Errorf("resources %v, want %v", all.Resources, want)
	}
	if !slices.Equal(all.Clients, []string{"build"}) || !slices.Equal(all.ACRs, []string{"phr"}) || len(all.Texts) != 0 {
		t.Errorf("%+v", all)
	}
	notes := vocabulary.Of("notes", src)
	if want := []string{"editors", "multi", "owners", "staff", "writers"}; !slices.Equal(notes.Groups, want) {
		t.Errorf("groups of notes %v, want %v", notes.Groups, want)
	}
}

func TestModules(t *testing.T) {
	src := policy.Source{Modules: map[string]string{
		"a.rego": `package chancery.authz

table := [{"groups": ["tabled"], "path": "a-path"}]

decision := {"allow": true, "step_up": {"acr_values": ["gold"]}, "reasons": [{"code": "a_code"}]} if {
	"inline" in input.user.group_names
	input.user.groups[_] == "00g1"
	input.assertion.acr != "pwd"
	some g in {"loose", "other"}
	g in input.user.groups
	input.user.attributes["team"] == "blue"
}`,
		"broken.rego": "package {",
	}}
	w := vocabulary.Of("", src)
	if want := []string{"00g1", "inline", "tabled"}; !slices.Equal(w.Groups, want) {
		t.Errorf("groups %v, want %v", w.Groups, want)
	}
	if want := []string{"gold", "pwd"}; !slices.Equal(w.ACRs, want) {
		t.Errorf("acr values %v, want %v", w.ACRs, want)
	}
	for _, text := range []string{"loose", "other", "blue"} {
		if !slices.Contains(w.Texts, text) {
			t.Errorf("%q is not among the texts %v", text, w.Texts)
		}
	}
	for _, text := range []string{"user", "group_names", "team", "allow", "chancery", "groups"} {
		if slices.Contains(w.Texts, text) {
			t.Errorf("%q is the name of a member, not a text", text)
		}
	}
}

func TestDeepDataEnds(t *testing.T) {
	var v any = "x"
	for range 10_000 {
		v = []any{v}
	}
	if w := vocabulary.Of("notes", policy.Source{Data: map[string]any{"groups": v, "resource": v}}); len(w.Groups) != 0 {
		t.Errorf("%v", w.Groups)
	}
}

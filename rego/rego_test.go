package rego

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryTemplateIsWhole(t *testing.T) {
	if !slices.IsSorted(Names()) || len(Names()) != len(Templates()) {
		t.Errorf("names %v", Names())
	}
	for _, template := range Templates() {
		for what, missing := range map[string]bool{
			"policy.rego":      template.Modules["policy.rego"] == "",
			"policy_test.rego": template.Tests["policy_test.rego"] == "",
			"data.schema.json": template.DataSchema["$schema"] == nil,
			"README.md":        !strings.Contains(template.README, "template: "+template.Name),
			"an index in Go":   (template.Modules["index.rego"] == "") != (template.Index == nil),
		} {
			if missing {
				t.Errorf("%s lacks %s", template.Name, what)
			}
		}
		found, ok := Lookup(template.Name)
		if !ok || found.Summary != template.Summary {
			t.Errorf("%s is not found", template.Name)
		}
	}
}

func TestLookupIsExact(t *testing.T) {
	for _, name := range []string{"", "Group-Scopes", "group-scopes/", "../templates/group-scopes", "group"} {
		if _, ok := Lookup(name); ok {
			t.Errorf("%q is found", name)
		}
	}
}

// What does not fit the schema grants nothing and breaks nothing.
func TestIndexLeavesOutWhatDoesNotFit(t *testing.T) {
	for _, template := range Templates() {
		if template.Index == nil {
			continue
		}
		for _, data := range []map[string]any{
			nil,
			{"grants": "x", "allow": 1},
			{"grants": []any{1, nil, []any{}}, "allow": []any{1, nil, []any{}}},
			{"grants": []any{map[string]any{"groups": []any{"g"}, "scopes": []any{"s"}}}, "allow": []any{map[string]any{"clients": []any{"c"}}}},
			{"grants": []any{map[string]any{"groups": "g", "resource": "r", "scopes": []any{1}}}, "allow": []any{map[string]any{"clients": "c", "resource": "r"}}},
		} {
			for name, of := range template.Index(data) {
				places, ok := of.(map[string]any)
				if !ok {
					t.Fatalf("%s: %v", name, of)
				}
				for place, entries := range places {
					if all, ok := entries.(map[string]any); !ok || len(all) > 0 {
						t.Errorf("%s: %s: %v", template.Name, place, entries)
					}
				}
			}
		}
	}
}

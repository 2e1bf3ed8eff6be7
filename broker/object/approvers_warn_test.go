package object_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

// Whoever turns four eyes on hears that there are not four.
func TestFewApprovers(t *testing.T) {
	const (
		on   = `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{"approval":{"policies":true}}}`
		both = `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{"approval":{"policies":true,"trust":true}}}`
		two  = `{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"bob"},"spec":{"email":"bob@acme.test"}}
---
{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"eve"},"spec":{"email":"eve@acme.test"}}
---
`
	)
	binding := func(name, spec string) string {
		return `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"` + name + `"},"spec":{` + spec + "}}\n---\n"
	}
	for name, test := range map[string]struct {
		documents string
		warned    int
	}{
		"nobody":                  {on, 1},
		"nobody for either":       {both, 2},
		"one":                     {two + binding("a", `"role":"policy-approver","users":["bob"]`) + on, 1},
		"one, twice":              {two + binding("a", `"role":"policy-approver","users":["bob"]`) + binding("b", `"role":"owner","users":["bob"]`) + on, 1},
		"two":                     {two + binding("a", `"role":"policy-approver","users":["bob","eve"]`) + on, 0},
		"two for one of both":     {two + binding("a", `"role":"policy-approver","users":["bob","eve"]`) + both, 1},
		"two of whom none may":    {two + binding("a", `"role":"viewer","users":["bob","eve"]`) + on, 1},
		"a group":                 {binding("a", `"role":"policy-approver","groups":["security"]`) + on, 0},
		"a tenant that asks none": {strings.Replace(on, `"policies":true`, "", 1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			few := func(plan object.Plan) int {
				return len(slices.DeleteFunc(slices.Clone(plan.Warnings), func(p object.Problem) bool { return p.Code != "few_approvers" }))
			}
			if plan := h.apply(t, test.documents, by(object.ManagerConfig)); few(plan) != test.warned {
				t.Errorf("%v", plan.Warnings)
			}
			if plan := h.apply(t, test.documents, by(object.ManagerConfig)); few(plan) != 0 {
				t.Errorf("warned again: %v", plan.Warnings)
			}
		})
	}
}

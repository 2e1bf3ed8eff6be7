// Package policytest holds what every evaluator of policies must do, wherever it evaluates: what is not exactly a decision
// that allows denies, and what is one is answered alike.
//
// It is for tests only, and imports policy and nothing else of Chancery.
package policytest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// Decide asks one policy.
type Decide func(t *testing.T, in *policy.Input, src policy.Source) policy.Decision

const yes = `decision := {"allow": true}`

// Denies checks that whatever is not exactly a decision that allows denies, and says why.
func Denies(t *testing.T, decide Decide) {
	for name, tc := range map[string]struct{ body, code, says string }{
		"undefined":            {yes + " if input.user.guest", policy.CodeUndefined, "undefined"},
		"undefined member":     {`decision := {"allow": input.nothing}`, policy.CodeUndefined, "undefined"},
		"two values":           {"decision := {\"allow\": true} if input.user.id\n\ndecision := {\"allow\": false} if input.client.id", policy.CodeError, "conflict"},
		"partial set":          {`decision contains "allow"`, policy.CodeResultInvalid, "not an object"},
		"partial object":       {`decision["allow"] := "true"`, policy.CodeResultInvalid, "allow is not a boolean"},
		"empty object":         {"decision := {}", policy.CodeResultInvalid, "allow is missing"},
		"true":                 {"decision := true", policy.CodeResultInvalid, "not an object"},
		"allow is text":        {`decision := {"allow": "true"}`, policy.CodeResultInvalid, "not a boolean"},
		"allow is one":         {`decision := {"allow": 1}`, policy.CodeResultInvalid, "not a boolean"},
		"allow is null":        {`decision := {"allow": null}`, policy.CodeResultInvalid, "not a boolean"},
		"allow is an object":   {`decision := {"allow": {"allow": true}}`, policy.CodeResultInvalid, "not a boolean"},
		"allow is false":       {`decision := {"allow": false}`, policy.CodeDenied, ""},
		"division by zero":     {`decision := {"allow": 1 / (input.time.hour - 12) > 0}`, policy.CodeError, "divide by zero"},
		"error in passing":     {`decision := {"allow": true} if not to_number(input.user.id) == 1`, policy.CodeError, "to_number"},
		"unknown member":       {`decision := {"allow": true, "scope": []}`, policy.CodeResultInvalid, `"scope"`},
		"member is a number":   {`decision := {"allow": true, 1: true}`, policy.CodeResultInvalid, "not a string"},
		"scopes are numbers":   {`decision := {"allow": true, "scopes": [1]}`, policy.CodeResultInvalid, "scopes"},
		"scopes are text":      {`decision := {"allow": true, "scopes": "notes:read"}`, policy.CodeResultInvalid, "scopes"},
		"lifetime zero":        {`decision := {"allow": true, "lifetime": 0}`, policy.CodeResultInvalid, "lifetime"},
		"lifetime of a half":   {`decision := {"allow": true, "lifetime": 1.5}`, policy.CodeResultInvalid, "lifetime"},
		"step-up of nothing":   {`decision := {"allow": true, "step_up": {}}`, policy.CodeResultInvalid, "step_up"},
		"claims without end":   {`decision := {"allow": true, "claims": {"x": ` + "x9}}\n\nx0 := [1, 1]\n\n" + Doubled(9, "[%s, %s]"), policy.CodeResultInvalid, "claims"},
		"claims of many":       {`decision := {"allow": true, "claims": {"x": [x | some x in input.user.groups]}}`, policy.CodeResultInvalid, "claims"},
		"a function undefined": {"f(x) := 1 if x == 2\n\ndecision := {\"allow\": f(input.time.hour) == 1}", policy.CodeUndefined, "undefined"},
	} {
		t.Run(name, func(t *testing.T) {
			in := Alice()
			if name == "claims of many" {
				in.User.Groups = make([]string, 600)
			}
			d := decide(t, in, Grant(tc.body))
			if d.Allow || d.Code != tc.code {
				t.Fatalf("%+v", d)
			}
			if tc.says == "" {
				return
			}
			if len(d.Reasons) == 0 || !strings.Contains(d.Reasons[0].Detail, tc.says) || d.Reasons[0].Code != tc.code || d.Reasons[0].Policy != "notes" {
				t.Errorf("reasons %+v do not say %q", d.Reasons, tc.says)
			}
		})
	}
}

// Doubled defines x1 … xn, each made of two of the one before.
func Doubled(n int, form string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString("x" + strconv.Itoa(i) + " := " + strings.ReplaceAll(form, "%s", "x"+strconv.Itoa(i-1)) + "\n\n")
	}
	return b.String()
}

// Grant is a grant policy with the given body.
func Grant(body string) policy.Source {
	return policy.Source{
		UID: "pol_1", Name: "notes", Revision: 3, Role: policy.RoleGrant,
		Modules: map[string]string{"notes.rego": "package chancery.authz\n\n" + body},
	}
}

// Alice asks for a token for notes, on a Monday at noon.
func Alice() *policy.Input {
	noon := time.Date(2026, 8, 31, 12, 0, 0, 0, time.UTC)
	scopes := []string{"notes:read", "notes:write"}
	return &policy.Input{
		Action: policy.ActionIssue, Tenant: policy.Tenant{ID: "ten_1", Plan: "pro"},
		Issuer:    &policy.Issuer{ID: "https://acme.okta.com", Name: "okta", Preset: "okta"},
		Assertion: &policy.Assertion{IssuedAt: noon.Unix() - 10, AuthTime: noon.Unix() - 60, ACR: "phr", Claims: map[string]any{"department": "it"}},
		User: &policy.User{
			ID: "usr_1", Sub: "00u1alice", Email: "alice@acme.com", Groups: []string{"00g1ab"}, GroupNames: []string{"notes-editors"},
			GroupsState: policy.GroupsComplete, Status: "active",
		},
		Client:    &policy.Client{ID: "claude", Name: "claude", Scopes: scopes},
		Resource:  &policy.Resource{Name: "notes", URI: "https://mcp.acme.com/notes", Scopes: scopes, Risk: map[string]string{"notes:write": "high"}},
		Requested: &policy.Requested{Scopes: scopes}, Available: scopes, Time: policy.At(noon, nil),
		Implies: map[string][]string{"notes:write": {"notes:read"}},
	}
}

// Bodies are decisions of every kind that is valid, by name.
func Bodies() map[string]string {
	return map[string]string{
		"allows":    yes,
		"denies":    `decision := {"allow": false, "deny": ["closed"], "reasons": [{"code": "closed", "detail": "at <night> & noon"}]}`,
		"sets":      `decision := {"allow": true, "scopes": {s | some s in input.requested.scopes}, "deny": {x | some x in input.user.roles}}`,
		"implies":   `decision := {"allow": true, "scopes": ["notes:write"]}`,
		"narrowed":  `decision := {"allow": true, "scopes": ["notes:read", "notes:write"], "lifetime": 600.0}`,
		"unknown":   `decision := {"allow": true, "scopes": ["notes:delete"]}`,
		"long life": `decision := {"allow": true, "lifetime": 1e300}`,
		"step-up":   `decision := {"allow": true, "step_up": {"acr_values": ["phr", "phrh"], "max_age": 0}}`,
		"approval":  `decision := {"allow": true, "approval": {"group": "security", "within": 600}}`,
		"claims":    `decision := {"allow": true, "claims": {"a": {"b": [1, 1.50, 1e3, null, true, "é\u2028"]}, "c": {"x", "y"}, "d": {}, "e": []}}`,
		"reads":     `decision := {"allow": true, "claims": input.assertion.claims, "reasons": [{"code": input.user.email}]}`,
		"whole":     "decision := {\"allow\": count(all) > 5}\n\nall := input",
	}
}

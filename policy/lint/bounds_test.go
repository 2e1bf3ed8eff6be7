package lint_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/lint"
	"github.com/chancery-dev/chancery/rego"
)

// hostile are policies that mean harm to whoever reads them.
func hostile() map[string]string {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i+1)
		}
		return b.String()
	}
	chain := "a0 := input\n" + many(1500, "a%[2]d := a%[1]d\n")
	return map[string]string{
		"brackets":           "x := " + strings.Repeat("[", 30000),
		"closed brackets":    "x := " + strings.Repeat("[", 250) + strings.Repeat("]", 250),
		"braces":             "x := " + strings.Repeat("{", 250) + "1" + strings.Repeat("}", 250),
		"comprehensions":     "x := " + strings.Repeat("[a | a := ", 100) + "1" + strings.Repeat("]", 100),
		"calls":              "x := " + strings.Repeat("lower(", 250) + "input.user.email" + strings.Repeat(")", 250),
		"a long reference":   "x := input" + strings.Repeat(".user", 12000),
		"a reference inside": "x := " + strings.Repeat("input[", 250) + "1" + strings.Repeat("]", 250),
		"names in a circle":  "decision := x\n\nx := y\n\ny := x\n\np if { a := b; b := a; a == 1; input[a].c == b }",
		"a name of itself":   "x := x\n\nf(x) := f(x)\n\ndecision := x if x == 1",
		"a chain of names":   chain + "decision := a1500 if a1500.gropus == 1",
		"each of each":       "a := [b, b, b, b, b, b, b, b, b, b, b, b]\nb := [c, c, c, c, c, c, c, c, c, c, c, c]\nc := [d, d, d, d, d, d, d, d, d, d, d, d]\nd := [e, e, e, e, e, e, e, e, e, e, e, e]\ne := [1]\ndecision := {\"allow\": true, \"reasons\": a, \"scopes\": a}\nt if x with input as {\"user\": {\"groups\": a}}",
		"else":               "x := 1 if input.a\n" + many(3000, "else := %[1]d if input.b\n"),
		"rules":              many(3000, "r%[1]d if r%[2]d\n"),
		"one name":           many(4000, "p if input.x == %[1]d\n"),
		"answers":            many(900, "decision := {\"allow\": true, \"scope\": [%[1]d]} if not input.a\n"),
		"comments":           many(2500, "# lint:ignore p%[1]d\n"),
		"comments that fit":  many(1500, "# lint:ignore email-equality because\n") + "x := 1",
		"loops":              "x if {\n" + many(2000, "some a%[1]d in input.user.groups\n") + "}",
		"every":              "x if " + strings.Repeat("every a in input.user.groups { ", 60) + "true" + strings.Repeat(" }", 60),
		"unify":              "x if {\n" + many(3000, "v%[1]d = v%[2]d\n") + "}",
		"a long name":        "x := input." + strings.Repeat("g", 60000),
		"a pattern":          "x if regex.match(`" + strings.Repeat("(a*)*", 2000) + "`, input.client.name)",
		"a large repetition": "x if regex.match(`^((a{1000}){1000}){1000}$`, input.client.name)",
		"bytes":              "x := \"\x00\xff\"",
		"a large number":     "x := 1e999999999 if 1e999999999 == 2",
		"a set":              "x := {" + strings.Repeat("{},", 15000) + "{}}",
		"input as a name":    "input.x := 1\ndata.y := 2\ninput[x] := 1 if x := 2",
		"empty":              "",
		"an empty call":      "x if f()\n\nf() := 1",
		"templates":          "x := $\"{input.user.gropus} {" + strings.Repeat("[", 100) + "\"",
	}
}

// Whatever is written, the check ends, soon, and says what it did not look at.
func TestHostile(t *testing.T) {
	for name, module := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			text := map[string]string{"policy.rego": head + module}
			all := lint.Check(t.Context(), text, map[string]string{"a_test.rego": head + module}, nil, lint.Options{Budget: time.Second})
			if took := time.Since(begun); took > 10*time.Second { // a budget of one, on a machine that is busy
				t.Errorf("it took %s", took)
			}
			if len(all) > 2*lint.MaxFindings+len(lint.Rules()) { // what is found, and what is said of comments
				t.Errorf("%d findings", len(all))
			}
			for _, f := range all {
				if len(f.Text) > 600 || len(f.Fix) > 600 || strings.Contains(f.Text, "runtime error") || strings.Contains(f.Text, "nil pointer") {
					t.Errorf("%s", clip(f.String()))
				}
			}
		})
	}
}

// A policy of the largest size there is, of which every part reads every other.
func TestLargest(t *testing.T) {
	modules := map[string]string{}
	for i := range policy.MaxModules {
		var b strings.Builder
		b.WriteString(head)
		for n := 0; b.Len() < policy.MaxModuleSize-100; n++ {
			fmt.Fprintf(&b, "r%d_%d if data.chancery == data.chancery.authz\n", i, n)
		}
		modules[fmt.Sprint(i, ".rego")] = b.String()
	}
	modules["0.rego"] = head + grants + "data.chancery.authz.x == 1\n"
	begun := time.Now()
	all := lint.Check(t.Context(), modules, nil, nil, lint.Options{})
	if took := time.Since(begun); took > 20*time.Second { // a budget of two
		t.Errorf("it took %s", took)
	} else {
		t.Logf("%s, %d findings", took, len(all))
	}
	if !lint.Failed(all) {
		t.Error("what was not read was passed")
	}
}

func clip(s string) string { return s[:min(len(s), 700)] }

func TestBounds(t *testing.T) {
	good := map[string]string{"policy.rego": head + closed}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	files := map[string]string{}
	for i := range policy.MaxModules + 1 {
		files[fmt.Sprint(i, ".rego")] = head + closed
	}
	many := strings.Builder{}
	for i := range 2 * lint.MaxFindings {
		fmt.Fprintf(&many, "r%d := input.x%d\n", i, i)
	}
	cases := []struct {
		name    string
		ctx     context.Context
		modules map[string]string
		rule    string
		want    string
	}{
		{"no time", over, good, "incomplete", "its time is over"},
		{"too many files", t.Context(), files, "incomplete", "too large"},
		{"too large a file", t.Context(), map[string]string{"a.rego": strings.Repeat(" ", policy.MaxModuleSize+1)}, "parse-error", "at most"},
		{"too many findings", t.Context(), map[string]string{"a.rego": head + many.String()}, "incomplete", "too many findings"},
		{"an empty file", t.Context(), map[string]string{"a.rego": ""}, "parse-error", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := named(lint.Check(c.ctx, c.modules, nil, nil, lint.Options{}), c.rule)
			if len(got) == 0 || !strings.Contains(got[0].Text, c.want) || !lint.Failed(got) {
				t.Errorf("%v", got)
			}
		})
	}
	if got := lint.Check(t.Context(), good, nil, nil, lint.Options{}); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := lint.Check(t.Context(), nil, nil, nil, lint.Options{}); lint.Failed(got) {
		t.Errorf("nothing: %v", got)
	}
}

// What is said of a policy is the same each time, and in the order of its text.
func TestOrder(t *testing.T) {
	e := lint.Example{Module: grants + "{\n\tinput.zzz\n\tinput.user.email == 1\n\tinput.aaa\n\tx := 1\n}\n\ny := {\"password\": \"hunter2hunter2\"}\n", Data: `{"a": {"scopes": ["*"]}, "b": {"scope": ["b:*"]}}`}
	first := fmt.Sprint(check(t, e, lint.Options{}))
	for range 20 {
		if again := fmt.Sprint(check(t, e, lint.Options{})); again != first {
			t.Fatalf("%s\n%s", first, again)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, template := range rego.Templates() {
		for _, text := range template.Modules {
			f.Add(text)
		}
		for _, text := range template.Tests {
			f.Add(text)
		}
	}
	for _, r := range lint.Rules() {
		f.Add(head + r.Bad.Module)
		f.Add(head + r.Good.Module)
	}
	for _, text := range hostile() {
		if len(text) < 2000 {
			f.Add(head + text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, found := range lint.Check(t.Context(), map[string]string{"a.rego": text}, map[string]string{"a_test.rego": text}, map[string]any{"a": []any{text}}, lint.Options{}) {
			if found.Rule == "incomplete" && !strings.Contains(found.Text, "its time is over") && !strings.Contains(found.Text, "too") {
				t.Errorf("%s", found)
			}
		}
	})
}

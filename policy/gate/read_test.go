package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
	"github.com/chancery-dev/chancery/policy/lint"
	"github.com/chancery-dev/chancery/policy/policytest"
)

const guarded = "decision := {\"allow\": true} if input.user.id != \"\"\n\ndecision := {\"allow\": false, \"deny\": [\"nobody\"]} if not input.user"

const tests = "package chancery.authz_test\n\nimport data.chancery.authz\n\ntest_yes if authz.decision.allow with input as {\"user\": {\"id\": \"usr_1\"}}"

func tested() gate.Request {
	src := source(guarded)
	src.Tests = map[string]string{"notes_test.rego": tests}
	return gate.Request{Source: src}
}

// A misspelt member of input is an error with its place and the name that was meant.
func TestMistakesRefuse(t *testing.T) {
	r := gate.Request{Source: source("decision := {\"allow\": true} if \"editors\" in input.user.gropus")}
	_, err := gate.Examine(t.Context(), self(t), r)
	found, ok := errors.AsType[*gate.Findings](err)
	if !ok || len(found.Errors) != 1 {
		t.Fatalf("%v", err)
	}
	if f := found.Errors[0]; f.Rule != "unknown-input" || f.File != "notes.rego" || f.Row != 3 || f.Column == 0 || !strings.Contains(f.String(), "input.user.groups") {
		t.Errorf("%s", f)
	}
}

func TestWarningsAreCarriedBack(t *testing.T) {
	asked := tested()
	report, err := gate.Examine(t.Context(), self(t), asked)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings(asked)) == 0 || report.Tests != 1 || !report.Done {
		t.Errorf("%+v", report)
	}
}

// Where reading only advises, what a policy means is its author's matter; a name that no input has refuses all the same.
func TestAdvice(t *testing.T) {
	asked := gate.Request{Source: source("decision := {\"allow\": true, \"scopes\": input.requested.scopes}")}
	if _, err := gate.Examine(t.Context(), self(t), asked); err == nil {
		t.Error("allowing by default passed a strict reader")
	}
	asked.Advise = true
	report, err := gate.Examine(t.Context(), self(t), asked)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(report.Warnings(asked), func(f lint.Finding) bool { return f.Rule == "allow-by-default" }) {
		t.Errorf("the advice is %v", report.Warnings(asked))
	}
	asked.Source = source("decision := {\"allow\": true} if \"editors\" in input.user.gropus")
	_, err = gate.Examine(t.Context(), self(t), asked)
	if found, ok := errors.AsType[*gate.Findings](err); !ok || len(found.Errors) != 1 || found.Errors[0].Rule != lint.UnknownInput {
		t.Errorf("a misspelt member: %v", err)
	}
}

func TestCoverageFloor(t *testing.T) {
	r := tested()
	report, err := gate.Examine(t.Context(), self(t), r)
	if err != nil || report.Coverage == nil || report.Coverage.Percent() <= 0 || report.Coverage.Percent() >= 100 {
		t.Fatalf("%+v, %v", report.Coverage, err)
	}
	r.Floor = int(report.Coverage.Percent())
	if _, err := gate.Examine(t.Context(), self(t), r); err != nil {
		t.Errorf("at the floor: %v", err)
	}
	r.Floor++
	_, err = gate.Examine(t.Context(), self(t), r)
	if low, ok := errors.AsType[*gate.CoverageLow](err); !ok || low.File != "notes.rego" || low.Row != 5 {
		t.Errorf("below the floor: %v, %+v", err, low)
	}
	r.Source.Tests = nil
	if _, err = gate.Examine(t.Context(), self(t), r); err == nil {
		t.Error("without tests it passed")
	}
	template := gate.Request{Floor: 100, Source: policy.Source{
		Name: "groups", Role: policy.RoleGrant, Template: "group-scopes",
		Data: map[string]any{"grants": []any{map[string]any{"groups": []any{"g"}, "resource": "r", "scopes": []any{"s"}}}},
	}}
	if _, err := gate.Examine(t.Context(), self(t), template); err != nil {
		t.Errorf("a template: %v", err)
	}
}

func recorded(t *testing.T, change func(*policy.Input)) []byte {
	t.Helper()
	in := policytest.Alice()
	if change != nil {
		change(in)
	}
	text, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is quick on a request of nothing in particular may not be on those that there were.
func TestCostOnRecordedInputs(t *testing.T) {
	r := tested()
	r.Inputs = slices.Values([][]byte{recorded(t, nil), recorded(t, nil)})
	report, err := gate.Examine(t.Context(), self(t), r)
	if err != nil || report.Cost.Inputs != 2 || report.Cost.Longest < report.Cost.Mean || report.Cost.Mean <= 0 {
		t.Errorf("%+v, %v", report.Cost, err)
	}

	r.Source = source("decision := {\"allow\": true} if {\n\tg := input.user.groups\n\tcount([1 | g[_]; g[_]; g[_]; g[_]; g[_]; g[_]]) > 0\n}")
	if _, err := gate.Examine(t.Context(), self(t), r); err != nil {
		t.Fatalf("with one group: %v", err)
	}
	many := recorded(t, func(in *policy.Input) { in.User.Groups = slices.Repeat([]string{"00g1ab"}, 100) })
	r.Inputs = slices.Values([][]byte{recorded(t, nil), many})
	if _, err := gate.Examine(t.Context(), self(t), r); !errors.Is(err, gate.ErrTime) || !strings.Contains(err.Error(), "recorded input 2") {
		t.Errorf("with a hundred: %v", err)
	}
	r.Inputs = slices.Values([][]byte{[]byte(`{"version": 9}`)})
	if _, err := gate.Examine(t.Context(), self(t), r); err == nil {
		t.Error("an input that cannot be read passed")
	}
}

func TestReplayThreshold(t *testing.T) {
	r := tested()
	flips := 3
	r.Replay = func(context.Context) (int, error) { return flips, nil }
	r.MaxFlips = 3
	if report, err := gate.Examine(t.Context(), self(t), r); err != nil || report.Flips == nil || *report.Flips != 3 {
		t.Errorf("%+v, %v", report.Flips, err)
	}
	flips = 4
	_, err := gate.Examine(t.Context(), self(t), r)
	if many, ok := errors.AsType[*gate.TooManyFlips](err); !ok || many.Flips != 4 || many.Most != 3 {
		t.Errorf("%v", err)
	}
	r.Replay = func(context.Context) (int, error) { return 0, errors.New("no records") }
	if _, err := gate.Examine(t.Context(), self(t), r); err == nil {
		t.Error("a replay that failed passed")
	}
}

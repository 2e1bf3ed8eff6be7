package matrix_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/matrix"
)

// noon is a Monday.
var noon = time.Date(2026, 8, 31, 12, 0, 0, 0, time.UTC)

func axes() matrix.Axes {
	return matrix.Axes{
		Clients: []matrix.Client{
			{Client: policy.Client{ID: "cli_2", Name: "cursor", Plan: "free", Scopes: []string{"notes:read"}}, Resources: []string{"notes"}},
			{Client: policy.Client{ID: "cli_1", Name: "claude", Plan: "pro", Scopes: []string{"notes:write", "mail:send"}}, Resources: []string{"mail", "notes"}},
		},
		Resources: []matrix.Resource{
			{Resource: policy.Resource{Name: "notes", Scopes: []string{"notes:read", "notes:write"}}, Implies: map[string][]string{"notes:write": {"notes:read"}}},
			{Resource: policy.Resource{Name: "mail", Scopes: []string{"mail:send"}}},
		},
		Groups:   []string{"writers", "readers", "", "writers"},
		Programs: true,
	}
}

func template() policy.Source {
	grant := func(resource, group string, scopes ...any) map[string]any {
		return map[string]any{"groups": []any{group}, "resource": resource, "scopes": scopes}
	}
	return policy.Source{UID: "pol_gs", Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{
		"grants":  []any{grant("notes", "readers", "notes:read"), grant("notes", "writers", "notes:write")},
		"clients": []any{map[string]any{"clients": []any{"claude"}, "resource": "mail", "scopes": []any{"mail:send"}}},
	}}
}

func modules(role policy.Role, name, body string) policy.Source {
	return policy.Source{UID: "pol_" + name, Name: name, Role: role, Modules: map[string]string{name + ".rego": "package chancery.authz\n\n" + body}}
}

func set(tb testing.TB, sources ...policy.Source) *policy.Set {
	tb.Helper()
	var own []*policy.Compiled
	for _, src := range sources {
		c, err := policy.Compile(tb.Context(), src)
		if err != nil {
			tb.Fatalf("compile %s: %v", src.Name, err)
		}
		own = append(own, c)
	}
	s, err := policy.NewSet(own, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func options(tb testing.TB) matrix.Options {
	e := policy.NewInProcess(10*time.Second, policy.WithApprovals())
	tb.Cleanup(e.Close)
	return matrix.Options{Base: matrix.At(noon, policy.Tenant{ID: "ten_1"}), Evaluator: e}
}

func compute(t *testing.T, a matrix.Axes, sources ...policy.Source) matrix.Matrix {
	t.Helper()
	m, err := matrix.Compute(t.Context(), set(t, sources...), a, options(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func brief(c matrix.Cell) string {
	text := fmt.Sprintf("%s %s %s %s: ", c.Client, c.Resource, c.Who, c.Group)
	if c.Allow {
		return text + strings.Join(c.Scopes, " ")
	}
	return text + c.Code
}

func TestCells(t *testing.T) {
	var got []string
	for _, c := range compute(t, axes(), template()).Cells {
		got = append(got, brief(c))
	}
	want := []string{
		"claude mail group readers: policy_denied", "claude mail group writers: policy_denied", "claude mail person : policy_denied", "claude mail nobody : mail:send",
		"claude notes group readers: notes:read", "claude notes group writers: notes:read notes:write", "claude notes person : policy_denied", "claude notes nobody : policy_denied",
		"cursor mail group readers: client_resource", "cursor mail group writers: client_resource", "cursor mail person : client_resource", "cursor mail nobody : client_resource",
		"cursor notes group readers: notes:read", "cursor notes group writers: notes:read", "cursor notes person : policy_denied", "cursor notes nobody : policy_denied",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each cell is what the evaluator says of the request that stands behind it.
func TestOneChangeEach(t *testing.T) {
	one := func() matrix.Axes {
		a := axes()
		a.Clients, a.Resources, a.Groups, a.Programs = a.Clients[1:], a.Resources[:1], []string{"writers"}, false
		return a
	}
	const all = `"allow": true, "scopes": input.requested.scopes`
	tests := []struct {
		name   string
		change func(*matrix.Axes)
		body   string
		want   func(matrix.Cell) bool
	}{
		{"allowed", nil, all, func(c matrix.Cell) bool { return c.Allow && len(c.Scopes) == 2 && c.Code == "" }},
		{"step-up", nil, all + `, "step_up": {"acr_values": ["phr"]}`, func(c matrix.Cell) bool { return c.Allow && c.StepUp.ACRValues[0] == "phr" }},
		{"approval", nil, all + `, "approval": {"group": "security"}`, func(c matrix.Cell) bool { return c.Allow && c.Approval.Needs[0].Group == "security" }},
		{"lifetime", nil, all + `, "lifetime": 60`, func(c matrix.Cell) bool { return c.Lifetime == time.Minute }},
		{"denied with a word", nil, `"allow": true, "deny": ["closed"]`, func(c matrix.Cell) bool { return c.Code == policy.CodeDenied && c.Reason == "closed" }},
		{"denied with a reason", nil, `"allow": false, "reasons": [{"code": "x", "detail": "y"}]`, func(c matrix.Cell) bool { return c.Reason == "x: y" }},
		{"no scope left", nil, `"allow": true, "step_up": {"max_age": 1}`, func(c matrix.Cell) bool { return !c.Allow && c.Code == matrix.CodeScopeEmpty && c.StepUp == nil }},
		{"broken", nil, `"allow": 7`, func(c matrix.Cell) bool { return c.Code == policy.CodeResultInvalid }},
		{"a client without scopes", func(a *matrix.Axes) { a.Clients[0].Scopes = nil }, all, func(c matrix.Cell) bool { return c.Code == matrix.CodeNoScope }},
		{"a client without resources", func(a *matrix.Axes) { a.Clients[0].Resources = nil }, all, func(c matrix.Cell) bool { return c.Code == matrix.CodeClientResource }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := one()
			if test.change != nil {
				test.change(&a)
			}
			cells := compute(t, a, modules(policy.RoleGrant, "notes", "decision := {"+test.body+"}")).Cells
			if len(cells) != 2 || !test.want(cells[0]) {
				t.Errorf("%+v", cells)
			}
		})
	}
}

func TestOrderOfAxesDoesNotMatter(t *testing.T) {
	a, b := axes(), axes()
	slices.Reverse(b.Clients)
	slices.Reverse(b.Resources)
	slices.Reverse(b.Groups)
	b.Clients = append(b.Clients, b.Clients[0])
	b.Resources = append(b.Resources, b.Resources[1])
	if x, y := compute(t, a, template()), compute(t, b, template()); !reflect.DeepEqual(x, y) {
		t.Errorf("%+v\n%+v", x, y)
	}
}

// What the policies read that is one value in every cell is said, and nothing else.
func TestAssumes(t *testing.T) {
	hours := modules(policy.RoleGuard, "hours", "decision := {\"allow\": true} if {\n\tinput.time.hour < 18\n\tinput.client.plan != \"x\"\n\tnot input.network.ip\n\tnot input.user.attributes.left\n}")
	m := compute(t, axes(), template(), hours)
	want := []matrix.Assumption{{Member: "network.ip", Value: "absent"}, {Member: "time.hour", Value: "12"}, {Member: "user.attributes", Value: "absent"}, {Member: "user.groups_state", Value: `"complete"`}}
	if !slices.Equal(m.Assumes, want) || m.ReadsAll {
		t.Errorf("%+v, want %+v", m, want)
	}
	everything := modules(policy.RoleGuard, "all", `decision := {"allow": count(input) > 0}`)
	m = compute(t, axes(), template(), everything)
	var b bytes.Buffer
	if err := m.WriteTable(&b); err != nil || !m.ReadsAll || !strings.Contains(b.String(), "may read anything") {
		t.Errorf("%v: %s", err, b.String())
	}
}

// late gives no answer in time.
type late struct {
	asked atomic.Int32
	code  string
}

func (l *late) Decide(context.Context, *policy.Set, *policy.Input) policy.Decision {
	l.asked.Add(1)
	return policy.Decision{Code: l.code}
}

// Policies that do not answer are not asked for each of a hundred thousand cells.
func TestPoliciesThatDoNotAnswerAreGivenUp(t *testing.T) {
	many := axes()
	for i := range 5000 {
		many.Groups = append(many.Groups, fmt.Sprint(i))
	}
	for code, givenUp := range map[string]bool{policy.CodeTimeout: true, policy.CodeMemory: true, policy.CodeNone: false} {
		l := &late{code: code}
		o := options(t)
		o.Evaluator = l
		_, err := matrix.Compute(t.Context(), set(t, template()), many, o)
		if asked := l.asked.Load(); errors.Is(err, matrix.ErrTooSlow) != givenUp || givenUp != (asked < 200) {
			t.Errorf("%s: asked %d times, %v", code, asked, err)
		}
	}
}

func TestBounds(t *testing.T) {
	o := options(t)
	o.MaxCells = 15
	_, err := matrix.Compute(t.Context(), set(t, template()), axes(), o)
	if large, ok := errors.AsType[*matrix.TooLargeError](err); !ok || large.Cells != 16 || large.Max != 15 {
		t.Errorf("%v", err)
	}
	o.MaxCells = 16
	if m, err := matrix.Compute(t.Context(), set(t, template()), axes(), o); err != nil || len(m.Cells) != 16 {
		t.Errorf("%v: %d cells", err, len(m.Cells))
	}
	many := axes()
	for i := range 30_000 {
		many.Groups = append(many.Groups, fmt.Sprint(i))
	}
	o.MaxCells = 0
	if _, err := matrix.Compute(t.Context(), set(t, template()), many, o); err == nil {
		t.Error("no bound by default")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := matrix.Compute(cancelled, set(t, template()), axes(), options(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := matrix.Compute(t.Context(), nil, axes(), options(t)); err == nil {
		t.Error("no error without policies")
	}
	if m, err := matrix.Compute(t.Context(), set(t, template()), matrix.Axes{}, options(t)); err != nil || len(m.Cells) != 0 {
		t.Errorf("%v: %+v", err, m)
	}
}

func TestDiff(t *testing.T) {
	before := compute(t, axes(), template())
	if d := matrix.Diff(before, before); len(d.Changes) != 0 || d.Cells != 16 {
		t.Errorf("%+v", d)
	}
	narrowed := modules(policy.RoleGuard, "narrow", "decision := {\"allow\": true, \"scopes\": [\"notes:read\"]} if {\n\tinput.resource.name == \"notes\"\n\tinput.time.hour == 12\n}\n\ndecision := {\"allow\": true, \"step_up\": {\"max_age\": 60}} if input.resource.name == \"mail\"")
	a := axes()
	a.Groups = []string{"writers", "others"}
	d := matrix.Diff(before, compute(t, a, template(), narrowed))
	var got []string
	for _, c := range d.Changes {
		side := func(c *matrix.Cell) string {
			if c == nil {
				return "none"
			}
			_, text, _ := strings.Cut(brief(*c), ": ")
			return text
		}
		at := c.Before
		if at == nil {
			at = c.After
		}
		where, _, _ := strings.Cut(brief(*at), ":")
		got = append(got, where+": "+side(c.Before)+" -> "+side(c.After))
	}
	want := []string{
		"claude mail group others: none -> policy_denied", "claude mail group readers: policy_denied -> none", "claude mail nobody : mail:send -> mail:send",
		"claude notes group others: none -> policy_denied", "claude notes group readers: notes:read -> none", "claude notes group writers: notes:read notes:write -> notes:read",
		"cursor mail group others: none -> client_resource", "cursor mail group readers: client_resource -> none",
		"cursor notes group others: none -> policy_denied", "cursor notes group readers: notes:read -> none",
	}
	if !slices.Equal(got, want) || d.Cells != 20 {
		t.Errorf("%d cells, got\n%s\nwant\n%s", d.Cells, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(d.Assumes, []matrix.Assumption{{Member: "time.hour", Value: "12"}, {Member: "user.groups_state", Value: `"complete"`}}) {
		t.Errorf("%+v", d.Assumes)
	}
	var b bytes.Buffer
	if err := d.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10 of 20 cells differ", "allow, step-up any acr within 60 s", "not there", "time.hour: 12"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := d.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(&b).ReadAll(); err != nil || len(rows) != 11 {
		t.Errorf("%v: %d rows", err, len(rows))
	}
}

func TestForms(t *testing.T) {
	a := axes()
	a.Clients, a.Resources = a.Clients[1:], a.Resources[:1]
	a.Groups = []string{"=cmd|' /C calc'!A0", "with, comma \"q\"", "esc\x1b[2J"}
	m := compute(t, a, modules(policy.RoleGrant, "notes", `decision := {"allow": true, "scopes": ["notes:write"], "lifetime": 60, "approval": {"group": "sec"}}`))
	var text bytes.Buffer
	if err := m.WriteTable(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CLIENT", "claude  notes", "esc?[2J", "(no group)", "(nobody)", "notes:read notes:write", "1m0s", "in that group alone"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	var out bytes.Buffer
	if err := m.WriteCSV(&out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 6 || rows[0][0] != "client" || rows[1][2] != "'=cmd|' /C calc'!A0" || rows[3][2] != `with, comma "q"` {
		t.Errorf("%v: %q", err, rows)
	}
	j, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back matrix.Matrix
	if err := json.Unmarshal(j, &back); err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("%v: %s", err, j)
	}
}

func BenchmarkCompute(b *testing.B) {
	a := axes()
	for i := range 1000 {
		a.Groups = append(a.Groups, fmt.Sprint("group-", i))
	}
	s, o := set(b, template()), options(b)
	for b.Loop() {
		m, err := matrix.Compute(b.Context(), s, a, o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(m.Cells)), "cells")
	}
}

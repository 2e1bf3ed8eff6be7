package gate_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

var sink [][]byte

// TestMain lets the test binary be its own child.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case gate.Argument:
		os.Exit(gate.Main(os.Stdin, os.Stdout))
	case "memory":
		confined()
		for {
			b := make([]byte, 16<<20)
			for i := range b {
				b[i] = 1
			}
			sink = append(sink, b)
		}
	case "one-call":
		confined()
		sink = append(sink, make([]byte, 12_500_000_000))
		os.Exit(len(sink))
	case "stack":
		confined()
		os.Exit(deep(1))
	case "hang":
		confined()
		for {
			sink = nil
		}
	case "environment":
		fmt.Fprint(os.Stderr, "cannot allocate memory")
		if len(os.Environ()) == 1 {
			fmt.Fprint(os.Stdout, `{"done": true, "coverage": {}}`)
			os.Exit(0)
		}
		os.Exit(9)
	case "silent":
		os.Exit(0)
	case "half":
		fmt.Fprint(os.Stdout, `{"done": false}`)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func confined() {
	if err := gate.EnterFrom(gate.Memory); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
}

func deep(n int) int {
	var pad [1024]byte
	pad[n%1024] = 1
	if n < 0 {
		return 0
	}
	return deep(n+1) + int(pad[(n+1)%1024])
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func source(body string) policy.Source {
	return policy.Source{
		UID: "pol_1", Name: "notes", Revision: 1, Role: policy.RoleGrant,
		Modules: map[string]string{"notes.rego": "package chancery.authz\n\n" + body},
	}
}

const yes = `decision := {"allow": true} if input.user.id != ""`

func TestGoodPoliciesPass(t *testing.T) {
	tested := source(yes)
	tested.Tests = map[string]string{"notes_test.rego": "package chancery.authz_test\n\nimport data.chancery.authz\n\ntest_yes if authz.decision.allow with input as {\"user\": {\"id\": \"usr_1\"}}"}
	guard := source(yes)
	guard.Role, guard.Resources, guard.Actions = policy.RoleGuard, []string{"notes"}, []string{"issue"}
	template := policy.Source{
		Name: "groups", Role: policy.RoleGrant, Template: "group-scopes",
		Data: map[string]any{"grants": []any{map[string]any{"groups": []any{"g"}, "resource": "r", "scopes": []any{"s"}}}},
	}
	for name, src := range map[string]policy.Source{"plain": source(yes), "tested": tested, "guard": guard, "template": template} {
		t.Run(name, func(t *testing.T) {
			if err := gate.Check(t.Context(), self(t), src); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestManyGrantsPass(t *testing.T) {
	grants := make([]any, 100_000)
	for i := range grants {
		grants[i] = map[string]any{"groups": []any{fmt.Sprintf("group-%d", i)}, "resource": fmt.Sprintf("resource-%d", i%100), "scopes": []any{"read"}}
	}
	src := policy.Source{Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{"grants": grants}}
	start := time.Now()
	if err := gate.Check(t.Context(), self(t), src); err != nil {
		t.Error(err)
	}
	t.Logf("checked in %s", time.Since(start))
}

func TestBadPoliciesAreRefused(t *testing.T) {
	if e, ok := errors.AsType[*policy.CompileError](gate.Check(t.Context(), self(t), source("decision := http.send({})"))); !ok || e.File != "notes.rego" || e.Row != 3 {
		t.Errorf("%#v", e)
	}
	failing := source(yes)
	failing.Tests = map[string]string{"notes_test.rego": "package chancery.authz_test\n\ntest_no if false"}
	if e, ok := errors.AsType[*gate.TestsFailed](gate.Check(t.Context(), self(t), failing)); !ok || len(e.Results) != 1 || e.Results[0].Name != "test_no" {
		t.Errorf("%#v", e)
	}
	loop := source("decision := {\"allow\": true} if {\n\tn := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\tcount([1 | n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]]) > 0\n}")
	if err := gate.Check(t.Context(), self(t), loop); !errors.Is(err, gate.ErrTime) || !strings.Contains(err.Error(), "action") {
		t.Error(err)
	}
}

// A page of Rego that no deadline stops: the type of each line is twice that of the
// line before.
func TestCompilerBombCostsTheChildOnly(t *testing.T) {
	var b strings.Builder
	for _, name := range []string{"a", "b"} {
		b.WriteString(name + " := x60 if {\n\tx0 := [input.user.id]\n")
		for i := 1; i <= 60; i++ {
			fmt.Fprintf(&b, "\tx%d := [x%d, x%d]\n", i, i-1, i-1)
		}
		b.WriteString("}\n\n")
	}
	b.WriteString("decision := {\"allow\": a == b}")
	start := time.Now()
	err := gate.Check(t.Context(), self(t), source(b.String()))
	if !errors.Is(err, gate.ErrTime) && !errors.Is(err, policy.ErrMemory) {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

// T59: what the built-ins' list forbids, done by the child itself.
func TestTheChildDiesAlone(t *testing.T) {
	for argument, want := range map[string]error{
		"memory": policy.ErrMemory, "one-call": policy.ErrMemory, "stack": policy.ErrMemory, "hang": gate.ErrTime,
	} {
		t.Run(argument, func(t *testing.T) {
			if err := gate.CheckAs(t.Context(), self(t), argument, source(yes)); !errors.Is(err, want) {
				t.Errorf("error is %v, want %v", err, want)
			}
		})
	}
}

func TestTheChildInheritsNoEnvironment(t *testing.T) {
	t.Setenv("CHANCERY_ADMIN_TOKEN", "secret")
	if err := gate.CheckAs(t.Context(), self(t), "environment", source(yes)); err != nil {
		t.Error(err)
	}
}

func TestNoReportIsNoPass(t *testing.T) {
	for _, argument := range []string{"silent", "half"} {
		if err := gate.CheckAs(t.Context(), self(t), argument, source(yes)); err == nil {
			t.Errorf("%s passed", argument)
		}
	}
	if err := gate.Check(t.Context(), "/nonexistent/chancery", source(yes)); err == nil {
		t.Error("no binary passed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := gate.Check(ctx, self(t), source(yes)); err == nil {
		t.Error("a cancelled check passed")
	}
}

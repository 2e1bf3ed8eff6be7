package gate_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// What comes with a template may be anything: its tests, and a schema of its data.
func TestWhatComesWithATemplate(t *testing.T) {
	plain := policy.Source{UID: "pol_1", Name: "plans", Revision: 1, Role: policy.RoleGuard, Template: "plan-scopes", Data: map[string]any{"plans": []any{}}}
	test := func(body string) map[string]string {
		return map[string]string{"a_test.rego": "package chancery.authz_test\n\nimport data.chancery.authz\n\n" + body}
	}
	passes := plain
	passes.Tests = test("test_a if authz.decision with input as {}")
	if err := gate.Check(t.Context(), self(t), passes); err != nil {
		t.Errorf("a test that passes: %v", err)
	}
	fails := plain
	fails.Tests = test("test_a if {\n\tauthz.decision\n\tcount(input) == 1\n}")
	if _, ok := errors.AsType[*gate.TestsFailed](gate.Check(t.Context(), self(t), fails)); !ok {
		t.Error("a test that fails passed")
	}

	definitions := map[string]any{"d0": map[string]any{"type": "object"}}
	for i := 1; i <= 60; i++ { // 2^60 ways through it
		twice := map[string]any{"$ref": fmt.Sprintf("#/definitions/d%d", i-1)}
		definitions[fmt.Sprintf("d%d", i)] = map[string]any{"allOf": []any{twice, twice}}
	}
	endless := plain
	endless.DataSchema = map[string]any{"definitions": definitions, "$ref": "#/definitions/d60"}
	if err := gate.Check(t.Context(), self(t), endless); !errors.Is(err, gate.ErrTime) && !errors.Is(err, policy.ErrMemory) {
		t.Errorf("a schema without end: %v", err)
	}
}

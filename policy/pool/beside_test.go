package pool_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/matrix"
	"github.com/chancery-dev/chancery/policy/policytest"
)

// However often an administrator has a policy explained that does not end, replayed or put to a matrix, the requests of others
// find an evaluator.
func TestWhatNobodyWaitsForLeavesRoom(t *testing.T) {
	w := open(t, 5*time.Second, nil)
	bomb, err := policy.Isolate(policytest.Grant(loop))
	if err != nil {
		t.Fatal(err)
	}
	good := isolated(t, policytest.Grant(yes))
	if d := w.Decide(t.Context(), good, policytest.Alice()); !d.Allow {
		t.Fatalf("%+v", d)
	}
	beside := policy.NewInProcess(5*time.Second, policy.WithFar(w.pool), policy.Beside())
	t.Cleanup(beside.Close)

	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 { // each with a set of its own, as requests to the server have
		all.Go(func() { _, _ = w.Explain(ctx, bomb, policytest.Alice()) })
		all.Go(func() { _, _ = w.Say(ctx, bomb, policytest.Alice()) })
		set := isolated(t, policytest.Grant(loop))
		all.Go(func() { beside.Decide(ctx, set, policytest.Alice()) })
	}
	time.Sleep(200 * time.Millisecond) // they hold what they can
	for range 20 {
		began := time.Now()
		if d := w.Decide(t.Context(), good, policytest.Alice()); !d.Allow {
			t.Fatalf("%+v", d)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("it waited %v", took)
		}
		time.Sleep(10 * time.Millisecond) // what is beside keeps its place meanwhile
	}
	cancel()
	all.Wait()
}

// A matrix of isolated policies is that of the same policies here; without the pool, everything in it is denied.
func TestMatrixElsewhere(t *testing.T) {
	w := open(t, patience, nil)
	src := policytest.Grant("decision := {\"allow\": true, \"scopes\": input.requested.scopes} if \"editors\" in input.user.group_names")
	axes := matrix.Axes{
		Clients:   []matrix.Client{{Client: policy.Client{ID: "agent", Name: "agent", Scopes: []string{"notes:read"}}, Resources: []string{"notes"}}},
		Resources: []matrix.Resource{{Resource: policy.Resource{Name: "notes", URI: "https://notes.example", Scopes: []string{"notes:read"}}}},
		Groups:    []string{"editors", "sales"},
	}
	of := func(set *policy.Set, e policy.Evaluator) matrix.Matrix {
		t.Helper()
		m, err := matrix.Compute(t.Context(), set, axes, matrix.Options{Base: matrix.At(time.Unix(1_800_000_000, 0), policy.Tenant{ID: "ten_1"}), Evaluator: e})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	allowed := func(m matrix.Matrix) (groups []string) {
		for _, c := range m.Cells {
			if c.Allow {
				groups = append(groups, c.Group)
			}
		}
		return groups
	}
	near, far := of(compiled(t, src), w), of(isolated(t, src), w)
	if !reflect.DeepEqual(near.Cells, far.Cells) || !slices.Equal(allowed(far), []string{"editors"}) {
		t.Errorf("here %+v, elsewhere %+v", near.Cells, far.Cells)
	}
	without := policy.NewInProcess(patience)
	t.Cleanup(without.Close)
	if m := of(isolated(t, src), without); len(m.Cells) != len(far.Cells) || allowed(m) != nil {
		t.Errorf("without the pool %+v", m.Cells)
	}
}

// A schema that comes with a template, without end and slipped into storage, costs its own tenant only.
func TestSchemaWithoutEnd(t *testing.T) {
	w := open(t, patience, nil)
	definitions := map[string]any{"d0": map[string]any{"type": "object"}}
	for i := 1; i <= 60; i++ {
		twice := map[string]any{"$ref": fmt.Sprintf("#/definitions/d%d", i-1)}
		definitions[fmt.Sprintf("d%d", i)] = map[string]any{"allOf": []any{twice, twice}}
	}
	bomb := isolated(t, policytest.Grant(yes), policy.Source{
		UID: "pol_2", Name: "plans", Role: policy.RoleGuard, Template: "plan-scopes", Data: map[string]any{"plans": []any{}},
		DataSchema: map[string]any{"definitions": definitions, "$ref": "#/definitions/d60"},
	})
	d := w.Decide(t.Context(), bomb, policytest.Alice())
	if d.Allow || d.Code != policy.CodeTimeout && d.Code != policy.CodeMemory {
		t.Errorf("%+v", d)
	}
	if d := w.Decide(t.Context(), isolated(t, policytest.Grant(yes)), policytest.Alice()); !d.Allow {
		t.Errorf("another tenant: %+v", d)
	}
}

package pool_test

import (
	"fmt"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/policytest"
	"github.com/chancery-dev/chancery/rego"
)

// groups is the template that everybody starts from, with n entries, the last of which is alice's.
func groups(n int) policy.Source {
	grants := make([]any, 0, n)
	for i := range n - 1 {
		grants = append(grants, map[string]any{"groups": []any{fmt.Sprintf("group-%d", i)}, "resource": fmt.Sprintf("resource-%d", i%100), "scopes": []any{"read"}})
	}
	grants = append(grants, map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}})
	return policy.Source{UID: "pol_g", Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{"grants": grants}}
}

// largest is the text of the template with the most of it, as a tenant might have it that changes a line.
func largest(b *testing.B) policy.Source {
	b.Helper()
	src, size := policy.Source{}, 0
	for _, name := range rego.Names() {
		t, _ := rego.Lookup(name)
		n := 0
		for _, text := range t.Modules {
			n += len(text)
		}
		if n > size {
			size = n
			src = policy.Source{UID: "pol_l", Name: name, Role: policy.RoleGrant, Modules: t.Modules, Data: map[string]any{
				"grants": []any{map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}}},
			}}
		}
	}
	b.Logf("the largest template is %s, %d bytes", src.Name, size)
	return src
}

// What a policy costs a grant, in process and in a child.
func BenchmarkDecide(b *testing.B) {
	tenants := make([]policy.Source, 1000)
	for i := range tenants {
		tenants[i] = policytest.Grant(fmt.Sprintf("decision := {\"allow\": true, \"scopes\": input.available_scopes, \"lifetime\": %d} if \"notes-editors\" in input.user.group_names", i+1))
	}
	for _, c := range []struct {
		name    string
		sources []policy.Source
	}{
		{"default policy", []policy.Source{groups(10)}},
		{"largest template", []policy.Source{largest(b)}},
		{"100000 entries", []policy.Source{groups(100_000)}},
		{"1000 tenants", tenants},
	} {
		b.Run(c.name+"/in process", func(b *testing.B) {
			shelf := policy.NewShelf(0)
			sets := make([]*policy.Set, len(c.sources))
			for i, src := range c.sources {
				one, err := shelf.Compile(b.Context(), src)
				if err != nil {
					b.Fatal(err)
				}
				if sets[i], err = policy.NewSet([]*policy.Compiled{one}, nil); err != nil {
					b.Fatal(err)
				}
			}
			e := policy.NewInProcess(patience)
			defer e.Close()
			decideAll(b, e, sets)
		})
		b.Run(c.name+"/process", func(b *testing.B) {
			w := open(b, patience, nil)
			sets := make([]*policy.Set, len(c.sources))
			for i, src := range c.sources {
				sets[i] = isolated(b, src)
			}
			decideAll(b, w.InProcess, sets)
		})
	}
}

func decideAll(b *testing.B, e *policy.InProcess, sets []*policy.Set) {
	b.Helper()
	in := policytest.Alice()
	for _, s := range sets[:min(len(sets), 100)] { // compiled wherever it is
		if d := e.Decide(b.Context(), s, in); d.Code != "" && d.Code != policy.CodeDenied {
			b.Fatalf("%+v", d)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e.Decide(b.Context(), sets[n%len(sets)], in)
		n++
	}
}

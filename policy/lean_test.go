package policy_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/chancery-dev/chancery/policy"
)

// What is held of a policy decides and explains as the whole does.
func TestLeanDecidesAlike(t *testing.T) {
	index := "package chancery.authz.index\n\nnames := {n | some n in data.policy.names}"
	withIndex := func(body string) policy.Source {
		s := grant(body)
		s.Modules["index.rego"] = index
		s.Data = map[string]any{"names": []any{"claude"}, "open": true}
		return s
	}
	withData := grant(`decision := {"allow": true} if input.client.name in data.policy.names`)
	withData.Data = map[string]any{"names": []any{"claude"}}
	for name, src := range map[string]policy.Source{
		"template":         groupScopes(50),
		"no data":          grant(`decision := {"allow": true, "scopes": input.requested.scopes}`),
		"data":             withData,
		"index only":       withIndex(`decision := {"allow": true} if input.client.name in data.chancery.authz.index.names`),
		"import of index":  withIndex("import data.chancery.authz.index\n\ndecision := {\"allow\": true} if input.client.name in index.names"),
		"index and data":   withIndex(`decision := {"allow": data.policy.open} if input.client.name in data.chancery.authz.index.names`),
		"import of policy": withIndex("import data.policy as p\n\ndecision := {\"allow\": p.open} if input.client.name in data.chancery.authz.index.names"),
		"data by variable": withIndex("decision := {\"allow\": true} if {\n\tsome k in [\"policy\"]\n\tdata[k].open\n}"),
		"data in brackets": withIndex("m := {true: \"yes\"}\n\ndecision := {\"allow\": true} if data.chancery.authz.m[data.policy.open] == \"yes\""),
		"data as argument": withIndex("f(d) := d.open\n\ndecision := {\"allow\": f(data.policy)}"),
		"a member called":  withIndex(`decision := {"allow": object.get(data.policy, "open", false)}`),
	} {
		t.Run(name, func(t *testing.T) {
			whole := compile(t, src)
			lean, err := whole.Lean(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if lean.Ref() != whole.Ref() || lean.Source().Binds != whole.Source().Binds {
				t.Errorf("%+v and %+v", lean.Source(), whole.Source())
			}
			a, err := policy.NewSet([]*policy.Compiled{whole}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := policy.NewSet([]*policy.Compiled{lean}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e := policy.NewInProcess(patience)
			defer e.Close()
			if d := e.Decide(t.Context(), b, alice()); !d.Allow {
				t.Errorf("alice: %+v", d)
			}
			r := rand.New(rand.NewPCG(7, 8))
			for range 100 {
				in := randomInput(r)
				in.Action, in.Resource = policy.ActionIssue, alice().Resource
				if full, lean := fmt.Sprintf("%+v", e.Decide(t.Context(), a, in)), fmt.Sprintf("%+v", e.Decide(t.Context(), b, in)); full != lean {
					t.Fatalf("\n whole %s\n lean  %s", full, lean)
				}
			}
			ofWhole, err1 := whole.Explain(t.Context(), alice())
			ofLean, err2 := lean.Explain(t.Context(), alice())
			if fmt.Sprint(ofWhole, err1) != fmt.Sprint(ofLean, err2) {
				t.Errorf("explained %v, %v and %v, %v", ofWhole, err1, ofLean, err2)
			}
		})
	}
}

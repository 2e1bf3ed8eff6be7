package policy

import "testing"

// A policy that decides by lookups in its index holds no data besides it; one that reads its data keeps them.
func TestLeanDropsWhatIsNotRead(t *testing.T) {
	data := map[string]any{"grants": []any{map[string]any{"groups": []any{"editors"}, "resource": "notes", "scopes": []any{"notes:read"}}}}
	own := func(body string) map[string]string {
		return map[string]string{
			"index.rego": "package chancery.authz.index\n\ngroups := {g | some grant in data.policy.grants; some g in grant.groups}",
			"notes.rego": "package chancery.authz\n\n" + body,
		}
	}
	for name, c := range map[string]struct {
		src   Source
		keeps bool
	}{
		"template":         {Source{Template: "group-scopes", Data: data}, false},
		"own index":        {Source{Modules: own(`decision := {"allow": true} if "editors" in data.chancery.authz.index.groups`), Data: data}, false},
		"data as well":     {Source{Modules: own(`decision := {"allow": true} if data.policy.grants`), Data: data}, true},
		"data imported":    {Source{Modules: own("import data.policy as p\n\ndecision := {\"allow\": true} if p.grants"), Data: data}, true},
		"data in brackets": {Source{Modules: own("m := {1: 2}\n\ndecision := {\"allow\": true} if data.chancery.authz.m[count(data.policy.grants)]"), Data: data}, true},
		"data by name":     {Source{Modules: own("decision := {\"allow\": true} if data[\"policy\"].grants"), Data: data}, true},
		"data in else":     {Source{Modules: own("decision := {\"allow\": false} if input.none else := {\"allow\": true} if data.policy.grants"), Data: data}, true},
		"data in a head":   {Source{Modules: own("m[x] := data.policy.grants if some x in [1]\n\ndecision := {\"allow\": true} if m[1]"), Data: data}, true},
		"data under with":  {Source{Modules: own("ok if data.chancery.authz.index.groups\n\ndecision := {\"allow\": true} if ok with input as data.policy"), Data: data}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.src.UID, c.src.Name, c.src.Role = "pol_1", "notes", RoleGrant
			whole, err := Compile(t.Context(), c.src)
			if err != nil {
				t.Fatal(err)
			}
			lean, err := whole.Lean(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if kept := lean.query.data.Get(policyKey) != nil; kept != c.keeps {
				t.Errorf("data kept: %v", kept)
			}
			if lean.plain != nil || lean.tests != nil || lean.data != nil || lean.src.Data != nil {
				t.Error("it holds what only tests need")
			}
		})
	}
}

package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/chancery-dev/chancery/policy"
)

func hashed() policy.Source {
	return policy.Source{
		UID: "pol_1", Name: "notes", Revision: 3, Role: policy.RoleGuard,
		Resources: []string{"notes"}, Actions: []string{"issue"},
		Modules: map[string]string{"a.rego": "package chancery.authz\n", "b.rego": "package chancery.authz\n# <é>\n"},
		Data:    map[string]any{"limit": json.Number("9007199254740992"), "part": json.Number("0.1")}, DataSchema: map[string]any{"type": "object"},
		Tests: map[string]string{"a_test.rego": "package chancery.authz\n"},
	}
}

func TestHashBindsWhatDecides(t *testing.T) {
	before := hashed().Hash()
	if len(before) != 64 {
		t.Fatalf("hash %q", before)
	}
	for name, change := range map[string]func(*policy.Source){
		"role":                           func(s *policy.Source) { s.Role = policy.RoleGrant },
		"binds":                          func(s *policy.Source) { s.Binds = policy.BindsAll },
		"resources":                      func(s *policy.Source) { s.Resources = []string{"wiki"} },
		"any resource":                   func(s *policy.Source) { s.Resources = nil },
		"no resource":                    func(s *policy.Source) { s.Resources = []string{} },
		"actions":                        func(s *policy.Source) { s.Actions = nil },
		"template":                       func(s *policy.Source) { s.Template = "groups" },
		"a module":                       func(s *policy.Source) { s.Modules["a.rego"] += " " },
		"a file's name":                  func(s *policy.Source) { s.Modules["c.rego"] = s.Modules["b.rego"]; delete(s.Modules, "b.rego") },
		"a test moved among the modules": func(s *policy.Source) { s.Modules["a_test.rego"] = s.Tests["a_test.rego"]; s.Tests = nil },
		"a number past 2^53":             func(s *policy.Source) { s.Data["limit"] = json.Number("9007199254740993") },
		"a long fraction":                func(s *policy.Source) { s.Data["part"] = json.Number("0.10000000000000000001") },
		"a number as text":               func(s *policy.Source) { s.Data["part"] = "0.1" },
		"data as its schema":             func(s *policy.Source) { s.Data, s.DataSchema = s.DataSchema, s.Data },
		"tests":                          func(s *policy.Source) { s.Tests = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := hashed()
			change(&s)
			if after := s.Hash(); after == before || after == "" {
				t.Errorf("hash %q before, %q after", before, after)
			}
		})
	}
	for name, change := range map[string]func(*policy.Source){
		"uid":         func(s *policy.Source) { s.UID = "pol_2" },
		"name":        func(s *policy.Source) { s.Name = "wiki" },
		"revision":    func(s *policy.Source) { s.Revision = 4 },
		"the default": func(s *policy.Source) { s.Binds = policy.BindsTenant },
	} {
		t.Run(name, func(t *testing.T) {
			s := hashed()
			change(&s)
			if after := s.Hash(); after != before {
				t.Errorf("hash %q before, %q after", before, after)
			}
		})
	}
}

// What is no UTF-8 cannot be told from another such text once it is JSON.
func TestHashOfWhatCannotBeWritten(t *testing.T) {
	for _, change := range []func(*policy.Source){
		func(s *policy.Source) { s.Modules["a.rego"] = "\xff" },
		func(s *policy.Source) { s.Tests = map[string]string{"\xff.rego": ""} },
		func(s *policy.Source) { s.Data["f"] = func() {} },
	} {
		s := hashed()
		change(&s)
		if h := s.Hash(); h != "" {
			t.Errorf("hash %q", h)
		}
	}
}

// The hash is that of what was written, with its template by name, before and after it is compiled and made lean.
func TestCompiledNamesItsHash(t *testing.T) {
	src := grant(yes)
	c := compile(t, src)
	lean, err := c.Lean(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := src.Hash(); want == "" || c.Ref().Hash != want || lean.Ref().Hash != want || c.Source().Hash() != want {
		t.Errorf("%q compiled, %q lean, %q of the source; want %q", c.Ref().Hash, lean.Ref().Hash, c.Source().Hash(), want)
	}
}

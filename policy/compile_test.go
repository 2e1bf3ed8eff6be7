package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/policy"
)

const yes = `decision := {"allow": true}`

// refused compiles what must not compile and returns the first reason, which must
// be about file.
func refused(t *testing.T, src policy.Source, file string) *policy.CompileError {
	t.Helper()
	_, err := policy.Compile(t.Context(), src)
	var e *policy.CompileError
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want a *CompileError", err)
	}
	if e.File != file {
		t.Errorf("error %q is about %q, want %q", e, e.File, file)
	}
	return e
}

// T58: every built-in that OPA knows and that is not on the reviewed list is refused,
// also one that a new version of OPA brings.
func TestBuiltinsOffTheListAreRefused(t *testing.T) {
	allowed := policy.Builtins()
	known := map[string]bool{}
	banned := 0
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		known[b.Name] = true
		if slices.Contains(allowed, b.Name) {
			continue
		}
		banned++
		t.Run(b.Name, func(t *testing.T) {
			args := make([]string, len(b.Decl.FuncArgs().Args))
			for i := range args {
				args[i] = "input.user.id"
			}
			call := b.Name + "(" + strings.Join(args, ", ") + ")"
			for _, body := range []string{
				yes + "\n\nx := " + call,
				yes + " if " + call,
				"decision := {\"allow\": true, \"claims\": {\"x\": y}} if y := " + call,
			} {
				if _, err := policy.Compile(t.Context(), grant(body)); err == nil {
					t.Errorf("compiled: %s", body)
				}
			}
		})
	}
	if banned < 100 {
		t.Errorf("only %d built-ins are banned", banned)
	}
	for _, name := range allowed {
		if !known[name] {
			t.Errorf("builtins.txt names %q, which OPA does not have", name)
		}
	}
}

func TestReachingOutIsNotOnTheList(t *testing.T) {
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		if b.Nondeterministic && slices.Contains(policy.Builtins(), b.Name) {
			t.Errorf("%s is not deterministic", b.Name)
		}
	}
	for _, name := range []string{
		"http.send", "net.lookup_ip_addr", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122", "print", "trace",
		"internal.print", "io.jwt.decode", "io.jwt.decode_verify", "io.jwt.encode_sign", "json.match_schema", "rego.parse_module",
		"providers.aws.sign_req", "bits.lsh", "graph.reachable_paths", "numbers.range", "walk", "json.marshal", "strings.replace_n",
	} {
		if slices.Contains(policy.Builtins(), name) {
			t.Errorf("%s is on the list", name)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*policy.Source)
		file   string
		says   string
	}{
		"no role":              {func(s *policy.Source) { s.Role = "" }, "role", "grant or guard"},
		"unknown role":         {func(s *policy.Source) { s.Role = "Grant" }, "role", "grant or guard"},
		"unknown binds":        {func(s *policy.Source) { s.Binds = "everyone" }, "binds", "tenant or all"},
		"a grant for all":      {func(s *policy.Source) { s.Binds = policy.BindsAll }, "binds", "only a guard"},
		"no modules":           {func(s *policy.Source) { s.Modules = nil }, "modules", "template or modules"},
		"template and modules": {func(s *policy.Source) { s.Template = "group-scopes" }, "template", "not both"},
		"unknown template":     {func(s *policy.Source) { s.Modules, s.Template = nil, "groups" }, "template", "group-scopes"},
		"no resources":         {func(s *policy.Source) { s.Resources = []string{} }, "applies_to", "never be asked"},
		"empty resource":       {func(s *policy.Source) { s.Resources = []string{""} }, "applies_to", "empty resource"},
		"no actions":           {func(s *policy.Source) { s.Actions = []string{} }, "applies_to", "never be asked"},
		"unknown action":       {func(s *policy.Source) { s.Actions = []string{"issues"} }, "applies_to", "issues"},
		"empty module":         {func(s *policy.Source) { s.Modules["notes.rego"] = "" }, "notes.rego", "empty"},
		"syntax":               {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz\n\nx := {" }, "notes.rego", ""},
		"rego v0":              {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz\n\nallow { true }" }, "notes.rego", "if"},
		"rego v2":              {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz\n\nimport rego.v2\n\n" + yes }, "notes.rego", ""},
		"template string": {func(s *policy.Source) {
			s.Modules["notes.rego"] = "package chancery.authz\n\nx := $\"{input.user.id}\"\n\n" + yes
		}, "notes.rego", ""},
		"unsafe variable": {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz\n\ndecision := x" }, "notes.rego", "unsafe"},
		"unused import": {func(s *policy.Source) {
			s.Modules["notes.rego"] = "package chancery.authz\n\nimport data.policy\n\n" + yes
		}, "notes.rego", "unused"},
		"unused local": {func(s *policy.Source) {
			s.Modules["notes.rego"] = "package chancery.authz\n\ndecision := {\"allow\": true} if x := 1"
		}, "notes.rego", "unused"},
		"shadowed input": {func(s *policy.Source) {
			s.Modules["notes.rego"] = "package chancery.authz\n\nf(input) := input\n\n" + yes
		}, "notes.rego", ""},
		"recursion": {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz\n\ndecision := decision" }, "notes.rego", "recursive"},
		"two defaults": {func(s *policy.Source) {
			s.Modules["notes.rego"] = "package chancery.authz\n\ndefault decision := {}\n\ndefault decision := {\"allow\": true}"
		}, "notes.rego", ""},
		"no decision":    {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz\n\nallow := true" }, "modules", "decision"},
		"decision below": {func(s *policy.Source) { s.Modules["notes.rego"] = "package chancery.authz.sub\n\n" + yes }, "modules", "decision"},
		"huge number": {func(s *policy.Source) {
			s.Modules["notes.rego"] = "package chancery.authz\n\nx := 1e999999999\n\n" + yes
		}, "notes.rego", "number too big"},
		"too large": {func(s *policy.Source) { s.Modules["notes.rego"] += "\n# " + strings.Repeat("x", policy.MaxModuleSize) }, "notes.rego", "at most"},
		"too deep": {func(s *policy.Source) {
			s.Modules["notes.rego"] += "\n\nx := " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
		}, "notes.rego", "recursion"},
		"too many": {func(s *policy.Source) {
			for i := range policy.MaxModules {
				s.Modules[strings.Repeat("m", i+1)] = "package chancery.authz.m"
			}
		}, "modules", "at most"},
		"data too large":   {func(s *policy.Source) { s.Data = map[string]any{"x": strings.Repeat("x", 65<<10)} }, "data", "large"},
		"data not UTF-8":   {func(s *policy.Source) { s.Data = map[string]any{"x": "\xff"} }, "data", "UTF-8"},
		"data too deep":    {func(s *policy.Source) { s.Data = nested(policy.MaxDataDepth + 1) }, "data", "deep"},
		"data of a type":   {func(s *policy.Source) { s.Data = map[string]any{"x": make(chan int)} }, "data", "JSON"},
		"schema violated":  {func(s *policy.Source) { s.DataSchema = map[string]any{"required": []any{"grants"}} }, "data", "grants"},
		"schema broken":    {func(s *policy.Source) { s.DataSchema = map[string]any{"type": "strnig"} }, "data_schema", ""},
		"schema elsewhere": {func(s *policy.Source) { s.DataSchema = map[string]any{"$ref": "http://192.0.2.1/s.json"} }, "data_schema", "not available"},
		"schema in a file": {func(s *policy.Source) { s.DataSchema = map[string]any{"$ref": "file:///etc/passwd"} }, "data_schema", "not available"},
		"test of nothing": {func(s *policy.Source) {
			s.Tests = map[string]string{"notes_test.rego": "package chancery.authz\n\nx := 1"}
		}, "notes_test.rego", "test"},
		"test shadows": {func(s *policy.Source) {
			s.Tests = map[string]string{"notes.rego": "package chancery.authz\n\ntest_x if true"}
		}, "notes.rego", "name of a module"},
		"test elsewhere": {func(s *policy.Source) {
			s.Tests = map[string]string{"notes_test.rego": "package system\n\ntest_x if true"}
		}, "notes_test.rego", "chancery.authz"},
	} {
		t.Run(name, func(t *testing.T) {
			src := grant(yes)
			tc.change(&src)
			e := refused(t, src, tc.file)
			if !strings.Contains(e.Message, tc.says) {
				t.Errorf("message %q does not say %q", e.Message, tc.says)
			}
		})
	}
	compile(t, grant(yes))
}

func nested(depth int) map[string]any {
	m := map[string]any{}
	for range depth {
		m = map[string]any{"x": m}
	}
	return m
}

// T61: nothing outside chancery.authz can be defined.
func TestPackageCollision(t *testing.T) {
	for _, pkg := range []string{
		"chancery", "chancery.authzx", "chancery.base", "system", "system.authz", "policy", "policy.data", "input", "authz", "data.chancery.authz", `chancery["authz-x"]`,
	} {
		t.Run(pkg, func(t *testing.T) {
			src := grant(yes)
			src.Modules["other.rego"] = "package " + pkg + "\n\nx := 1"
			_ = refused(t, src, "other.rego")
		})
	}
	for _, pkg := range []string{"chancery.authz", "chancery.authz.helpers", `chancery.authz["x-y"]`} {
		src := grant(yes)
		src.Modules["other.rego"] = "package " + pkg + "\n\nx := 1"
		compile(t, src)
	}
}

// T61: two policies are compiled alone, so neither sees nor overrides the other.
func TestPoliciesDoNotSeeEachOther(t *testing.T) {
	a := grant("decision := {\"allow\": data.policy.allow}\n\nhidden := true")
	a.Data = map[string]any{"allow": true}
	b := guard("b", "decision := {\"allow\": true} if not data.chancery.authz.hidden")
	b.Data = map[string]any{"allow": false}
	if d := decide(t, alice(), a, b); !d.Allow {
		t.Errorf("%+v", d)
	}
}

func TestCompileErrorsNameTheirPlace(t *testing.T) {
	src := grant("decision := {\"allow\": http.send({})}")
	e := refused(t, src, "notes.rego")
	if e.Row != 3 || e.Col == 0 || !strings.Contains(e.Message, "http.send") {
		t.Errorf("%#v", e)
	}
	if got := e.Error(); !strings.HasPrefix(got, "notes.rego:3:") {
		t.Errorf("error is %q", got)
	}
}

func TestRunTests(t *testing.T) {
	src := grant(yes)
	src.Tests = map[string]string{"notes_test.rego": `package chancery.authz_test

import data.chancery.authz

test_passes if authz.decision.allow

test_undefined if data.policy.scopes

test_false := false

test_fails if authz.decision.allow with data.policy as {} with input as {"x": 1 / 0}

test_text := "true"

todo_test_ignored if false
`}
	results, err := compile(t, src).RunTests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var passed []string
	for _, r := range results {
		if r.Passed {
			passed = append(passed, r.Name)
		} else if r.Message == "" || r.Row == 0 || r.File != "notes_test.rego" {
			t.Errorf("%+v", r)
		}
	}
	if len(results) != 5 || !slices.Equal(passed, []string{"test_passes"}) {
		t.Errorf("%d results, passed %v", len(results), passed)
	}
}

func TestTestsCannotCallWhatPoliciesCannot(t *testing.T) {
	src := grant(yes)
	src.Tests = map[string]string{"notes_test.rego": "package chancery.authz\n\ntest_x if http.send({\"url\": \"http://192.0.2.1\"})"}
	c, err := policy.Compile(t.Context(), src)
	if err == nil {
		_, err = c.RunTests(t.Context())
	}
	if _, ok := errors.AsType[*policy.CompileError](err); !ok {
		t.Errorf("error is %v", err)
	}
}

func decide(t *testing.T, in *policy.Input, sources ...policy.Source) policy.Decision {
	t.Helper()
	e := policy.NewInProcess(patience)
	defer e.Close()
	return e.Decide(t.Context(), set(t, sources...), in)
}

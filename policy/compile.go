package policy

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/rego"
)

// entrypoint is the one document that is asked for.
const entrypoint = "data.chancery.authz.decision"

// Packages that modules live in or below, and those that tests may live in besides.
var (
	root     = ast.MustParseRef("data.chancery.authz")
	testRoot = ast.MustParseRef("data.chancery.authz_test")
)

// Compiled is a policy that passed every check, prepared once and evaluated many
// times. It does not change and may be used by many goroutines.
type Compiled struct {
	src    Source
	hash   string                 // of src as written
	data   ast.Object             // the whole of data: policy, and an index if there is one
	tests  map[string]*ast.Module // parsed tests member
	plain  map[string]*ast.Module // modules as parsed, for tests
	query  *query                 // data.chancery.authz.decision
	wants  wanted                 // what the modules read of input
	flight *flight
	// indexed: what is looked up was made of data.policy beforehand.
	indexed bool
	// Without a query: shelved has it (Shelf), or it is evaluated elsewhere (Isolate), where kept is compiled.
	shelved *shelved
	kept    *kept
	sees    wanted // what the text of one that is evaluated elsewhere may read of input
}

// Ref names the revision that was compiled.
func (c *Compiled) Ref() Ref {
	return Ref{UID: c.src.UID, Name: c.src.Name, Revision: c.src.Revision, Role: c.src.Role, Hash: c.hash}
}

// Source is what was compiled. Its maps must not be changed.
func (c *Compiled) Source() Source { return c.src }

// Compile checks a policy and prepares it. Every error is a CompileErrors, whose
// members are *CompileError. It does not run the tests member; RunTests does.
func Compile(ctx context.Context, src Source) (*Compiled, error) {
	hash := src.Hash()
	src, err := resolve(src)
	if err != nil {
		return nil, err
	}
	if err := checkAppliesTo(src); err != nil {
		return nil, err
	}
	data, err := policyData(src)
	if err != nil {
		return nil, err
	}
	modules, err := parse(src.Modules, root)
	if err != nil {
		return nil, err
	}
	tests, err := parse(src.Tests, root, testRoot)
	if err != nil {
		return nil, err
	}
	if err := checkTests(modules, tests); err != nil {
		return nil, err
	}
	c := &Compiled{src: src, hash: hash, tests: tests, plain: modules, flight: newFlight()}
	c.data = ast.NewObject([2]*ast.Term{ast.StringTerm("policy"), data})
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// resolve fills in what the template brings and what is left to its default.
func resolve(src Source) (Source, error) {
	switch {
	case src.Role != RoleGrant && src.Role != RoleGuard:
		return src, refuse("role", "role_unknown", "role is %q; it must be grant or guard", src.Role)
	case src.Binds == "":
		src.Binds = BindsTenant
	case src.Binds != BindsTenant && src.Binds != BindsAll:
		return src, refuse("binds", "binds_unknown", "binds is %q; it must be tenant or all", src.Binds)
	case src.Binds == BindsAll && src.Role == RoleGrant:
		return src, refuse("binds", "binds_grant", "only a guard can bind all tenants")
	}
	if src.Template == "" {
		if len(src.Modules) == 0 {
			return src, refuse("modules", "modules_absent", "a policy needs a template or modules")
		}
		return src, nil
	}
	if len(src.Modules) > 0 {
		return src, refuse("template", "template_and_modules", "a policy has a template or modules, not both")
	}
	t, ok := rego.Lookup(src.Template)
	if !ok {
		return src, refuse("template", "template_unknown", "template %q is unknown; there are %s", src.Template, strings.Join(rego.Names(), ", "))
	}
	if roles := t.Roles(); !slices.Contains(roles, string(src.Role)) {
		return src, refuse("role", "template_role", "template %q is for role %s: it takes away from what a grant policy grants", src.Template, strings.Join(roles, ", "))
	}
	src.Modules = maps.Clone(t.Modules)
	if err := checkSchema("data", t.DataSchema, src.Data); err != nil {
		return src, err
	}
	return src, nil
}

func checkAppliesTo(src Source) error {
	if src.Resources != nil && len(src.Resources) == 0 {
		return refuse("applies_to", "applies_to_empty", "applies_to.resources is empty: the policy would never be asked; leave it out for all")
	}
	if src.Actions != nil && len(src.Actions) == 0 {
		return refuse("applies_to", "applies_to_empty", "applies_to.actions is empty: the policy would never be asked; leave it out for all")
	}
	if slices.Contains(src.Resources, "") {
		return refuse("applies_to", "resource_empty", "applies_to.resources names an empty resource")
	}
	for _, a := range src.Actions {
		if actionIndex(Action(a)) < 0 {
			return refuse("applies_to", "action_unknown", "applies_to.actions names %q; the actions are %v", a, Actions())
		}
	}
	return nil
}

// policyData is data.policy, checked against the object's own schema.
func policyData(src Source) (*ast.Term, error) {
	c := &converter{room: MaxSchemaSize}
	if c.any(src.DataSchema, 1); c.err != nil {
		return nil, refuse("data_schema", "schema_refused", "%s", c.err)
	}
	if src.DataSchema != nil {
		if err := checkSchema("data", src.DataSchema, src.Data); err != nil {
			return nil, err
		}
	}
	c = &converter{room: MaxDataSize}
	m := src.Data
	if m == nil {
		m = map[string]any{}
	}
	data := c.object(m, 1)
	if c.err != nil {
		return nil, refuse("data", "data_refused", "%s", c.err)
	}
	return data, nil
}

// parse reads modules as Rego v1 and holds them to their package and limits.
func parse(files map[string]string, packages ...ast.Ref) (map[string]*ast.Module, error) {
	if len(files) > MaxModules {
		return nil, refuse("modules", "modules_too_many", "%d modules; at most %d", len(files), MaxModules)
	}
	var errs CompileErrors
	modules := make(map[string]*ast.Module, len(files))
	for _, name := range sortedKeys(files) {
		m, err := parseModule(name, files[name], packages)
		if err != nil {
			errs = append(errs, compileErrors(name, err)...)
			continue
		}
		modules[name] = m
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return modules, nil
}

func parseModule(name, text string, packages []ast.Ref) (*ast.Module, error) {
	if len(text) > MaxModuleSize {
		return nil, refuse(name, "module_too_large", "%d bytes; at most %d", len(text), MaxModuleSize)
	}
	shallow := ast.NewParser().WithFilename(name).WithReader(strings.NewReader(text)).
		WithCapabilities(capabilities()).WithRegoVersion(ast.RegoV1).WithMaxRecursionDepth(MaxModuleDepth)
	if _, _, errs := shallow.Parse(); len(errs) > 0 {
		return nil, errs
	}
	m, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{Capabilities: capabilities(), RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, refuse(name, "module_empty", "the module is empty")
	}
	if !slices.ContainsFunc(packages, m.Package.Path.HasPrefix) {
		return nil, located(name, m.Package.Location, "package_refused", "package is %s; it must be chancery.authz or below it", strings.TrimPrefix(m.Package.Path.String(), "data."))
	}
	return m, checkLiterals(name, m)
}

// checkLiterals refuses numbers that a short text makes huge.
func checkLiterals(name string, m *ast.Module) error {
	var errs CompileErrors
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if n, ok := t.Value.(ast.Number); ok && !tameNumber(string(n)) {
			errs = append(errs, located(name, t.Location, "number_refused", "%s", errLongNumber)...)
		}
		return false
	})
	if len(errs) > 0 {
		return errs
	}
	return nil
}

func located(file string, at *ast.Location, code, format string, args ...any) CompileErrors {
	errs := refuse(file, code, format, args...)
	if at != nil {
		errs[0].Row, errs[0].Col = at.Row, at.Col
	}
	return errs
}

// checkTests keeps test files apart from the policy: they hold test rules and their
// fixtures, and no name of a module.
func checkTests(modules, tests map[string]*ast.Module) error {
	for _, name := range sortedKeys(tests) {
		if _, ok := modules[name]; ok {
			return refuse(name, "test_shadows_module", "a test has the name of a module")
		}
		if !slices.ContainsFunc(tests[name].Rules, isTest) {
			return refuse(name, "test_empty", "no rule named test_… : the file would test nothing")
		}
	}
	return nil
}

// prepare evaluates the index package, if there is one, and compiles the rest.
func (c *Compiled) prepare(ctx context.Context) error {
	modules, data, err := c.index(ctx)
	if err != nil {
		return err
	}
	c.indexed = len(modules) < len(c.plain)
	c.query, err = newQuery(ctx, modules, data, entrypoint)
	if err != nil {
		return err
	}
	c.wants = wantedBy(c.query.compiler)
	if !definesDecision(modules) {
		return refuse("modules", "decision_absent", "no module defines decision in package chancery.authz")
	}
	return nil
}

// prepared is what answers for the policy in this process.
func (c *Compiled) prepared(ctx context.Context) (*query, error) {
	switch {
	case c.query != nil:
		return c.query, nil
	case c.shelved != nil:
		return c.shelved.ask(ctx)
	}
	return nil, errIsolated
}

func definesDecision(modules map[string]*ast.Module) bool {
	for _, m := range modules {
		if !m.Package.Path.Equal(root) {
			continue
		}
		for _, r := range m.Rules {
			if r.Head.Name.Equal(ast.Var("decision")) || strings.HasPrefix(r.Head.Ref().String(), "decision") {
				return true
			}
		}
	}
	return false
}

package object

import (
	"maps"
	"slices"
	"strings"
)

// actions are those of docs/policy.md.
func actions() []string {
	return []string{"issue", "authorize", "refresh", "exchange", "vend", "connect", "evaluate"}
}

// Validate implements Spec. What needs a compiler is the Checker's matter.
func (s *PolicySpec) Validate() error {
	var f findings
	if s.Role == "" {
		f.add("spec.role", "is required: expected grant or guard")
	}
	f.oneOf("spec.role", s.Role, RoleGrant, RoleGuard)
	f.oneOf("spec.binds", s.Binds, BindsTenant, BindsAll)
	if s.Binds == BindsAll && s.Role != RoleGuard {
		f.add("spec.binds", "all is for a guard: a grant of one tenant would give in every other")
	}
	s.AppliesTo.check(&f)
	f.value("spec.template", s.Template, nameProblem)
	switch {
	case s.Template == "" && len(s.Modules) == 0:
		f.add("spec", "has neither template nor modules")
	case s.Template != "" && len(s.Modules) > 0:
		f.add("spec", "has both template and modules: expected one")
	}
	checkFiles(&f, "spec.modules", s.Modules, "chancery.authz")
	checkFiles(&f, "spec.tests", s.Tests, "chancery.authz", "chancery.authz_test")
	return f.err()
}

// An empty list is not an absent one: it would never be asked, which for a guard is a hole.
func (a AppliesTo) check(f *findings) {
	if a.Resources != nil && len(a.Resources) == 0 {
		f.add("spec.applies_to.resources", "is empty: leave it out for all resources, or name some")
	}
	if a.Actions != nil && len(a.Actions) == 0 {
		f.add("spec.applies_to.actions", "is empty: leave it out for all actions, or name some")
	}
	f.each("spec.applies_to.resources", a.Resources, nameProblem)
	f.eachOf("spec.applies_to.actions", a.Actions, actions()...)
}

// checkFiles: names of Rego files, and a package in our own name space (docs/grants.md).
func checkFiles(f *findings, path string, files map[string]string, packages ...string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".rego") || strings.ContainsAny(name, `/\`) || textProblem(name) != "" {
			f.add(path, "%s is no file name ending in .rego", quote(name))
		}
		if p, found := packageOf(files[name]); found && !slices.Contains(packages, p) && !strings.HasPrefix(p, "chancery.authz.") {
			f.add(path+"."+name, "package %s: expected %s, or one below chancery.authz", quote(p), strings.Join(packages, " or "))
		}
	}
}

// packageOf finds the package line; what it does not find the compiler refuses.
func packageOf(text string) (string, bool) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
		case fields[0] == "package" && len(fields) > 1:
			return fields[1], true
		default:
			return "", false
		}
	}
	return "", false
}

// Keys implements Spec.
func (s *PolicySpec) Keys() []Key { return nil }

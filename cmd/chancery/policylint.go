package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/lint"
)

// policyChecked is what is said of one Policy object: why it would be refused, and what
// a reader should look at.
type policyChecked struct {
	Tenant   string           `json:"tenant"`
	Policy   string           `json:"policy"`
	Good     bool             `json:"good"`
	Problems []object.Problem `json:"problems,omitempty"`
	Findings []lint.Finding   `json:"findings,omitempty"`
}

func checkPolicy(ctx context.Context, checker regocheck.Checker, written objectfile.Written, p namedPolicy) policyChecked {
	problems := checker.CheckPolicy(ctx, p.object.Metadata.Name, p.spec)
	for i := range problems {
		problems[i].Object = p.object.Label()
	}
	var data any
	if p.spec.Data != nil {
		data = p.spec.Data
	}
	// A template is not the author's: of an object that names one, only the data is read.
	findings := lint.Check(ctx, p.spec.Modules, p.spec.Tests, data, lint.Options{
		Role: policy.Role(p.spec.Role), DataSchema: p.spec.DataSchema, Scopes: scopesOf(written.Objects, p),
	})
	// The gate reads too, and knows less of the neighbours.
	problems = slices.DeleteFunc(problems, func(problem object.Problem) bool {
		return slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Rule == problem.Code })
	})
	return policyChecked{
		Tenant: p.object.TenantName(), Policy: p.object.Metadata.Name,
		Good: len(problems) == 0 && !lint.Failed(findings), Problems: problems, Findings: findings,
	}
}

// scopesOf is what the resources of a policy know; nil where one of them is not in the files.
func scopesOf(objects []object.Object, p namedPolicy) []string {
	named := p.spec.AppliesTo.Resources
	if len(named) == 0 {
		return nil
	}
	scopes, found := []string{}, 0
	for _, o := range objects {
		spec, ok := o.Spec.(*object.ResourceSpec)
		if !ok || o.TenantName() != p.object.TenantName() || !slices.Contains(named, o.Metadata.Name) {
			continue
		}
		found++
		for name := range spec.Scopes {
			scopes = append(scopes, name)
		}
	}
	if found != len(named) {
		return nil
	}
	slices.Sort(scopes)
	return scopes
}

// write is the check of one policy for people.
func (p policyChecked) write(w io.Writer, of namedPolicy, written objectfile.Written) {
	answer := "ok   "
	if !p.Good {
		answer = "FAIL "
	}
	_, _ = fmt.Fprintf(w, "%s %s\n", answer, of.object.Label())
	for _, problem := range p.Problems {
		_, _ = fmt.Fprintln(w, "      "+visible(written.Locate(problem)))
	}
	for _, f := range p.Findings {
		_, _ = fmt.Fprintln(w, "      "+visible(written.Locate(of.place(f))))
	}
}

// place is a finding as a problem of the object, which the files know the place of.
func (p namedPolicy) place(f lint.Finding) object.Problem {
	path := "spec"
	if f.File != "" {
		path += "." + f.File
	}
	if f.Row > 0 {
		member := "modules"
		if _, ok := p.spec.Tests[f.File]; ok {
			member = "tests"
		}
		path = fmt.Sprintf("spec.%s.%s:%d:%d", member, f.File, f.Row, f.Column)
	}
	text := fmt.Sprintf("%s: %s: %s", f.Severity, f.Rule, f.Text)
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	return object.Problem{Object: p.object.Label(), Path: path, Code: f.Rule, Text: text}
}

package lint

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/chancery-dev/chancery/policy"
)

// Check reads the modules and tests of one policy, by file name, and its data, as
// policy.Source holds them. It answers in the order of the text; whatever a policy
// holds, it comes back, and what it did not finish is a finding of its own.
func Check(ctx context.Context, modules, tests map[string]string, data any, o Options) []Finding {
	budget := o.Budget
	if budget == 0 {
		budget = DefaultBudget
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	rules := Rules()
	p := &pass{ctx: ctx, options: o, rules: rules, data: data}
	p.guarded(ruleParse, func(p *pass) { p.read(modules, tests) })
	for _, r := range rules {
		if r.check != nil {
			p.guarded(r.Name, r.check)
		}
	}
	return p.finish()
}

// pass is one check of one policy.
type pass struct {
	ctx     context.Context // for the length of one call
	options Options
	rules   []Rule
	data    any

	files    []*file // modules, then tests, by name
	branches []*branch
	broken   bool // a file could not be read: the whole is not known
	steps    int
	rule     Rule // the one that is looking
	found    []Finding
	seen     map[string]bool
	cut      bool // there was more to say

	input      *node
	policyData *node
	aliases    map[string]*ast.Term
	rulesRead  *graph
}

var (
	errLate = errors.New("its time is over")
	errLong = errors.New("the policy is too large")
	errMany = errors.New("there are too many findings")
)

// guarded runs one rule. Whatever it meets ends it, and nothing else.
func (p *pass) guarded(name string, check func(*pass)) {
	p.rule, _ = lookup(p.rules, name)
	p.steps = 0
	defer func() {
		if r := recover(); r != nil {
			p.cut = true
			p.found = append(p.found, p.finding(ruleIncomplete, fmt.Sprintf("%s did not come to its end: %v", name, r)))
		}
	}()
	if p.ctx.Err() != nil {
		panic(errLate)
	}
	check(p)
}

func (p *pass) finding(rule, text string) Finding {
	r, _ := lookup(p.rules, rule)
	return Finding{Rule: r.Name, Severity: r.Severity, Text: text, Page: r.Page()}
}

// step counts one thing that is looked at.
func (p *pass) step() {
	p.steps++
	if p.steps > maxSteps {
		panic(errLong)
	}
	if p.steps%512 == 0 && p.ctx.Err() != nil {
		panic(errLate)
	}
}

// walk visits x and what is in it; f says whether to stay out of what it was given.
func (p *pass) walk(x any, f func(any) bool) {
	ast.NewGenericVisitor(func(x any) bool {
		p.step()
		return f(x)
	}).Walk(x)
}

// say adds a finding of the rule that is looking.
func (p *pass) say(f *file, at *ast.Location, fix, format string, args ...any) {
	p.sayAs(p.rule.Severity, f, at, fix, format, args...)
}

func (p *pass) sayAs(severity Severity, f *file, at *ast.Location, fix, format string, args ...any) {
	found := p.finding(p.rule.Name, clip(fmt.Sprintf(format, args...)))
	found.Severity, found.Fix = severity, clip(fix)
	if f != nil {
		found.File = f.name
	}
	if at != nil {
		found.Row, found.Column = at.Row, at.Col
	}
	key := found.String()
	if p.seen[key] {
		return
	}
	if len(p.found) >= MaxFindings {
		panic(errMany)
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[key] = true
	p.found = append(p.found, found)
}

// clip keeps what a policy makes long out of a line for people.
func clip(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (p *pass) read(modules, tests map[string]string) {
	if len(modules) > policy.MaxModules || len(tests) > policy.MaxModules {
		panic(errLong)
	}
	for _, part := range []struct {
		files map[string]string
		test  bool
	}{{modules, false}, {tests, true}} {
		for _, name := range slices.Sorted(maps.Keys(part.files)) {
			f := &file{name: name, test: part.test}
			m, err := parse(name, part.files[name])
			if err != nil {
				p.broken = true
				p.unreadable(f, err)
				continue
			}
			f.open(m)
			p.files = append(p.files, f)
			if p.ctx.Err() != nil {
				panic(errLate)
			}
		}
	}
	p.branch()
}

// parse reads one file as package policy does, but knows every built-in there is.
func parse(name, text string) (*ast.Module, error) {
	if len(text) > policy.MaxModuleSize {
		return nil, fmt.Errorf("%d bytes; at most %d", len(text), policy.MaxModuleSize)
	}
	caps := ast.CapabilitiesForThisVersion()
	shallow := ast.NewParser().WithFilename(name).WithReader(bytes.NewReader([]byte(text))).
		WithCapabilities(caps).WithRegoVersion(ast.RegoV1).WithMaxRecursionDepth(policy.MaxModuleDepth)
	if _, _, errs := shallow.Parse(); len(errs) > 0 {
		return nil, errs
	}
	m, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{Capabilities: caps, RegoVersion: ast.RegoV1})
	if err == nil && m == nil {
		err = errors.New("the file is empty")
	}
	return m, err
}

func (p *pass) unreadable(f *file, err error) {
	errs, ok := errors.AsType[ast.Errors](err)
	if !ok {
		p.say(f, nil, "", "%s", err)
		return
	}
	for _, e := range errs {
		p.say(f, e.Location, "", "%s", e.Message)
	}
}

// finish takes out what is ignored with a reason, and puts the rest in order.
func (p *pass) finish() []Finding {
	var all []Finding
	done := false
	p.guarded(ruleIgnore, func(p *pass) { all, done = p.ignore(), true })
	if !done {
		all = p.found // with what guarded says of it
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text))
	})
	return all
}

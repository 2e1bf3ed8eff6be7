package lint

import (
	"bytes"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// file is one module or test as it was read.
type file struct {
	name    string
	test    bool
	module  *ast.Module
	pkg     string                // data.chancery.authz
	imports map[ast.Var]*ast.Term // what a name of an import stands for
	rules   map[string]bool       // the names of its rules
	code    map[int]bool          // rows on which a statement begins
	remarks map[int]bool          // rows on which a comment begins
}

// The packages of a policy.
const (
	pkgRoot  = "data.chancery.authz"
	pkgIndex = "data.chancery.authz.index"
)

func (f *file) open(m *ast.Module) {
	f.module, f.pkg = m, m.Package.Path.String()
	f.imports = map[ast.Var]*ast.Term{}
	for _, i := range m.Imports {
		if r, ok := i.Path.Value.(ast.Ref); ok && len(r) > 0 && !ast.Var("rego").Equal(r[0].Value) {
			f.imports[i.Name()] = i.Path
		}
	}
	f.rules, f.code, f.remarks = map[string]bool{}, map[int]bool{}, map[int]bool{}
	for _, r := range m.Rules {
		f.rules[firstName(r)] = true
	}
	for _, c := range m.Comments {
		f.remarks[c.Location.Row] = true
	}
	ast.NewGenericVisitor(func(x any) bool {
		if t, ok := x.(*ast.Term); ok && t.Location != nil {
			f.code[t.Location.Row] = true
		}
		return false
	}).Walk(m)
}

// index reports whether the file is evaluated beforehand, without input.
func (f *file) index() bool { return f.pkg == pkgIndex || strings.HasPrefix(f.pkg, pkgIndex+".") }

// branch is one way to one value: a rule, or one else of it.
type branch struct {
	file  *file
	whole *ast.Rule // with every else
	rule  *ast.Rule // this one; its Else is not part of it
	name  string    // the first name of its head
	scope *scope
}

// branch takes the rules of all files apart.
func (p *pass) branch() {
	for _, f := range p.files {
		for _, whole := range f.module.Rules {
			for r := whole; r != nil; r = r.Else {
				b := &branch{file: f, whole: whole, rule: r, name: firstName(whole)}
				b.scope = p.newScope(b)
				p.branches = append(p.branches, b)
			}
		}
	}
}

func firstName(r *ast.Rule) string {
	if ref := r.Head.Ref(); len(ref) > 0 {
		if v, ok := ref[0].Value.(ast.Var); ok {
			return string(v)
		}
	}
	return string(r.Head.Name)
}

// parts are what belongs to a branch and not to its else.
func (b *branch) parts() []any {
	head := b.rule.Head
	parts := []any{head.Args}
	for _, t := range head.Ref()[min(1, len(head.Ref())):] {
		parts = append(parts, t)
	}
	if head.Key != nil {
		parts = append(parts, head.Key)
	}
	if head.Value != nil {
		parts = append(parts, head.Value)
	}
	return append(parts, b.rule.Body)
}

// walkBranch visits a branch without its else.
func (p *pass) walkBranch(b *branch, f func(any) bool) {
	for _, part := range b.parts() {
		p.walk(part, f)
	}
}

// modules are the branches of the policy itself, tests those of its tests.
func (p *pass) modules() []*branch { return p.which(false) }
func (p *pass) tests() []*branch   { return p.which(true) }

func (p *pass) which(test bool) []*branch {
	var some []*branch
	for _, b := range p.branches {
		if b.file.test == test {
			some = append(some, b)
		}
	}
	return some
}

// unconditional reports whether a branch holds whatever is asked.
func (b *branch) unconditional() bool {
	if b.rule.Default {
		return true
	}
	for _, e := range b.rule.Body {
		if t, ok := e.Terms.(*ast.Term); !ok || e.Negated || !ast.Boolean(true).Equal(t.Value) {
			return false
		}
	}
	return true
}

func (b *branch) at() *ast.Location {
	if b.rule.Location != nil {
		return b.rule.Location
	}
	return b.rule.Head.Location
}

// lines counts the rows of a rule with every else.
func lines(r *ast.Rule) int {
	if r.Location == nil {
		return 0
	}
	return 1 + bytes.Count(r.Location.Text, []byte("\n"))
}

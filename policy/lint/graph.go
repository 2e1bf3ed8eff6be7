package lint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// graph is which rules read which, by name: data.chancery.authz.granted.
type graph struct {
	rules map[string][]*branch
	step  func() // counts what is looked at
}

func (p *pass) graph() *graph {
	if p.rulesRead == nil {
		p.rulesRead = &graph{rules: map[string][]*branch{}, step: p.step}
		for _, b := range p.branches {
			key := b.file.pkg + "." + b.name
			p.rulesRead.rules[key] = append(p.rulesRead.rules[key], b)
		}
	}
	return p.rulesRead
}

// named are the rules that a term may name.
func (g *graph) named(b *branch, t *ast.Term) []string {
	switch v := t.Value.(type) {
	case ast.Var:
		return g.variable(b, v, nil)
	case ast.Ref:
		if len(v) == 0 {
			return nil
		}
		if v[0].Equal(ast.DefaultRootDocument) {
			return g.path(v)
		}
		if name, ok := v[0].Value.(ast.Var); ok {
			return g.variable(b, name, v[1:])
		}
	}
	return nil
}

func (g *graph) variable(b *branch, v ast.Var, rest ast.Ref) []string {
	if i, ok := b.file.imports[v]; ok {
		if r, ok := i.Value.(ast.Ref); ok && len(r) > 0 && r[0].Equal(ast.DefaultRootDocument) {
			return g.path(append(append(ast.Ref{}, r...), rest[:min(len(rest), maxPath)]...))
		}
		return nil
	}
	if key := b.file.pkg + "." + string(v); g.rules[key] != nil {
		return []string{key}
	}
	return nil
}

// path is a reference into data: a rule, or a package and all in it.
func (g *graph) path(r ast.Ref) []string {
	names := []string{"data"}
	for _, t := range r[1:min(len(r), maxPath)] {
		name, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		names = append(names, string(name))
		if key := strings.Join(names, "."); g.rules[key] != nil {
			return []string{key}
		}
	}
	key := strings.Join(names, ".")
	var all []string
	for name := range g.rules {
		g.step()
		if strings.HasPrefix(name, key+".") {
			all = append(all, name)
		}
	}
	return all
}

// reached are the rules that those of begin read, themselves included.
func (p *pass) reached(begin []string, reads func(b *branch, add func(*ast.Term))) map[string]bool {
	g := p.graph()
	seen := map[string]bool{}
	for len(begin) > 0 {
		next := begin[len(begin)-1]
		begin = begin[:len(begin)-1]
		if seen[next] {
			continue
		}
		seen[next] = true
		for _, b := range g.rules[next] {
			reads(b, func(t *ast.Term) {
				for _, name := range g.named(b, t) {
					p.step()
					if !seen[name] {
						begin = append(begin, name)
					}
				}
			})
		}
	}
	return seen
}

package lint

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// scope is what the variables of one branch stand for, where that is plain.
type scope struct {
	p    *pass
	b    *branch
	vars map[ast.Var]*binding
}

// binding is where a variable gets its value.
type binding struct {
	term  *ast.Term // nil: not known
	how   how
	at    *ast.Location
	times int
	arg   bool
}

type how int

const (
	isTerm   how = iota // the value of term
	isMember            // one of the members of term
	isKey               // one of the keys of term
)

func (p *pass) newScope(b *branch) *scope {
	s := &scope{p: p, b: b, vars: map[ast.Var]*binding{}}
	for _, a := range b.rule.Head.Args {
		s.pattern(a, true)
	}
	p.walkBranch(b, func(x any) bool {
		switch x := x.(type) {
		case *ast.SomeDecl:
			s.some(x)
		case *ast.Every:
			if x.Key != nil {
				s.bind(x.Key, x.Domain, isKey)
			}
			s.bind(x.Value, x.Domain, isMember)
		case *ast.Expr:
			if terms, ok := x.Terms.([]*ast.Term); ok && len(terms) == 3 {
				switch operator(terms) {
				case "assign":
					s.assign(terms[1], terms[2])
				case "eq":
					s.unify(terms[1], terms[2])
				}
			}
		}
		return false
	})
	return s
}

func (s *scope) some(x *ast.SomeDecl) {
	for _, t := range x.Symbols {
		call, ok := t.Value.(ast.Call)
		switch {
		case !ok:
			s.bind(t, nil, isTerm)
		case operator(call) == "internal.member_2" && len(call) == 3:
			s.bind(call[1], call[2], isMember)
		case operator(call) == "internal.member_3" && len(call) == 4:
			s.bind(call[1], call[3], isKey)
			s.bind(call[2], call[3], isMember)
		}
	}
}

func (s *scope) bind(v, to *ast.Term, how how) {
	name, ok := variable(v)
	if !ok {
		s.pattern(v, false)
		return
	}
	if name.IsWildcard() {
		return
	}
	b := s.vars[name]
	if b == nil {
		b = &binding{at: v.Location}
		s.vars[name] = b
	}
	b.term, b.how = to, how
	b.times++
}

// variable is the name that a term is. OPA reads input and data as references.
func variable(t *ast.Term) (ast.Var, bool) {
	if r, ok := t.Value.(ast.Ref); ok && len(r) == 1 {
		t = r[0]
	}
	v, ok := t.Value.(ast.Var)
	return v, ok
}

// pattern binds what is inside an array or object on the left of an assignment.
func (s *scope) pattern(t *ast.Term, arg bool) {
	s.p.walk(t, func(x any) bool {
		term, ok := x.(*ast.Term)
		if !ok {
			return false
		}
		if v, isVar := variable(term); isVar && !v.IsWildcard() {
			s.bind(term, nil, isTerm)
			s.vars[v].arg = s.vars[v].arg || arg
		}
		_, isRef := term.Value.(ast.Ref)
		return isRef
	})
}

func (s *scope) assign(left, right *ast.Term) { s.bind(left, right, isTerm) }

// unify is "x = y": a variable that nothing else names gets the other side.
func (s *scope) unify(left, right *ast.Term) {
	for _, side := range [][2]*ast.Term{{left, right}, {right, left}} {
		if v, ok := side[0].Value.(ast.Var); ok && !s.global(v) {
			s.bind(side[0], side[1], isTerm)
			return
		}
	}
}

// global reports whether a name means something outside the branch.
func (s *scope) global(v ast.Var) bool {
	if v.Equal(ast.InputRootDocument.Value) || v.Equal(ast.DefaultRootDocument.Value) {
		return true
	}
	if _, ok := s.b.file.imports[v]; ok {
		return true
	}
	return s.b.file.rules[string(v)]
}

// operator is the name of what a call calls, or "".
func operator(call []*ast.Term) string {
	if len(call) == 0 {
		return ""
	}
	if r, ok := call[0].Value.(ast.Ref); ok {
		return r.String()
	}
	return ""
}

// place is somewhere in input or in data.policy.
type place struct {
	root    string   // input, or data.policy
	path    []string // each stands for one that is not named
	node    *node    // nil: anything
	changed bool     // lower(…) and the like: the kind holds, the values do not
}

const each = "*"

func (p place) String() string {
	var text strings.Builder
	text.WriteString(p.root)
	for _, name := range p.path {
		if name == each {
			text.WriteString("[_]")
			continue
		}
		text.WriteString("." + name)
	}
	return text.String()
}

// is reports whether the place is one of those named, such as user.email.
func (p place) is(paths ...string) bool {
	return p.root == rootInput && slices.Contains(paths, strings.Join(p.path, "."))
}

const (
	rootInput  = "input"
	rootPolicy = "data.policy"
)

func (p place) child(name string) place {
	child, _ := p.node.member(name)
	return place{root: p.root, path: append(slices.Clip(p.path), name), node: child}
}

func (p place) any() place {
	return place{root: p.root, path: append(slices.Clip(p.path), each), node: p.node.each()}
}

// place says where a term reads from, where that is plain.
func (s *scope) place(t *ast.Term) (place, bool) { return s.placeAt(t, 0) }

const (
	maxAliases = 16 // names that stand for names
	maxPath    = 64 // members of a reference
)

func (s *scope) placeAt(t *ast.Term, depth int) (place, bool) {
	s.p.step()
	if t == nil || depth > maxAliases {
		return place{}, false
	}
	switch v := t.Value.(type) {
	case ast.Var:
		return s.varAt(v, depth)
	case ast.Ref:
		return s.refAt(v, depth)
	case ast.Call:
		return s.callAt(v, depth)
	}
	return place{}, false
}

func (s *scope) varAt(v ast.Var, depth int) (place, bool) {
	if b := s.vars[v]; b != nil {
		if b.times != 1 || b.term == nil || b.how == isKey {
			return place{}, false
		}
		at, ok := s.placeAt(b.term, depth+1)
		if ok && b.how == isMember {
			return at.any(), true
		}
		return at, ok
	}
	if v.Equal(ast.InputRootDocument.Value) {
		return place{root: rootInput, node: s.p.inputSchema()}, true
	}
	if path, ok := s.b.file.imports[v]; ok {
		return s.outside().placeAt(path, depth+1)
	}
	if t := s.p.alias(s.b.file.pkg, string(v)); t != nil {
		return s.outside().placeAt(t, depth+1)
	}
	return place{}, false
}

// outside is the scope of the file, without the variables of the branch.
func (s *scope) outside() *scope { return &scope{p: s.p, b: s.b} }

func (s *scope) refAt(r ast.Ref, depth int) (place, bool) {
	at, rest, ok := s.base(r, depth)
	if !ok || len(rest) > maxPath {
		return place{}, false
	}
	for _, t := range rest {
		if names := s.names(t); len(names) == 1 {
			at = at.child(names[0])
			continue
		}
		at = at.any()
	}
	return at, true
}

// base is where a reference begins, and what of it is left.
func (s *scope) base(r ast.Ref, depth int) (place, ast.Ref, bool) {
	if len(r) == 0 {
		return place{}, nil, false
	}
	if _, local := s.vars[ast.Var("data")]; r[0].Equal(ast.DefaultRootDocument) && !local {
		if len(r) >= 2 && ast.String("policy").Equal(r[1].Value) {
			return place{root: rootPolicy, node: s.p.dataSchema()}, r[2:], true
		}
		return place{}, nil, false
	}
	at, ok := s.placeAt(r[0], depth+1)
	return at, r[1:], ok
}

func (s *scope) callAt(call ast.Call, depth int) (place, bool) {
	switch operator(call) {
	case "lower", "upper", "trim_space", "trim", "trim_left", "trim_right", "trim_prefix", "trim_suffix", "replace", "substring":
		at, ok := s.placeAt(call[min(1, len(call)-1)], depth+1)
		at.changed = true
		return at, ok
	case "object.get":
		if len(call) < 3 {
			return place{}, false
		}
		at, ok := s.placeAt(call[1], depth+1)
		path, plain := s.getPath(call[2])
		if !ok || !plain {
			return place{}, false
		}
		for _, name := range path {
			at = at.child(name)
		}
		at.changed = true // the value may be the default
		at.node = nil
		return at, true
	}
	return place{}, false
}

// getPath is the second operand of object.get: a name, or several.
func (s *scope) getPath(t *ast.Term) ([]string, bool) {
	if names := s.names(t); len(names) == 1 {
		return names, true
	}
	list, ok := t.Value.(*ast.Array)
	if !ok {
		return nil, false
	}
	var path []string
	for i := range list.Len() {
		name, ok := list.Elem(i).Value.(ast.String)
		if !ok {
			return nil, false
		}
		path = append(path, string(name))
	}
	return path, true
}

// names are the strings that a term can be, where they are written in the text.
func (s *scope) names(t *ast.Term) []string {
	switch v := t.Value.(type) {
	case ast.String:
		return []string{string(v)}
	case ast.Var:
		b := s.vars[v]
		if b == nil || b.times != 1 || b.term == nil {
			return nil
		}
		switch of := b.term.Value.(type) {
		case ast.String:
			if b.how == isTerm {
				return []string{string(of)}
			}
		case *ast.Array, ast.Set:
			if b.how == isMember {
				return stringsOf(b.term)
			}
		}
	}
	return nil
}

// stringsOf are the strings in a literal list or set; nil if there is anything else.
func stringsOf(t *ast.Term) []string {
	var all []string
	plain := true
	one := func(t *ast.Term) {
		s, ok := t.Value.(ast.String)
		plain = plain && ok
		all = append(all, string(s))
	}
	switch v := t.Value.(type) {
	case *ast.Array:
		v.Foreach(one)
	case ast.Set:
		v.Foreach(one)
	default:
		return nil
	}
	if !plain {
		return nil
	}
	return all
}

// alias is the value of a rule that only gives a value a name: u := input.user.
func (p *pass) alias(pkg, name string) *ast.Term {
	if p.aliases == nil {
		p.aliases = map[string]*ast.Term{}
		for _, b := range p.branches {
			key := b.file.pkg + "." + b.name
			_, again := p.aliases[key]
			head := b.rule.Head
			plain := !again && b.unconditional() && !b.rule.Default && len(head.Args) == 0 && len(head.Ref()) == 1 &&
				head.Key == nil && head.Value != nil && b.whole.Else == nil
			p.aliases[key] = nil
			if plain {
				p.aliases[key] = head.Value
			}
		}
	}
	return p.aliases[pkg+"."+name]
}

// literal follows names to the value that is written somewhere, or gives t back.
func (s *scope) literal(t *ast.Term) *ast.Term {
	for range maxAliases {
		v, ok := t.Value.(ast.Var)
		if !ok {
			return t
		}
		next := s.p.alias(s.b.file.pkg, string(v))
		if b := s.vars[v]; b != nil {
			next = nil
			if b.times == 1 && b.how == isTerm {
				next = b.term
			}
		}
		if next == nil {
			return t
		}
		t = next
	}
	return t
}

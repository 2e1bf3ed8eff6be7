// Package vocabulary finds the names that policies speak of: groups, clients, resources and acr values, in their data and
// in the text of their modules. It only reads; what a name does is for an evaluation to say, and a name that is put
// together at run time is not found.
//
// It imports policy and OPA's syntax tree, and nothing else of Chancery.
package vocabulary

import (
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/policy"
)

const (
	maxName  = 256 // bytes; a longer one is a text, not a name
	maxDepth = policy.MaxDataDepth
)

// Words are the names that policies speak of, each list in order and without repetition.
type Words struct {
	Groups    []string
	Clients   []string
	Resources []string
	ACRs      []string
	// Texts are the other strings of modules: any of them may be the name of something.
	Texts []string
}

// Of finds the words of policies. With a resource, entries of data that name other resources only are left out.
func Of(resource string, sources ...policy.Source) Words {
	f := &finder{resource: resource, groups: names{}, clients: names{}, resources: names{}, acrs: names{}, texts: names{}}
	for _, src := range sources {
		for _, r := range src.Resources {
			f.resources.add(r)
		}
		f.object(src.Data, 0)
		if src.Template == "" { // the text of a template names nothing of anybody's
			f.modules(src.Modules)
		}
	}
	return Words{Groups: f.groups.list(), Clients: f.clients.list(), Resources: f.resources.list(), ACRs: f.acrs.list(), Texts: f.texts.list()}
}

type names map[string]bool

func (n names) add(s string) {
	if s != "" && len(s) <= maxName {
		n[s] = true
	}
}

func (n names) list() []string { return slices.Sorted(maps.Keys(n)) }

type finder struct {
	resource                                string
	groups, clients, resources, acrs, texts names
}

// of is the list that a member of this name belongs to.
func (f *finder) of(member string) names {
	switch member {
	case "group", "groups", "group_names":
		return f.groups
	case "client", "clients":
		return f.clients
	case "resource", "resources":
		return f.resources
	case "acr", "acrs", "acr_values":
		return f.acrs
	}
	return nil
}

func (f *finder) object(m map[string]any, depth int) {
	if depth > maxDepth || f.elsewhere(m) {
		return
	}
	for member, v := range m {
		if list := f.of(member); list != nil {
			f.named(list, v, depth+1)
			continue
		}
		f.value(v, depth+1)
	}
}

func (f *finder) value(v any, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		f.object(v, depth)
	case []any:
		for _, item := range v {
			f.value(item, depth+1)
		}
	}
}

// named reads the value of a member that holds names: one, a list, or an object by name.
func (f *finder) named(list names, v any, depth int) {
	switch v := v.(type) {
	case string:
		list.add(v)
	case []any:
		for _, item := range v {
			if s, ok := item.(string); ok {
				list.add(s)
				continue
			}
			f.value(item, depth+1)
		}
	case map[string]any:
		for name, inner := range v {
			list.add(name)
			f.value(inner, depth+1)
		}
	}
}

// elsewhere reports whether an entry names resources and not the one that is asked about; * is every one.
func (f *finder) elsewhere(m map[string]any) bool {
	if f.resource == "" {
		return false
	}
	here := names{}
	for _, member := range []string{"resource", "resources"} {
		(&finder{groups: names{}, clients: names{}, resources: names{}, acrs: names{}}).named(here, m[member], maxDepth)
	}
	return len(here) > 0 && !here[f.resource] && !here["*"]
}

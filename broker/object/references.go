package object

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxWarnings keeps an answer readable where thousands of objects say the same.
const maxWarnings = 200

// references warns of names that lead nowhere in what this apply writes.
func (d *draft) references(ctx context.Context) error {
	known := lookup{d: d, found: map[string]bool{}}
	for _, e := range d.entries {
		if e.object == nil {
			continue
		}
		for _, r := range referencesOf(e.object.Spec) {
			if len(d.plan.Warnings) >= maxWarnings {
				return nil
			}
			there, err := known.has(ctx, r.kind, r.name)
			if err != nil {
				return err
			}
			if !there {
				d.plan.Warnings = append(d.plan.Warnings, Problem{
					Object: e.object.Label(), Path: r.path, Code: "reference_unknown",
					Text: fmt.Sprintf("there is no %s %s: until there is, it counts for nothing", r.kind, quote(r.name)),
				})
			}
		}
	}
	return nil
}

// reference is a name within a spec.
type reference struct {
	path string
	kind Kind
	name string
}

func referencesOf(spec Spec) []reference {
	var all []reference
	list := func(path string, kind Kind, names []string) {
		for _, name := range names {
			if name != "" && !strings.Contains(name, ".") { // a dot: the host of a metadata document
				all = append(all, reference{path, kind, name})
			}
		}
	}
	switch s := spec.(type) {
	case *IdentityProviderSpec:
		list("spec.assertions.clients", KindClient, s.Assertions.Clients)
		list("spec.assertions.resources", KindResource, s.Assertions.Resources)
	case *ClientSpec:
		list("spec.resources", KindResource, s.Resources)
		list("spec.exchange.subject_clients", KindClient, s.Exchange.SubjectClients)
	case *ResourceSpec:
		list("spec.server.client", KindClient, []string{s.Server.Client})
	case *UserSpec:
		for _, identity := range s.Identities {
			list("spec.identities", KindIdentityProvider, []string{identity.IdP})
		}
	case *RoleBindingSpec:
		list("spec.users", KindUser, s.Users)
	case *WorkloadSpec:
		list("spec.idp", KindIdentityProvider, []string{s.IdP})
		list("spec.client", KindClient, []string{s.Client})
		list("spec.resources", KindResource, s.Resources)
	case *ProviderSpec:
		list("spec.allow.clients", KindClient, s.Allow.Clients)
		list("spec.allow.resources", KindResource, s.Allow.Resources)
	case *PolicySpec:
		list("spec.applies_to.resources", KindResource, s.AppliesTo.Resources)
	}
	return all
}

// lookup remembers what was found.
type lookup struct {
	d     *draft
	found map[string]bool
}

func (l *lookup) has(ctx context.Context, kind Kind, name string) (bool, error) {
	label := string(kind) + " " + name
	if there, known := l.found[label]; known {
		return there, nil
	}
	i := slices.IndexFunc(l.d.entries, func(e entry) bool { return e.after.Kind == kind && e.after.Name == name })
	if i >= 0 {
		l.found[label] = l.d.entries[i].action != Delete
		return l.found[label], nil
	}
	s, err := l.d.stored(ctx, kind, name)
	if err != nil {
		return false, err
	}
	l.found[label] = s != nil
	return s != nil, nil
}

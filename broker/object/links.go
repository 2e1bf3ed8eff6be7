package object

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// link gives the users of this apply the keys by which the subjects of their IdPs
// find them. A User says the IdP's name; what is kept is which IdP that is now,
// stored or made by the same apply. So a User whose text is the same is written
// again if the name has gone to another IdP, or the IdP to another issuer.
func (d *draft) link(ctx context.Context) error {
	links := map[string]string{}
	for i := range d.entries {
		e := &d.entries[i]
		if e.object == nil {
			continue
		}
		spec, ok := e.object.Spec.(*UserSpec)
		if !ok {
			continue
		}
		for _, identity := range spec.Identities {
			if _, known := links[identity.IdP]; known {
				continue
			}
			link, err := d.linkTo(ctx, identity.IdP)
			if err != nil {
				return err
			}
			links[identity.IdP] = link
		}
		keys := append(spec.Links(func(idp string) (string, bool) { return links[idp], links[idp] != "" }), spec.Keys()...)
		if e.action != Unchanged {
			e.after.Keys = keys
			continue
		}
		if err := d.relink(e, keys); err != nil {
			return err
		}
	}
	return nil
}

// linkTo is the Link to the IdP that will have the name, "" for none.
func (d *draft) linkTo(ctx context.Context, name string) (string, error) {
	i := slices.IndexFunc(d.entries, func(e entry) bool { return e.after.Kind == KindIdentityProvider && e.after.Name == name })
	if i >= 0 {
		if d.entries[i].action == Delete {
			return "", nil
		}
		return linkOf(d.entries[i].after.UID, d.entries[i].object.Spec), nil
	}
	s, err := d.stored(ctx, KindIdentityProvider, name)
	if err != nil || s == nil {
		return "", err
	}
	spec, err := ParseSpec(s.Kind, s.Spec)
	if err != nil {
		return "", err
	}
	return linkOf(s.UID, spec), nil
}

func linkOf(uid string, spec Spec) string {
	idp, ok := spec.(*IdentityProviderSpec)
	if !ok {
		return ""
	}
	return Link(uid, idp.WithDefaults().Issuer)
}

// relink turns an unchanged User into an update if its keys are other ones now.
func (d *draft) relink(e *entry, keys []Key) error {
	if sameKeys(e.before.Keys, keys) {
		return nil
	}
	switch err := writable(*e.before, d.request); {
	case errors.Is(err, ErrReadOnly): // the same text from another manager stays no write
		d.plan.Warnings = append(d.plan.Warnings, Problem{
			Object: e.object.Label(), Path: "spec.identities", Code: "links_ended",
			Text: "is not linked to the IdentityProvider that has the name now: whoever manages the User must apply it again",
		})
		return nil
	case err != nil:
		return err
	}
	e.action, e.after = Update, *e.before
	e.after.Revision, e.after.UpdatedAt = e.before.Revision+1, d.path.c.Now()
	e.after.ManagedBy, e.after.Keys = d.request.Manager, keys
	e.fields = []FieldChange{{Path: "spec.identities", From: brief(linked(e.before.Keys)), To: brief(linked(keys))}}
	return nil
}

func sameKeys(a, b []Key) bool {
	order := func(x, y Key) int {
		return strings.Compare(x.Space+"\x00"+x.Value, y.Space+"\x00"+y.Value)
	}
	return slices.Equal(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order))
}

// linked names the IdPs that keys are linked to, for people.
func linked(keys []Key) []string {
	var all []string
	for _, k := range keys {
		if link, ok := LinkOf(k); ok && !slices.Contains(all, link) {
			all = append(all, link)
		}
	}
	return all
}

// ended warns where users stop being linked to an IdP, or are not linked to one
// that is made under a name which they may hold. Users can be a million: they are
// not searched.
func ended(label, why string) Problem {
	return Problem{
		Object: label, Code: "links_ended",
		Text: why + ": users whose identities name it are not linked to it until they are applied again",
	}
}

package object

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Lists speak of names. What an administrator wrote about `claude` holds for
// whatever is called claude, so whoever takes a name away, or gives it again, is
// told of the lists that speak of it.

// maxSearched bounds how many objects of one kind are looked through.
const maxSearched = 10_000

var errEnough = errors.New("enough was found")

// naming are the kinds whose objects hold such lists. What a User names is bound
// to one IdP (see link), so its name alone counts for nothing.
func naming() []Kind {
	return []Kind{KindIdentityProvider, KindClient, KindResource, KindWorkload, KindProvider, KindPolicy}
}

// stillNamed warns of what keeps naming an object that is deleted.
func (d *draft) stillNamed(ctx context.Context, gone Stored) {
	d.eachReference(ctx, func(holder string, r reference) {
		if r.kind == gone.Kind && r.name == gone.Name {
			d.warn(Problem{
				Object: holder, Path: r.path, Code: "reference_unknown",
				Text: fmt.Sprintf("still names %s %s, which counts for nothing now", gone.Kind, gone.Name),
			})
		}
	})
	if gone.Kind == KindIdentityProvider {
		d.warn(ended(string(gone.Kind)+" "+gone.Name, "is deleted"))
	}
}

// namedAgain warns of lists that named an object which was deleted, and count for
// the one that takes its name.
func (d *draft) namedAgain(ctx context.Context) error {
	again, err := d.revived(ctx)
	if err != nil {
		return err
	}
	moved := map[string]string{}
	for _, e := range d.entries {
		if before, after, changed := issuers(e); changed {
			d.warn(ended(e.object.Label(), "its issuer changes from "+quote(before)+" to "+quote(after)))
			moved[e.object.Label()] = after
		}
	}
	if len(again) == 0 && len(moved) == 0 {
		return nil
	}
	d.eachReference(ctx, func(holder string, r reference) {
		if issuer, ok := moved[string(r.kind)+" "+r.name]; ok { // Workloads: nobody else names an IdP in a list
			d.warn(Problem{
				Object: holder, Path: r.path, Code: "issuer_changed",
				Text: fmt.Sprintf("its rules count for tokens of %s now: do its claims mean the same there?", quote(issuer)),
			})
		}
		if again[string(r.kind)+" "+r.name] {
			d.warn(Problem{
				Object: holder, Path: r.path, Code: "name_again",
				Text: fmt.Sprintf("names %s %s, which was deleted and is made anew: this counts for the new one", r.kind, r.name),
			})
		}
	})
	return nil
}

// revived are the objects of this apply that take the name of one that was deleted, by their labels.
func (d *draft) revived(ctx context.Context) (map[string]bool, error) {
	if d.isNew {
		return nil, nil
	}
	again := map[string]bool{}
	for _, kind := range []Kind{KindIdentityProvider, KindClient, KindResource} {
		var made []string
		for _, e := range d.entries {
			if e.action == Create && e.after.Kind == kind {
				made = append(made, e.after.Name)
			}
		}
		for names := range slices.Chunk(made, 500) {
			buried, err := d.path.c.Store.Buried(ctx, d.uid, kind, names)
			if err != nil {
				return nil, err
			}
			for _, name := range buried {
				again[string(kind)+" "+name] = true
				if kind == KindIdentityProvider {
					d.warn(ended(string(kind)+" "+name, "takes the name of one that was deleted"))
				}
			}
		}
	}
	return again, nil
}

// issuers tells whether an update points an IdP at another issuer.
func issuers(e entry) (before, after string, changed bool) {
	if e.action != Update || e.after.Kind != KindIdentityProvider {
		return "", "", false
	}
	parsed, err := ParseSpec(e.after.Kind, e.before.Spec)
	if err != nil {
		return "", "", false // the new text is what counts
	}
	old, wasIdP := parsed.(*IdentityProviderSpec)
	now, isIdP := e.object.Spec.(*IdentityProviderSpec)
	if !wasIdP || !isIdP {
		return "", "", false
	}
	before, after = old.WithDefaults().Issuer, now.WithDefaults().Issuer
	return before, after, before != after
}

func (d *draft) warn(p Problem) {
	if len(d.plan.Warnings) < maxWarnings {
		d.plan.Warnings = append(d.plan.Warnings, p)
	}
}

// eachReference visits the names in all lists as they will be. What it cannot
// read it leaves out: warnings help, and decide nothing.
func (d *draft) eachReference(ctx context.Context, visit func(holder string, r reference)) {
	drafted := map[string]bool{}
	for _, e := range d.entries {
		drafted[string(e.after.Kind)+" "+e.after.Name] = true
		if e.object == nil || !slices.Contains(naming(), e.after.Kind) {
			continue
		}
		for _, r := range referencesOf(e.object.Spec) {
			visit(e.object.Label(), r)
		}
	}
	for _, kind := range naming() {
		searched := 0
		err := d.path.each(ctx, d.uid, kind, func(s Stored) error {
			if searched++; searched > maxSearched {
				return errEnough
			}
			label := string(s.Kind) + " " + s.Name
			spec, err := ParseSpec(kind, s.Spec)
			if err != nil || drafted[label] {
				return nil //nolint:nilerr // see above
			}
			for _, r := range referencesOf(spec) {
				visit(label, r)
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			d.warn(Problem{Code: "search_cut", Text: fmt.Sprintf("only the first %d objects of kind %s were searched for names", maxSearched, kind)})
		}
	}
}

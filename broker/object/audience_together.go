package object

import (
	"context"
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// audiences: a token that is addressed to a resource was given to it, and it must
// not be able to present it here for more (T9). Whichever of the two changes, the
// other is looked at.
func (d *draft) audiences(ctx context.Context, wrong *findings) error {
	changed := map[string]bool{}
	for _, e := range d.entries {
		if e.object != nil && e.action != Unchanged && (e.after.Kind == KindResource || e.after.Kind == KindIdentityProvider) {
			changed[e.object.Label()] = true
		}
	}
	if len(changed) == 0 {
		return nil
	}
	idps, err := d.after(ctx, KindIdentityProvider)
	if err != nil {
		return err
	}
	// resource URI → the entry that lists it, and what it is there
	listed := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(idps)) {
		if idp, ok := idps[name].(*IdentityProviderSpec); ok {
			for _, audience := range idp.Assertions.Audiences {
				if canonical, err := oauth.CanonicalResource(audience); err == nil {
					listed[canonical] = string(KindIdentityProvider) + " " + name
				}
			}
		}
	}
	if len(listed) == 0 {
		return nil
	}
	resources, err := d.after(ctx, KindResource)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		label := string(KindResource) + " " + name
		for _, key := range resources[name].Keys() {
			if holder, ok := listed[key.Value]; ok && key.Space == SpaceResourceURI && (changed[holder] || changed[label]) {
				wrong.problems = append(wrong.problems, Problem{
					Object: holder, Path: "spec.assertions.audiences", Code: "aud_is_resource",
					Text: quote(key.Value) + " is " + label + ": whoever runs it could present here the tokens that it was given",
				})
			}
		}
	}
	return nil
}

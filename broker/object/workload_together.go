package object

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// workloads checks the rules against the IdPs that they are for, as both will be.
// Whichever of the two changes, the other is looked at too: an IdP that is made, or
// becomes another product's, after its rules must not find them unchecked.
func (d *draft) workloads(ctx context.Context, wrong *findings) error {
	changed := map[string]bool{}
	for _, e := range d.entries {
		if e.object != nil && e.action != Unchanged && (e.after.Kind == KindWorkload || e.after.Kind == KindIdentityProvider) {
			changed[e.object.Label()] = true
		}
	}
	if len(changed) == 0 {
		return nil
	}
	rules, err := d.after(ctx, KindWorkload)
	if err != nil || len(rules) == 0 {
		return err
	}
	idps, err := d.after(ctx, KindIdentityProvider)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rule, isRule := rules[name].(*WorkloadSpec)
		if !isRule {
			continue
		}
		idp, found := idps[rule.IdP].(*IdentityProviderSpec)
		label := string(KindWorkload) + " " + name
		if !found || !changed[label] && !changed[string(KindIdentityProvider)+" "+rule.IdP] {
			continue // a name that leads nowhere is a warning (references)
		}
		if p, ok := rule.against(idp); !ok {
			p.Object = label
			wrong.problems = append(wrong.problems, p)
		}
	}
	return nil
}

// against checks one rule against its IdP.
func (s *WorkloadSpec) against(idp *IdentityProviderSpec) (Problem, bool) {
	if !idp.Assertions.lists(federation.ProfileWorkload) {
		return Problem{
			Path: "spec.idp", Code: "profile_not_listed",
			Text: "IdentityProvider " + s.IdP + " does not list the profile workload: its tokens are nobody's workload",
		}, false
	}
	needed := idp.identify()
	if len(needed) == 0 {
		return Problem{}, true
	}
	claims, err := s.Claims()
	if err != nil {
		return Problem{Path: "spec.match", Text: err.Error()}, false
	}
	var names []string
	for _, claim := range needed {
		if claim.in(claims) {
			return Problem{}, true
		}
		names = append(names, claim.String())
	}
	return Problem{
		Path: "spec.match", Code: "workload_not_identified",
		Text: "no claim says whose the token is, and others have tokens of " + idp.Issuer + " too: add one of " + strings.Join(names, ", "),
	}, false
}

// unknownScopes warns of scopes that no resource of the rule has. A resource that
// is not there is warned of already, and could have any.
func (d *draft) unknownScopes(ctx context.Context) error {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		rule, ok := e.object.Spec.(*WorkloadSpec)
		if !ok || len(rule.Resources) == 0 {
			continue
		}
		known := map[string]bool{}
		all := true
		for _, name := range rule.Resources {
			resource, err := d.resource(ctx, name)
			if err != nil {
				return err
			}
			if all = all && resource != nil; !all {
				break
			}
			for scope := range resource.Scopes {
				known[scope] = true
			}
		}
		for _, scope := range rule.Scopes {
			if all && !known[scope] {
				d.warn(Problem{
					Object: e.object.Label(), Path: "spec.scopes", Code: "scope_unknown",
					Text: "no resource of the workload has the scope " + quote(scope) + ": it counts for nothing",
				})
			}
		}
	}
	return nil
}

// credentialed warns of clients that a rule leads to beside a credential of their own: whoever gets a fitting token is
// that client too. A client that says auth.method: workload is meant for rules.
func (d *draft) credentialed(ctx context.Context) error {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		rule, ok := e.object.Spec.(*WorkloadSpec)
		if !ok {
			continue
		}
		client, err := d.client(ctx, rule.Client)
		if err != nil {
			return err
		}
		if client != nil && !client.ReachedByRules() {
			d.warn(Problem{
				Object: e.object.Label(), Path: "spec.client", Code: "workload_client_has_credential",
				Text: "Client " + rule.Client + " does not say auth.method: workload: it authenticates by itself, and a token that fits this rule is that client too",
			})
		}
	}
	return nil
}

// client is one as it will be, nil for none.
func (d *draft) client(ctx context.Context, name string) (*ClientSpec, error) {
	for _, e := range d.entries {
		if e.after.Kind == KindClient && e.after.Name == name {
			if e.object == nil {
				return nil, nil //nolint:nilnil // deleted by this apply
			}
			c, _ := e.object.Spec.(*ClientSpec)
			return c, nil
		}
	}
	stored, err := d.stored(ctx, KindClient, name)
	if err != nil || stored == nil {
		return nil, err
	}
	spec, err := ParseSpec(stored.Kind, stored.Spec)
	if err != nil {
		return nil, err
	}
	c, _ := spec.(*ClientSpec)
	return c, nil
}

// resource is one as it will be, nil for none.
func (d *draft) resource(ctx context.Context, name string) (*ResourceSpec, error) {
	for _, e := range d.entries {
		if e.after.Kind == KindResource && e.after.Name == name {
			if e.object == nil {
				return nil, nil //nolint:nilnil // deleted by this apply
			}
			r, _ := e.object.Spec.(*ResourceSpec)
			return r, nil
		}
	}
	stored, err := d.stored(ctx, KindResource, name)
	if err != nil || stored == nil {
		return nil, err
	}
	spec, err := ParseSpec(stored.Kind, stored.Spec)
	if err != nil {
		return nil, err
	}
	r, _ := spec.(*ResourceSpec)
	return r, nil
}

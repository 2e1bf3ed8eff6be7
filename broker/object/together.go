package object

import (
	"context"
	"maps"
	"slices"
)

// together checks the objects against their neighbours, stored and new. What
// would grant too much, or could not be decided, refuses; a name that leads
// nowhere grants nothing, and is a warning.
func (d *draft) together(ctx context.Context) error {
	var wrong findings
	if err := d.keysFree(ctx, &wrong); err != nil {
		return err
	}
	if err := d.publicClients(ctx, &wrong); err != nil {
		return err
	}
	if err := d.supply(ctx, &wrong); err != nil {
		return err
	}
	if err := d.policies(ctx, &wrong); err != nil {
		return err
	}
	if err := d.workloads(ctx, &wrong); err != nil {
		return err
	}
	if err := d.audiences(ctx, &wrong); err != nil {
		return err
	}
	d.metadata(&wrong)
	if err := wrong.err(); err != nil {
		return err
	}
	d.signInWithin()
	if err := d.fewApprovers(ctx); err != nil {
		return err
	}
	d.providers()
	d.webhooks()
	if err := d.references(ctx); err != nil {
		return err
	}
	if err := d.credentialed(ctx); err != nil {
		return err
	}
	if err := d.unknownScopes(ctx); err != nil {
		return err
	}
	return d.namedAgain(ctx)
}

// keysFree: no other live object may hold an exclusive key.
func (d *draft) keysFree(ctx context.Context, wrong *findings) error {
	holders := map[Key]string{}
	written := map[string]bool{}
	for _, e := range d.entries {
		written[e.after.UID] = true
	}
	for _, e := range d.entries {
		if e.action == Delete {
			continue
		}
		for _, key := range e.after.Keys {
			if !key.Exclusive {
				continue
			}
			if holder, taken := holders[key]; taken {
				wrong.taken(e.object.Label(), key, holder)
				continue
			}
			holders[key] = e.object.Label()
			if d.isNew || e.action == Unchanged {
				continue
			}
			found, err := d.path.c.Keys.FindByKey(ctx, d.uid, key.Space, key.Value)
			if err != nil {
				return err
			}
			for _, other := range found {
				if !written[other.UID] {
					wrong.taken(e.object.Label(), key, string(other.Kind)+" "+other.Name)
				}
			}
		}
	}
	return nil
}

func (f *findings) taken(object string, key Key, holder string) {
	if key.Space == SpaceWorkload { // its value is a digest, which tells nobody anything
		f.problems = append(f.problems, Problem{
			Object: object, Path: "spec.match", Code: key.Space + "_taken",
			Text: holder + " has the same idp and the same claims: a token that fits would be two workloads",
		})
		return
	}
	f.problems = append(f.problems, Problem{
		Object: object, Code: key.Space + "_taken", Text: key.Space + " " + quote(key.Value) + " belongs to " + holder,
	})
}

// publicClients: who cannot authenticate may use an assertion only if it is bound
// to a key, and only where the tenant says so (docs/grants.md).
func (d *draft) publicClients(ctx context.Context, wrong *findings) error {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		c, ok := e.object.Spec.(*ClientSpec)
		if !ok || c.Type != TypePublic || !slices.Contains(c.GrantTypes, GrantJWTBearer) && !slices.Contains(c.GrantTypes, GrantJWTDPoP) {
			continue
		}
		owner, err := d.tenantSpec(ctx)
		if err != nil {
			return err
		}
		if owner.PublicClientAssertions != PublicAssertionsCNF {
			wrong.problems = append(wrong.problems, Problem{
				Object: e.object.Label(), Path: "spec.grant_types", Code: "unauthorized_client",
				Text: "a public client may present assertions only where its tenant says public_client_assertions: cnf",
			})
		}
	}
	return nil
}

// tenantSpec is the tenant as it will be.
func (d *draft) tenantSpec(ctx context.Context) (*TenantSpec, error) {
	for _, e := range d.entries {
		if e.object == nil {
			continue
		}
		if spec, ok := e.object.Spec.(*TenantSpec); ok {
			return spec, nil
		}
	}
	s, err := d.path.tenant(ctx, d.name)
	if err != nil {
		return nil, err
	}
	spec := &TenantSpec{}
	parsed, err := ParseSpec(KindTenant, s.Spec)
	if err != nil {
		return nil, err
	}
	if t, ok := parsed.(*TenantSpec); ok {
		spec = t
	}
	return spec, nil
}

// policies: each one that changes compiles and passes its tests, and no two
// grants could be asked about the same request.
func (d *draft) policies(ctx context.Context, wrong *findings) error {
	changed := false
	for _, e := range d.entries {
		if e.action == Delete && e.after.Kind == KindPolicy {
			changed = true
		}
		if e.object == nil || e.action == Unchanged || e.action == Delete {
			continue
		}
		spec, ok := e.object.Spec.(*PolicySpec)
		if !ok {
			continue
		}
		changed = true
		refused, warned := d.readPolicy(ctx, e.object.Metadata.Name, spec)
		for _, p := range refused {
			p.Object = e.object.Label()
			wrong.problems = append(wrong.problems, p)
		}
		for _, p := range warned {
			p.Object = e.object.Label()
			d.warn(p)
		}
	}
	if !changed {
		return nil
	}
	specs, err := d.after(ctx, KindPolicy)
	if err != nil {
		return err
	}
	conflicts(specs, wrong)
	if len(wrong.problems) > 0 {
		return nil
	}
	return d.try(ctx, specs, wrong)
}

// tryWithout is try of a policy that goes.
func (d *draft) tryWithout(ctx context.Context) error {
	specs, err := d.after(ctx, KindPolicy)
	if err != nil {
		return err
	}
	var wrong findings
	if err := d.try(ctx, specs, &wrong); err != nil {
		return err
	}
	return wrong.err()
}

// try puts what was decided to the policies as they would be. What the configuration file says is not tried: a server starts.
func (d *draft) try(ctx context.Context, specs map[string]Spec, wrong *findings) error {
	r, trial := d.request, d.path.c.Trial
	if r.Manager == ManagerConfig || d.isNew || r.Untried {
		return nil
	}
	if trial == nil {
		if r.MaxFlips != nil && *r.MaxFlips >= 0 {
			wrong.problems = append(wrong.problems, Problem{Code: "policy_replay", Text: "recorded decisions cannot be replayed here"})
		}
		return nil
	}
	all := map[string]*PolicySpec{}
	for name, spec := range specs {
		if p, ok := spec.(*PolicySpec); ok {
			all[name] = p
		}
	}
	refused, warned, err := trial.Try(ctx, d.uid, d.name, all, r.MaxFlips)
	wrong.problems = append(wrong.problems, refused...)
	for _, p := range warned {
		d.warn(p)
	}
	return err
}

func (d *draft) readPolicy(ctx context.Context, name string, spec *PolicySpec) (refused, warned []Problem) {
	if reader, ok := d.path.c.Checker.(Reader); ok {
		return reader.ReadPolicy(ctx, d.uid, name, spec)
	}
	return d.path.c.Checker.CheckPolicy(ctx, name, spec), nil
}

// conflicts finds grants that overlap: two could not be decided between.
func conflicts(specs map[string]Spec, wrong *findings) {
	var grants []string
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		if p, ok := specs[name].(*PolicySpec); ok && p.Role == RoleGrant {
			grants = append(grants, name)
		}
	}
	for i, a := range grants {
		for _, b := range grants[i+1:] {
			x, _ := specs[a].(*PolicySpec)
			y, _ := specs[b].(*PolicySpec)
			if overlaps(x.AppliesTo.Resources, y.AppliesTo.Resources) && overlaps(x.AppliesTo.Actions, y.AppliesTo.Actions) {
				wrong.problems = append(wrong.problems, Problem{
					Object: "Policy " + b, Path: "spec.applies_to", Code: "policy_conflict",
					Text: "grants for the same resource and action as Policy " + a + ": one grant policy each",
				})
			}
		}
	}
}

// overlaps: an absent list is all.
func overlaps(a, b []string) bool {
	if a == nil || b == nil {
		return true
	}
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

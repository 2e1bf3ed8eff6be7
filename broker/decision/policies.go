package decision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Objects lists a tenant's objects by name.
type Objects interface {
	List(ctx context.Context, t tenant.UID, kind object.Kind, after string, limit int) ([]object.Stored, error)
}

// Pictures gives the current picture of a tenant.
type Pictures interface {
	Get(ctx context.Context, name string) (*snapshot.Tenant, error)
}

// Revisions gives the text of a policy as it was.
type Revisions interface {
	Get(ctx context.Context, t tenant.UID, policyUID string, revision int64) (policy.Source, error)
}

func unfit(label, code, text string) error {
	return &object.Invalid{Problems: []object.Problem{{Object: label, Code: code, Text: text}}}
}

// Policies compiles what binds a tenant, as it is and as a draft would have it.
type Policies struct {
	Objects Objects
	Root    tenant.UID // of tenant default, whose guards may bind all
	Checker object.Checker
	// Compile prepares a policy of a tenant, here or elsewhere; nil compiles here.
	Compile Compile
}

// Compile prepares a policy for evaluation; *regocheck.Compiler's does.
type Compile func(ctx context.Context, tenantName string, src policy.Source) (*policy.Compiled, error)

func (c Compile) of(ctx context.Context, tenantName string, src policy.Source) (*policy.Compiled, error) {
	if c == nil {
		return policy.Compile(ctx, src)
	}
	return c(ctx, tenantName, src)
}

// everybody names the tenant of guards that bind all.
const everybody = tenant.DefaultName

// panel is who decides: policies with their text.
type panel struct {
	set      *policy.Set
	compiled []*policy.Compiled
	texts    []policy.Source // of each
	own      int             // how many of them, the first, are the tenant's
}

// sources are the texts that the tenant's administrators may learn from: not those of the guards that tenant default lays on
// it, whose words and data are the operator's.
func (p panel) sources() []policy.Source { return p.texts[:p.own] }

// owns tells whether a policy is the tenant's own.
func (p panel) owns(i int) bool { return i < p.own }

const listed = 500

// everyObject walks a tenant's objects of one kind, by name.
func everyObject(ctx context.Context, objects Objects, t tenant.UID, kind object.Kind, visit func(object.Stored) error) error {
	after := ""
	for {
		found, err := objects.List(ctx, t, kind, after, listed)
		if err != nil {
			return err
		}
		for _, stored := range found {
			if err := visit(stored); err != nil {
				return fmt.Errorf("%s %s: %w", stored.Kind, stored.Name, err)
			}
			after = stored.Name
		}
		if len(found) < listed {
			return nil
		}
	}
}

func (p Policies) live(ctx context.Context, t tenant.UID) ([]policy.Source, error) {
	var all []policy.Source
	err := everyObject(ctx, p.Objects, t, object.KindPolicy, func(stored object.Stored) error {
		parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
		if err != nil {
			return err
		}
		spec, ok := parsed.(*object.PolicySpec)
		if !ok {
			return errors.New("it is stored as another kind")
		}
		all = append(all, regocheck.Source(stored.UID, stored.Name, stored.Revision, spec))
		return nil
	})
	return all, err
}

// assemble compiles policies that are to decide together.
func (c Compile) assemble(ctx context.Context, name string, own, inherited []policy.Source) (panel, error) {
	var p panel
	compile := func(name string, sources []policy.Source) ([]*policy.Compiled, error) {
		var all []*policy.Compiled
		for _, src := range sources {
			compiled, err := c.of(ctx, name, src)
			if err != nil {
				return nil, fmt.Errorf("policy %s: %w", src.Name, err)
			}
			if !compiled.Isolated() { // with its text, which what is shared has not, and with slots of its own
				if compiled, err = policy.Compile(ctx, src); err != nil {
					return nil, fmt.Errorf("policy %s: %w", src.Name, err)
				}
				src = compiled.Source()
			}
			all, p.texts = append(all, compiled), append(p.texts, src)
		}
		return all, nil
	}
	mine, err := compile(name, own)
	if err != nil {
		return p, err
	}
	theirs, err := compile(everybody, inherited)
	if err != nil {
		return p, err
	}
	p.compiled, p.own = slices.Concat(mine, theirs), len(mine)
	p.set, err = policy.NewSet(mine, theirs)
	return p, err
}

func (p Policies) inherited(ctx context.Context, t tenant.UID) ([]policy.Source, error) {
	if t == p.Root {
		return nil, nil
	}
	guards, err := p.live(ctx, p.Root)
	return slices.DeleteFunc(guards, func(s policy.Source) bool { return s.Role != policy.RoleGuard || s.Binds != policy.BindsAll }), err
}

// drafted puts the Policy objects of a draft in the place of those of their names; with prune it is all that the tenant has.
// What others wrote is checked as it would be before it is published, tests included, before it is compiled here.
func (p Policies) drafted(ctx context.Context, t tenant.UID, name string, draft []object.Object, prune bool) (panel, error) {
	var sources []policy.Source
	for _, o := range draft {
		spec, ok := o.Spec.(*object.PolicySpec)
		switch {
		case !ok: // resources and the like may come along
			continue
		case o.TenantName() != name:
			return panel{}, unfit(o.Label(), "tenant_mismatch", "it is of another tenant than the one that is asked")
		}
		if p.Checker != nil {
			if problems := p.check(ctx, t, o.Metadata.Name, spec); len(problems) > 0 {
				for i := range problems {
					problems[i].Object = o.Label()
				}
				return panel{}, &object.Invalid{Problems: problems}
			}
		}
		sources = append(sources, regocheck.Source("", o.Metadata.Name, 0, spec))
	}
	if len(draft) > 0 && len(sources) == 0 {
		return panel{}, unfit("", "policy_missing", "the draft holds no policy")
	}
	live, err := p.live(ctx, t)
	if err != nil {
		return panel{}, err
	}
	for _, src := range live {
		i := slices.IndexFunc(sources, func(d policy.Source) bool { return d.Name == src.Name })
		switch {
		case i >= 0:
			sources[i].UID = src.UID
		case !prune || len(draft) == 0:
			sources = append(sources, src)
		}
	}
	guards, err := p.inherited(ctx, t)
	if err != nil {
		return panel{}, err
	}
	made, err := p.Compile.assemble(ctx, name, sources, guards)
	if conflict, ok := errors.AsType[*policy.Conflict](err); ok {
		return panel{}, unfit("", "policy_conflict", conflict.Error())
	}
	if invalid, ok := errors.AsType[policy.CompileErrors](err); ok && len(draft) > 0 {
		return panel{}, unfit("", "policy_compile", invalid.Error())
	}
	return made, err
}

// check is the Checker's word on a policy of a tenant.
func (p Policies) check(ctx context.Context, t tenant.UID, name string, spec *object.PolicySpec) []object.Problem {
	reader, ok := p.Checker.(object.Reader)
	if !ok {
		return p.Checker.CheckPolicy(ctx, name, spec)
	}
	refused, _ := reader.ReadPolicy(ctx, t, name, spec)
	return refused
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package object

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// draft is one apply before it is written.
type draft struct {
	path    *Path
	request Request
	name    string // of the tenant
	uid     tenant.UID
	version int64 // of the tenant, before anything else of it was read
	isNew   bool  // the tenant itself is made by this apply
	entries []entry
	secrets []SecretChange
	told    []audit.Event // of the secrets
	needs   []Need        // which a second person must allow
	plan    Plan
}

// entry is one object of a draft.
type entry struct {
	object *Object // nil when it is deleted
	before *Stored // nil when it is new
	after  Stored
	action Action
	fields []FieldChange
}

func (p *Path) newDraft(name string, uid tenant.UID, r Request) *draft {
	return &draft{path: p, request: r, name: name, uid: uid, plan: Plan{Items: []Item{}}}
}

func (p *Path) draft(ctx context.Context, tenantName string, objects []Object, r Request) (*draft, error) {
	d := p.newDraft(tenantName, tenant.UID{}, r)
	if r.Manager == "" {
		return d, errors.New("apply: no manager named")
	}
	if err := d.alone(objects); err != nil {
		return d, err
	}
	if err := d.locate(ctx, objects); err != nil {
		return d, err
	}
	for i := range objects {
		if err := d.compare(ctx, &objects[i]); err != nil {
			return d, err
		}
	}
	if r.Prune {
		if err := d.prune(ctx); err != nil {
			return d, err
		}
	}
	if err := d.carryOut(ctx); err != nil {
		return d, err
	}
	if err := d.link(ctx); err != nil {
		return d, err
	}
	if err := d.bind(ctx); err != nil {
		return d, err
	}
	d.order()
	d.describe()
	if err := d.together(ctx); err != nil {
		return d, err
	}
	return d, d.fourEyes(ctx)
}

// alone checks what each object says by itself, and that none is there twice.
func (d *draft) alone(objects []Object) error {
	var wrong findings
	seen := map[string]bool{}
	for i := range objects {
		o := &objects[i]
		if o.Kind != KindTenant && o.Metadata.Tenant == "" && d.name != tenant.DefaultName {
			o.Metadata.Tenant = d.name
		}
		if o.TenantName() != d.name {
			wrong.problems = append(wrong.problems, Problem{
				Object: o.Label(), Path: "metadata.tenant", Code: "tenant_mismatch",
				Text: "received " + quote(o.TenantName()) + ", expected " + quote(d.name),
			})
			continue
		}
		o.settle()
		if err := o.Validate(); err != nil {
			wrong.merge(locate(err, o.Label(), "", nil))
		}
		if seen[o.Label()] {
			wrong.problems = append(wrong.problems, Problem{Object: o.Label(), Text: "is there twice"})
		}
		seen[o.Label()] = true
		d.plan.Warnings = append(d.plan.Warnings, o.Warnings()...)
	}
	return wrong.err()
}

// locate finds the tenant, or gives a uid to the one that these objects make.
func (d *draft) locate(ctx context.Context, objects []Object) error {
	owner, err := d.path.tenant(ctx, d.name)
	if err == nil {
		return d.at(ctx, owner.Tenant)
	}
	makes := slices.ContainsFunc(objects, func(o Object) bool { return o.Kind == KindTenant })
	if !errors.Is(err, ErrTenantUnknown) || !makes {
		return err
	}
	d.isNew = true
	d.uid, err = tenant.ParseUID(newUID(KindTenant, d.path.c.Now()))
	return err
}

// at begins at a tenant's version.
func (d *draft) at(ctx context.Context, uid tenant.UID) error {
	version, err := d.path.c.Store.Version(ctx, uid)
	if err != nil {
		return err
	}
	if version == 0 { // nothing would be compared: it was deleted since it was found
		return ErrMoved
	}
	d.uid, d.version = uid, version
	return nil
}

// compare settles what happens to one object.
func (d *draft) compare(ctx context.Context, o *Object) error {
	spec, err := canonicalSpec(o.Spec)
	if err != nil {
		return err
	}
	before, err := d.stored(ctx, o.Kind, o.Metadata.Name)
	if err != nil {
		return err
	}
	now := d.path.c.Now()
	e := entry{object: o, before: before, after: Stored{
		Tenant: d.uid, UID: newUID(o.Kind, now), Kind: o.Kind, Name: o.Metadata.Name, Revision: 1, ManagedBy: d.request.Manager,
		Labels: o.Metadata.Labels, Spec: spec, Keys: o.Spec.Keys(), CreatedAt: now, UpdatedAt: now,
	}}
	if o.Kind == KindTenant {
		e.after.UID = d.uid.String()
	}
	if before == nil {
		if d.request.IfMatch > 0 {
			return locateError(o, ErrPrecondition, "it does not exist")
		}
		if o.Metadata.UID != "" { // a tombstone's uid is not to be had again
			return locateError(o, ErrPrecondition, "metadata.uid names an object that does not exist")
		}
		e.action = Create
		return d.keep(e)
	}
	return d.against(e)
}

// against compares an object with the one that is stored under its name.
func (d *draft) against(e entry) error {
	before, o := e.before, e.object
	if o.Metadata.UID != "" && o.Metadata.UID != before.UID {
		return locateError(o, ErrPrecondition, "metadata.uid names another object")
	}
	var err error
	if !bytes.Equal(before.Spec, e.after.Spec) {
		if e.fields, err = diffSpecs(before.Spec, e.after.Spec); err != nil {
			return err
		}
	}
	e.fields = append(e.fields, diffLabels(before.Labels, e.after.Labels)...)
	// The configuration file takes over what it names, also where nothing else changes.
	if d.request.Manager == ManagerConfig && before.ManagedBy != ManagerConfig {
		e.fields = append(e.fields, FieldChange{Path: "metadata.managed_by", From: before.ManagedBy, To: ManagerConfig})
	}
	e.after.UID, e.after.CreatedAt = before.UID, before.CreatedAt
	if len(e.fields) == 0 {
		if err := meant(*before, d.request); err != nil {
			return err
		}
		e.action, e.after = Unchanged, *before
		return d.keep(e)
	}
	if err := writable(*before, d.request); err != nil {
		return err
	}
	e.action, e.after.Revision = Update, before.Revision+1
	return d.keep(e)
}

func locateError(o *Object, err error, why string) error {
	return &located{object: o.Label(), why: why, err: err}
}

type located struct {
	object, why string
	err         error
}

func (l *located) Error() string { return l.object + ": " + l.err.Error() + ": " + l.why }
func (l *located) Unwrap() error { return l.err }

// stored finds what is there; nil is nothing.
func (d *draft) stored(ctx context.Context, kind Kind, name string) (*Stored, error) {
	if d.isNew {
		return nil, nil //nolint:nilnil // a tenant that is being made holds nothing
	}
	s, err := d.path.c.Store.Get(ctx, d.uid, kind, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil //nolint:nilnil // nothing there is an answer
	}
	return &s, err
}

func (d *draft) keep(e entry) error {
	if e.action != Unchanged && d.request.Manager != ManagerConfig {
		if err := noReference(e.object); err != nil {
			return err
		}
	}
	d.entries = append(d.entries, e)
	return nil
}

// prune deletes what the same manager made and the objects leave out. The tenant itself stays.
func (d *draft) prune(ctx context.Context) error {
	if d.isNew {
		return nil
	}
	named := map[string]bool{}
	for _, e := range d.entries {
		named[e.object.Label()] = true
	}
	for _, kind := range Kinds() {
		if kind == KindTenant {
			continue
		}
		err := d.path.each(ctx, d.uid, kind, func(s Stored) error {
			if s.ManagedBy == d.request.Manager && !named[string(s.Kind)+" "+s.Name] {
				d.remove(s)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) remove(s Stored) {
	after := s
	after.Revision++
	after.UpdatedAt = d.path.c.Now()
	d.entries = append(d.entries, entry{before: &s, after: after, action: Delete})
}

// order: the tenant first, then what goes, then what comes, by kind.
func (d *draft) order() {
	rank := func(e entry) int {
		kind := slices.Index(Kinds(), e.after.Kind)
		if e.action == Delete {
			return len(Kinds()) - kind
		}
		if e.after.Kind == KindTenant {
			return 0
		}
		return 100 + kind
	}
	slices.SortStableFunc(d.entries, func(a, b entry) int { return rank(a) - rank(b) })
}

func (d *draft) describe() {
	d.plan.Items = make([]Item, 0, len(d.entries))
	for _, e := range d.entries {
		item := Item{Action: e.action, Kind: e.after.Kind, Tenant: d.name, Name: e.after.Name, Revision: e.after.Revision, Changes: e.fields}
		if e.action == Create {
			item.Changes, _ = diffSpecs(nil, e.after.Spec)
		}
		d.plan.Items = append(d.plan.Items, item)
	}
}

// after is the state of a kind once the draft is written, by name.
func (d *draft) after(ctx context.Context, kind Kind) (map[string]Spec, error) {
	specs := map[string]Spec{}
	if !d.isNew {
		err := d.path.each(ctx, d.uid, kind, func(s Stored) error {
			spec, err := ParseSpec(kind, s.Spec)
			specs[s.Name] = spec
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, e := range d.entries {
		switch {
		case e.after.Kind != kind:
		case e.action == Delete:
			delete(specs, e.after.Name)
		default:
			specs[e.after.Name] = e.object.Spec
		}
	}
	return specs, nil
}

package object

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Managers: who made an object.
const (
	ManagerConfig = "config" // the configuration file's `objects:`; read-only elsewhere
	ManagerApply  = "apply"  // the command line, unless it says otherwise
	ManagerAPI    = "api"
	ManagerSystem = "system" // the tenant default
)

// What an apply is refused for, besides *Invalid and the store's errors.
var (
	ErrReadOnly      = errors.New("managed somewhere else, and read-only here")
	ErrPrecondition  = errors.New("the object is not what If-Match says")
	ErrTenantUnknown = errors.New("no such tenant")
	ErrInUse         = errors.New("still in use")
)

// Checker compiles a policy and runs its tests.
type Checker interface {
	// CheckPolicy returns every reason why the policy is refused.
	CheckPolicy(ctx context.Context, name string, spec *PolicySpec) []Problem
}

// Reader is a Checker that also says what is no reason to refuse a policy, and what its author should look at.
type Reader interface {
	Checker
	// ReadPolicy is CheckPolicy with that, of a policy that a tenant is to have; what was decided for it costs as well.
	ReadPolicy(ctx context.Context, t tenant.UID, name string, spec *PolicySpec) (refused, warned []Problem)
}

// Trial puts the decisions that were recorded of a tenant to its policies as they would be.
type Trial interface {
	// Try refuses policies under which more of the decisions would have been others than may. Most is how many whoever
	// changes them tolerates; nil, or negative: as many as the server does.
	Try(ctx context.Context, t tenant.UID, tenantName string, policies map[string]*PolicySpec, most *int) (refused, warned []Problem, err error)
}

// KeyFinder finds who holds a natural key, so that a plan can say so.
type KeyFinder interface {
	FindByKey(ctx context.Context, t tenant.UID, space, value string) ([]Stored, error)
}

// Config is what a Path needs. Every member up to Now is required.
type Config struct {
	Store   Store
	Keys    KeyFinder
	Secrets Secrets
	Checker Checker
	Now     func() time.Time
	// Resolve reads a secret that the configuration file refers to; nil refuses every reference.
	Resolve func(SecretRef) (secret.Text, error)
	// MayRefer tells whether objects of other managers may refer to a secret too; nil is none.
	MayRefer func(SecretRef) bool
	// Proposals keeps what a second person must allow; without it such a change is refused.
	Proposals Proposals
	// Trial is asked of policies that change, but not of what the configuration file says; nil is no trial, and whoever asks
	// for one is refused.
	Trial Trial
	// PolicyHash is the hash of a policy's content; nil keeps none with its revisions.
	PolicyHash func(*PolicySpec) string
}

// Validate refuses a path on which a check would be empty.
func (c Config) Validate() error {
	if c.Store == nil || c.Keys == nil || c.Secrets == nil || c.Checker == nil || c.Now == nil {
		return errors.New("object path: Store, Keys, Secrets, Checker and Now are required")
	}
	return nil
}

// Path is the one way in which objects change.
type Path struct {
	c Config
	// writing lets one apply compare and write before the next one looks, in this process, so that
	// they do not send each other back. Between processes the tenant's version does that (see write).
	writing sync.Mutex
}

// NewPath returns the path.
func NewPath(c Config) (*Path, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Path{c: c}, nil
}

// Request says who applies and how.
type Request struct {
	Manager string
	By      audit.Principal
	Trace   string
	DryRun  bool
	Prune   bool // delete what the same manager made and is not among the objects
	// IfMatch, for one object: its revision, NotThere, or 0 for no condition.
	IfMatch int64
	// IfUID is whose revision that is, "" for whoever has the name: what is made again under it begins at 1 too.
	IfUID string

	Note  string // why, for those who read a policy's history
	Human *Human // the person behind By; nil: a program
	// Author wrote what By carries out; nil: By did.
	Author *audit.Principal
	// RollbackOf is the revision whose content comes again; 0: none.
	RollbackOf int64
	// MaxFlips is how many recorded decisions policies that change may turn; nil, or negative: as many as the server says.
	MaxFlips *int
	// Untried is a look at a change that was tried before, or will be.
	Untried bool
	// Approval is what lets a change pass that a second person must allow.
	Approval *Approval
}

// NotThere is the IfMatch of `If-None-Match: *`.
const NotThere int64 = -1

// Item is what an apply does, or would do, to one object.
type Item struct {
	Action   Action        `json:"action"`
	Kind     Kind          `json:"kind"`
	Tenant   string        `json:"tenant"`
	Name     string        `json:"name"`
	Revision int64         `json:"revision,omitempty"` // after it
	Changes  []FieldChange `json:"changes,omitempty"`
}

// Plan is what an apply does, or would do.
type Plan struct {
	Items    []Item    `json:"items"`
	Warnings []Problem `json:"warnings,omitempty"`
	Applied  bool      `json:"applied"`
	// Pending is what a second person must allow, of each tenant: nothing of those was made.
	Pending []Pending `json:"pending,omitempty"`
}

// Differs tells whether anything changes.
func (p Plan) Differs() bool {
	for _, i := range p.Items {
		if i.Action != Unchanged {
			return true
		}
	}
	return false
}

// Apply makes one tenant's objects so, all or none. Objects without a tenant are
// taken for that tenant's; one that names another is refused. It returns the plan
// also where it fails, as far as it got.
//
//  1. every object is valid alone;
//  2. it is compared with what is stored, and may be written by this manager;
//  3. it fits with its neighbours, stored and new;
//  4. everything is written in one transaction with its audit events, the secrets that
//     the configuration refers to among it, if the tenant still is what 2 and 3 saw.
func (p *Path) Apply(ctx context.Context, tenantName string, objects []Object, r Request) (Plan, error) {
	if !r.DryRun {
		p.writing.Lock()
		defer p.writing.Unlock()
	}
	return p.write(ctx, func() (*draft, error) { return p.draft(ctx, tenantName, objects, r) })
}

// replans bound how often a plan is made again because the tenant moved beneath it.
const replans = 3

// write plans and writes. What a plan was checked against may be changed by another
// replica before it is written: the store compares the tenant's version, as it was
// before the plan read anything, in the transaction that writes.
func (p *Path) write(ctx context.Context, plan func() (*draft, error)) (Plan, error) {
	for again := 0; ; again++ {
		d, err := plan()
		if err != nil || d.request.DryRun {
			return d.plan, err
		}
		if d.plan.Pending != nil {
			return d.plan, d.propose(ctx)
		}
		w, err := d.write()
		if err != nil {
			return d.plan, err
		}
		if len(w.Changes)+len(w.Secrets) > 0 {
			_, err = p.c.Store.Apply(ctx, w)
		}
		switch {
		case err == nil:
			d.plan.Applied = true
			return d.plan, nil
		case !errors.Is(err, ErrMoved) || again == replans:
			return d.plan, err
		}
	}
}

// ApplyAll applies objects of several tenants. Everything is planned before
// anything is written; each tenant is then all or none by itself, since tenants
// do not share a transaction.
func (p *Path) ApplyAll(ctx context.Context, objects []Object, r Request) (Plan, error) {
	names, byTenant := ByTenant(objects, tenant.DefaultName)
	var all Plan
	var wrong findings
	for _, name := range names {
		d, err := p.draft(ctx, name, byTenant[name], r)
		all.Items = append(all.Items, d.plan.Items...)
		all.Warnings = append(all.Warnings, d.plan.Warnings...)
		if invalid, ok := errors.AsType[*Invalid](err); ok {
			wrong.merge(invalid)
		} else if err != nil {
			return all, err
		}
	}
	if err := wrong.err(); err != nil || r.DryRun {
		return all, err
	}
	all = Plan{}
	for _, name := range names {
		done, err := p.Apply(ctx, name, byTenant[name], r)
		all.Items = append(all.Items, done.Items...)
		all.Warnings = append(all.Warnings, done.Warnings...)
		all.Pending = append(all.Pending, done.Pending...)
		if err != nil {
			return all, fmt.Errorf("tenant %s: %w", name, err)
		}
	}
	all.Applied = true
	return all, nil
}

// ByTenant parts objects by the tenant that they name, in the order of their first
// appearance; those that name none are the fallback's.
func ByTenant(objects []Object, fallback string) (names []string, byTenant map[string][]Object) {
	byTenant = map[string][]Object{}
	for _, o := range objects {
		name := o.TenantName()
		if o.Kind != KindTenant && o.Metadata.Tenant == "" {
			name = fallback
		}
		if _, seen := byTenant[name]; !seen {
			names = append(names, name)
		}
		byTenant[name] = append(byTenant[name], o)
	}
	return names, byTenant
}

// writable: may this manager write the object, and is it the one that was meant?
func writable(stored Stored, r Request) error {
	if err := meant(stored, r); err != nil {
		return err
	}
	if stored.ManagedBy == ManagerConfig && r.Manager != ManagerConfig {
		return fmt.Errorf("%s %s: %w: the configuration file keeps it; change what its objects: names", stored.Kind, stored.Name, ErrReadOnly)
	}
	// A pipeline that gave itself a name keeps its policies under review somewhere else.
	if stored.Kind == KindPolicy && named(stored.ManagedBy) && r.Manager != stored.ManagedBy && r.Manager != ManagerConfig {
		return fmt.Errorf("%s %s: %w: the manager %s keeps it; change it there, or apply as that manager", stored.Kind, stored.Name, ErrReadOnly, quote(stored.ManagedBy))
	}
	return nil
}

// named tells a manager that somebody named from those that everybody is.
func named(manager string) bool {
	switch manager {
	case "", ManagerAPI, ManagerApply, ManagerSystem, ManagerConfig:
		return false
	default:
		return true
	}
}

// meant: is it the object that the condition names?
func meant(stored Stored, r Request) error {
	if r.IfMatch == NotThere || r.IfMatch > 0 && r.IfMatch != stored.Revision || r.IfUID != "" && r.IfUID != stored.UID {
		return fmt.Errorf("%s %s: %w: it has revision %d", stored.Kind, stored.Name, ErrPrecondition, stored.Revision)
	}
	return nil
}

// mayRefer: whose references are resolved.
func (p *Path) mayRefer(manager string, r SecretRef) bool {
	return manager == ManagerConfig || p.c.MayRefer != nil && p.c.MayRefer(r)
}

// tenant finds a tenant by name.
func (p *Path) tenant(ctx context.Context, name string) (Stored, error) {
	s, err := p.c.Store.Tenant(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return s, fmt.Errorf("%w: %s", ErrTenantUnknown, quote(name))
	}
	return s, err
}

// Bootstrap makes the tenant default if it is not there.
func (p *Path) Bootstrap(ctx context.Context) error {
	_, err := p.c.Store.Tenant(ctx, tenant.DefaultName)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	o := Object{APIVersion: APIVersion, Kind: KindTenant, Metadata: Metadata{Name: tenant.DefaultName}, Spec: &TenantSpec{}}
	_, err = p.Apply(ctx, tenant.DefaultName, []Object{o}, Request{Manager: ManagerSystem, By: audit.Principal{Kind: "system"}})
	if errors.Is(err, ErrConflict) { // another replica was first
		return nil
	}
	return err
}

func newUID(kind Kind, now time.Time) string { return id.New(kind.IDKind(), now) }

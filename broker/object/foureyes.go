package object

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Need is what a second person must hold the permission for.
type Need string

// What a tenant may ask a second person about (spec.approval).
const (
	NeedPolicies Need = "policies"
	NeedTrust    Need = "trust"
)

// What a change is refused for that a second person has to allow.
var (
	ErrApprovalNeeded = errors.New("a second person must allow this")
	ErrOutdated       = errors.New("what the proposal was made on has changed since")
)

// Human is who acts: the same one through whatever session, token or role.
type Human struct {
	Tenant  string `json:"tenant"` // its uid
	Home    string `json:"home"`   // its name, to find it by
	UserUID string `json:"user"`
	IdPUID  string `json:"idp,omitempty"` // who vouched for him
	Name    string `json:"name,omitempty"`
	Email   string `json:"email,omitempty"`
}

// Same tells whether two are one human: uids of users are nobody else's in any tenant, and two users with one address are
// one person. Whoever has no user is nobody, and not the same as anybody.
func (p Human) Same(other Human) bool {
	return p.UserUID != "" && p.UserUID == other.UserUID || p.Email != "" && strings.EqualFold(p.Email, other.Email)
}

// Base is what an object was when a change of it was proposed; revision 0: not there.
type Base struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`
	UID      string `json:"uid,omitempty"`
	Revision int64  `json:"revision"`
}

// Changeset is everything that one apply would do to a tenant: all of it or nothing.
type Changeset struct {
	Objects []Object `json:"objects,omitempty"` // as they will be
	Deletes []Base   `json:"deletes,omitempty"`
	Base    []Base   `json:"base,omitempty"` // of Objects, in their order
	// Means are the users whom the names in RoleBindings of Objects mean; revision 0: nobody.
	Means []Base `json:"means,omitempty"`
}

// Proposed is a change that waits for a second person.
type Proposed struct {
	Tenant tenant.UID
	Needs  []Need
	Change Changeset
	// Request is who asked for it, and as which manager.
	Request Request
}

// Pending says that a change waits, or with a dry run would wait.
type Pending struct {
	Code      string    `json:"code"` // pending_approval
	Tenant    string    `json:"tenant"`
	Needs     []Need    `json:"needs"`
	Proposal  string    `json:"proposal,omitempty"` // its id
	Hash      string    `json:"hash,omitempty"`     // to which an approval is bound
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// CodePending is a Pending's code.
const CodePending = "pending_approval"

// Proposals keeps what waits; *proposal.Shelf does.
type Proposals interface {
	// Propose keeps a change; the same change that waits already is not kept twice.
	Propose(ctx context.Context, p Proposed) (Pending, error)
}

// Approval is a second person's word for one change, or the tenant's that none is needed. It is package proposal that
// has checked it.
type Approval struct {
	Proposal string
	From     string // the state in which the proposal must still be when this is written
	Hash     string // of the proposal, as it must still be
	Needs    []Need // which were allowed
	By       string // who allowed, for the record; "" nobody
	Change   Changeset
}

// Settlement is what the write does to the proposal that it carries out.
type Settlement struct {
	Proposal, From, Hash string
	By                   string
	At                   time.Time
}

// approving is what the role lets its holders decide as the second person.
func approving(role string) []Need {
	switch role {
	case "owner":
		return []Need{NeedPolicies, NeedTrust}
	case "policy-approver":
		return []Need{NeedPolicies}
	default:
		return nil
	}
}

// fourEyes finds what of the draft a second person must allow, by what the tenant says before it.
func (d *draft) fourEyes(ctx context.Context) error {
	if d.request.Manager == ManagerConfig || d.request.Manager == ManagerSystem || d.isNew { // the operator's files are reviewed where they are kept
		return nil
	}
	asked, err := d.asked(ctx)
	if err != nil {
		return err
	}
	var needs []Need
	for _, e := range d.entries {
		if e.action == Unchanged {
			continue
		}
		more, err := d.needsOf(ctx, e, asked)
		if err != nil {
			return err
		}
		needs = append(needs, more...)
	}
	slices.Sort(needs)
	d.needs = slices.Compact(needs)
	if len(d.needs) > 0 && !d.covered() {
		d.plan.Pending = []Pending{{Code: CodePending, Tenant: d.name, Needs: d.needs}}
	}
	return nil
}

// asked is what the tenant asks a second person about.
func (d *draft) asked(ctx context.Context) ([]Need, error) {
	stored, err := d.path.c.Store.Get(ctx, d.uid, KindTenant, d.name)
	if err != nil {
		return nil, err
	}
	return asks(stored)
}

func asks(stored Stored) ([]Need, error) {
	spec, err := ParseSpec(KindTenant, stored.Spec)
	if err != nil {
		return nil, err
	}
	t, ok := spec.(*TenantSpec)
	if !ok {
		return nil, errors.New("a tenant is stored as something else")
	}
	return t.Approval.needs(), nil
}

func (a TenantApproval) needs() []Need {
	var needs []Need
	if a.Policies {
		needs = append(needs, NeedPolicies)
	}
	if a.Trust {
		needs = append(needs, NeedTrust)
	}
	return needs
}

func (d *draft) needsOf(ctx context.Context, e entry, asked []Need) ([]Need, error) {
	switch e.after.Kind {
	case KindPolicy:
		return among(asked, NeedPolicies), nil
	case KindIdentityProvider:
		asked, err := d.askedOfIdPs(ctx, asked)
		return among(asked, NeedTrust), err
	case KindProvider:
		if e.action == Delete || e.before == nil { // what is connected belongs to the object, not to its name
			return nil, nil
		}
		elsewhere, err := leadsElsewhere(e)
		if err != nil || !elsewhere {
			return nil, err
		}
		return among(asked, NeedTrust), nil
	case KindTenant:
		if e.action == Delete { // nothing is left in it
			return nil, nil
		}
		left, err := asks(e.after)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(slices.Clone(asked), func(n Need) bool { return slices.Contains(left, n) }), nil
	case KindRoleBinding:
		if e.action == Delete { // takes away; whoever must be stopped now is
			return nil, nil
		}
		b, ok := e.object.Spec.(*RoleBindingSpec)
		if !ok {
			return nil, errors.New("a role binding is something else")
		}
		asked, err := d.askedOfPeople(ctx, asked)
		return among(asked, approving(b.Role)...), err
	case KindUser:
		if e.action == Delete {
			return nil, nil
		}
		return d.needsOfUser(ctx, e, asked)
	default:
		return nil, nil
	}
}

// leadsElsewhere tells whether a change of a Provider could send elsewhere what people connected there: the refresh tokens that
// rest are shown to the addresses that it says, through its proxy, by its certificates. The specs are compared and not what a
// plan shows of them, which is cut off.
func leadsElsewhere(e entry) (bool, error) {
	var led [2][]byte
	for i, spec := range [][]byte{beforeSpec(e), e.after.Spec} {
		parsed, err := ParseSpec(KindProvider, spec)
		if err != nil {
			return false, err
		}
		p, ok := parsed.(*ProviderSpec)
		if !ok {
			return false, errors.New("a provider is something else")
		}
		where := ProviderSpec{Manifest: p.Manifest, OwnManifest: p.OwnManifest, ConnectionConfig: p.ConnectionConfig, Network: p.Network}
		if led[i], err = canonicalSpec(&where); err != nil {
			return false, err
		}
	}
	return !bytes.Equal(led[0], led[1]), nil
}

func among(asked []Need, wanted ...Need) []Need {
	var both []Need
	for _, n := range wanted {
		if slices.Contains(asked, n) {
			both = append(both, n)
		}
	}
	return both
}

func beforeSpec(e entry) []byte {
	if e.before == nil {
		return nil
	}
	return e.before.Spec
}

// covered tells whether a second person's word covers all that the draft needs.
func (d *draft) covered() bool {
	a := d.request.Approval
	return a != nil && !slices.ContainsFunc(d.needs, func(n Need) bool { return !slices.Contains(a.Needs, n) })
}

// propose keeps the change for a second person in place of making it.
func (d *draft) propose(ctx context.Context) error {
	if d.request.Approval != nil || d.path.c.Proposals == nil {
		return ErrApprovalNeeded
	}
	change, err := d.changeset(ctx)
	if err != nil {
		return err
	}
	pending, err := d.path.c.Proposals.Propose(ctx, Proposed{Tenant: d.uid, Needs: d.needs, Change: change, Request: d.request})
	if err != nil {
		return err
	}
	pending.Tenant = d.name
	d.plan.Pending = []Pending{pending}
	return nil
}

// changeset is the draft as it can be made again: what changes, and on what.
func (d *draft) changeset(ctx context.Context) (Changeset, error) {
	var c Changeset
	for _, e := range d.entries {
		switch e.action {
		case Unchanged:
		case Delete:
			c.Deletes = append(c.Deletes, baseOf(e))
		case Create, Update:
			o, err := e.after.Object(d.name)
			if err != nil {
				return c, err
			}
			o.Metadata = Metadata{Name: o.Metadata.Name, Tenant: o.Metadata.Tenant, Labels: o.Metadata.Labels}
			c.Objects, c.Base = append(c.Objects, o), append(c.Base, baseOf(e))
		}
	}
	var err error
	c.Means, err = d.means(ctx, slices.DeleteFunc(slices.Clone(d.entries), func(e entry) bool { return e.action == Unchanged }))
	return c, err
}

func baseOf(e entry) Base {
	b := Base{Kind: e.after.Kind, Name: e.after.Name}
	if e.before != nil {
		b.UID, b.Revision = e.before.UID, e.before.Revision
	}
	return b
}

// carryOut brings the deletions of an approved change into the draft, and holds all of it to what it was made on.
func (d *draft) carryOut(ctx context.Context) error {
	a := d.request.Approval
	if a == nil {
		return nil
	}
	for _, e := range d.entries {
		if !slices.Contains(a.Change.Base, baseOf(e)) {
			return locateError(e.object, ErrOutdated, "propose it again")
		}
	}
	for _, b := range a.Change.Deletes {
		stored, err := d.stored(ctx, b.Kind, b.Name)
		if err != nil {
			return err
		}
		if stored == nil || stored.UID != b.UID || stored.Revision != b.Revision {
			return &located{object: string(b.Kind) + " " + b.Name, err: ErrOutdated, why: "propose it again"}
		}
		if err := writable(*stored, d.request); err != nil {
			return err
		}
		d.remove(*stored)
	}
	return d.meansStill(ctx, a.Change.Means)
}

// settlement is what becomes of the proposal in the transaction that carries it out.
func (d *draft) settlement() *Settlement {
	a := d.request.Approval
	if a == nil || a.Proposal == "" {
		return nil
	}
	return &Settlement{Proposal: a.Proposal, From: a.From, Hash: a.Hash, By: principalName(d.request.By), At: d.path.c.Now()}
}

// Provenance is what is kept of a policy's revision besides its text.
type Provenance struct {
	Hash       string // of its content; "" where the path is not told how
	Note       string
	Author     audit.Principal
	ApprovedBy string
	Proposal   string
	RollbackOf int64 // 0: none
}

func (d *draft) provenance(e entry) (*Provenance, error) {
	if e.after.Kind != KindPolicy {
		return nil, nil //nolint:nilnil // only policies have revisions of their own
	}
	p := &Provenance{Note: d.request.Note, Author: d.request.By, RollbackOf: d.request.RollbackOf}
	if d.request.Author != nil {
		p.Author = *d.request.Author
	}
	if a := d.request.Approval; a != nil {
		p.ApprovedBy, p.Proposal = a.By, a.Proposal
	}
	if d.path.c.PolicyHash == nil {
		return p, nil
	}
	spec, err := ParseSpec(KindPolicy, e.after.Spec)
	if err != nil {
		return nil, err
	}
	if s, ok := spec.(*PolicySpec); ok {
		p.Hash = d.path.c.PolicyHash(s)
	}
	return p, nil
}

// PrincipalName is how records name who acted.
func PrincipalName(p audit.Principal) string { return principalName(p) }

// DiffPolicies compares two texts of a policy, member by member.
func DiffPolicies(was, is *PolicySpec) ([]FieldChange, error) {
	before, err := canonicalSpec(was)
	if err != nil {
		return nil, err
	}
	after, err := canonicalSpec(is)
	if err != nil {
		return nil, err
	}
	return diffSpecs(before, after)
}

// Preview is what an apply would do, as a change that can be kept, and what a second person would have to allow of it.
func (p *Path) Preview(ctx context.Context, tenantName string, objects []Object, r Request) (Plan, Proposed, error) {
	r.DryRun, r.Untried = true, true
	d, err := p.draft(ctx, tenantName, objects, r)
	if err != nil {
		return d.plan, Proposed{}, err
	}
	change, err := d.changeset(ctx)
	return d.plan, Proposed{Tenant: d.uid, Needs: d.needs, Change: change, Request: r}, err
}

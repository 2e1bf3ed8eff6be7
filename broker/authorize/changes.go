package authorize

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/policy/matrix"
)

// Changes shows people of a tenant the proposals of that tenant. What a person of tenant default may do in others he does at the
// admin API.
type Changes struct {
	Desk *proposal.Desk
	// Live finds an object as it is; object.ErrNotFound where there is none.
	Live func(ctx context.Context, tenantName string, kind object.Kind, name string) (object.Object, error)
	// Access is what a draft changes of who gets what; nil: it is not shown.
	Access func(ctx context.Context, t proposal.Tenant, draft []object.Object) (matrix.Difference, error)
}

var _ Proposals = Changes{}

// Validate refuses one in which a part is missing.
func (c Changes) Validate() error {
	if c.Desk == nil || c.Live == nil {
		return errors.New("authorize: a part of what shows changes is missing")
	}
	return c.Desk.Validate()
}

// listedAtOnce is a page of the store's; open ones are at most proposal.MaxOpen, and those that ended are passed over.
const (
	listedAtOnce = 100
	listedMost   = 10
)

func humanOf(who person.Person) object.Human {
	return object.Human{Tenant: who.Tenant.UID.String(), Home: who.Tenant.Name, UserUID: who.UID, IdPUID: who.IdPUID, Name: who.Name, Email: who.Email}
}

func ownTenant(who person.Person) proposal.Tenant {
	return proposal.Tenant{UID: who.Tenant.UID, Name: who.Tenant.Name}
}

// WaitingFor implements Proposals.
func (c Changes) WaitingFor(ctx context.Context, who person.Person) ([]page.Proposal, error) {
	var waiting []page.Proposal
	before, h := "", humanOf(who)
	standing := map[object.Need]bool{}
	for range listedMost {
		found, err := c.Desk.Store.List(ctx, who.Tenant.UID, before, listedAtOnce)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			before = p.ID
			if p.At(c.Desk.Now()) != proposal.Proposed || slices.ContainsFunc(p.Authors, h.Same) {
				continue
			}
			may, err := c.may(ctx, who, p, standing)
			if err != nil {
				return nil, err
			}
			if may {
				waiting = append(waiting, page.Proposal{ID: p.ID, Kind: string(p.Kind), Name: p.Name, Author: object.PrincipalName(p.Author), Until: p.ExpiresAt})
			}
		}
		if len(found) < listedAtOnce {
			break
		}
	}
	slices.Reverse(waiting)
	return waiting, nil
}

// may tells whether a person holds the permission for all that a proposal needs.
func (c Changes) may(ctx context.Context, who person.Person, p proposal.Proposal, known map[object.Need]bool) (bool, error) {
	needs := p.Needs
	if len(needs) == 0 {
		needs = []object.Need{object.NeedPolicies}
	}
	for _, n := range needs {
		if _, asked := known[n]; !asked {
			may, err := c.Desk.Standing.May(ctx, humanOf(who), who.Tenant.Name, n)
			if err != nil {
				return false, err
			}
			known[n] = may
		}
		if !known[n] {
			return false, nil
		}
	}
	return true, nil
}

// Look implements Proposals.
func (c Changes) Look(ctx context.Context, who person.Person, id string) (page.Change, bool, error) {
	p, plan, stands, err := c.Desk.Show(ctx, ownTenant(who), id)
	if err != nil {
		return page.Change{}, false, err
	}
	h := humanOf(who)
	mine := slices.ContainsFunc(p.Authors, h.Same)
	may, err := c.may(ctx, who, p, map[object.Need]bool{})
	if err != nil {
		return page.Change{}, false, err
	}
	if !mine && !may { // what a company's rules are to be is not everybody's to read
		return page.Change{}, false, proposal.ErrUnknown
	}
	change, err := p.Changeset()
	if err != nil {
		return page.Change{}, false, err
	}
	m := page.Change{Hash: p.Hash, Author: object.PrincipalName(p.Author), Note: p.Note, Until: p.ExpiresAt, Mine: mine}
	waits := p.At(c.Desk.Now()) == proposal.Proposed
	m.Stands = waits && stands != nil
	var all bool
	if m.Objects, all, err = c.objects(ctx, who.Tenant.Name, change, plan); err != nil {
		return page.Change{}, false, err
	}
	m.Partly = !all || !m.Whole()
	if waits && !m.Stands && len(change.Deletes) == 0 {
		c.access(ctx, ownTenant(who), change, &m)
	}
	return m, waits && may && !mine && !m.Stands && !m.Partly, nil
}

// objects are what the change makes, changes and deletes; not all: of some it is not known what would change.
func (c Changes) objects(ctx context.Context, tenantName string, change object.Changeset, plan object.Plan) (shown []page.ChangedObject, all bool, err error) {
	all = true
	for _, o := range change.Objects {
		one := page.ChangedObject{Kind: string(o.Kind), Name: o.Metadata.Name}
		i := slices.IndexFunc(plan.Items, func(i object.Item) bool { return i.Kind == o.Kind && i.Name == o.Metadata.Name })
		if i < 0 {
			all = false
		} else {
			for _, m := range plan.Items[i].Changes {
				one.Members = append(one.Members, page.ChangedMember{Path: m.Path, From: m.From, To: m.To})
			}
		}
		if spec, ok := o.Spec.(*object.PolicySpec); ok {
			if err := c.text(ctx, tenantName, o, spec, &one); err != nil {
				return nil, false, err
			}
		}
		shown = append(shown, one)
	}
	for _, gone := range change.Deletes {
		shown = append(shown, page.ChangedObject{Kind: string(gone.Kind), Name: gone.Name, Deleted: true})
	}
	return shown, all, nil
}

// text puts the modules and tests of a policy line by line.
func (c Changes) text(ctx context.Context, tenantName string, o object.Object, spec *object.PolicySpec, one *page.ChangedObject) error {
	var was *object.PolicySpec
	live, err := c.Live(ctx, tenantName, o.Kind, o.Metadata.Name)
	if err != nil && !errors.Is(err, object.ErrNotFound) {
		return err
	}
	if err == nil {
		was, _ = live.Spec.(*object.PolicySpec)
	}
	diff, err := revision.Between(was, spec)
	if err != nil {
		return err
	}
	one.Members = slices.DeleteFunc(one.Members, func(m page.ChangedMember) bool { return strings.HasPrefix(m.Path, "spec") })
	for _, m := range diff.Changes {
		one.Members = append(one.Members, page.ChangedMember{Path: m.Path, From: m.From, To: m.To})
	}
	for _, f := range diff.Files {
		one.Files = append(one.Files, page.ChangedFile{Path: f.Path, Lines: f.Lines})
	}
	return nil
}

// access is what changes of who gets what. Where it cannot be computed it is not shown: the text is.
func (c Changes) access(ctx context.Context, t proposal.Tenant, change object.Changeset, m *page.Change) {
	if c.Access == nil || !slices.ContainsFunc(change.Objects, func(o object.Object) bool { return o.Kind == object.KindPolicy }) {
		return
	}
	diff, err := c.Access(ctx, t, change.Objects)
	if err != nil {
		return
	}
	m.More = len(diff.Changes) > page.MaxAccessShown
	for _, d := range diff.Changes[:min(len(diff.Changes), page.MaxAccessShown)] {
		at := cmp.Or(d.After, d.Before)
		m.Access = append(m.Access, page.AccessChange{
			Client: at.Client, Resource: at.Resource, Group: at.Group, Program: at.Who == matrix.Nobody, From: gets(d.Before), To: gets(d.After),
		})
	}
}

func gets(c *matrix.Cell) page.Gets {
	if c == nil || !c.Allow {
		return page.Gets{}
	}
	return page.Gets{Allowed: true, Scopes: c.Scopes, StepUp: c.StepUp != nil, Approval: c.Approval != nil}
}

// Answer implements Proposals.
func (c Changes) Answer(ctx context.Context, who person.Person, id, hash string, allow bool, v approval.Visit) error {
	h := humanOf(who)
	by := proposal.Actor{Principal: audit.Principal{Kind: "user", ID: who.UID, Name: who.Name}, Human: &h, Trace: v.Trace}
	if allow {
		_, err := c.Desk.Approve(ctx, ownTenant(who), id, hash, by)
		return err
	}
	_, err := c.Desk.Reject(ctx, ownTenant(who), id, "", by)
	return err
}

package proposal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Standing tells what a person may do at this moment; package admin knows roles.
type Standing interface {
	// May tells whether a person, who is there and active now, may be the second person for a need in a tenant.
	May(ctx context.Context, h object.Human, tenantName string, n object.Need) (bool, error)
}

// Path is where objects change; *object.Path is one.
type Path interface {
	Apply(ctx context.Context, tenantName string, objects []object.Object, r object.Request) (object.Plan, error)
	Preview(ctx context.Context, tenantName string, objects []object.Object, r object.Request) (object.Plan, object.Proposed, error)
}

// Desk leads proposals from draft to their end. Every part up to Standing is required.
type Desk struct {
	Shelf
	Path     Path
	Standing Standing
	// MaxFlips is how many recorded decisions what is put to people or published may turn; nil: as many as the server says.
	MaxFlips *int
	// Published is told of what was carried out, after it.
	Published func(ctx context.Context, p Proposal)
}

// Validate refuses a desk on which a check would be empty.
func (d Desk) Validate() error {
	if d.Store == nil || d.Now == nil || d.Path == nil || d.Standing == nil {
		return errors.New("proposal: a part is missing")
	}
	return nil
}

// Actor is who acts: the principal of records and, where a person does, who it is.
type Actor struct {
	Principal audit.Principal
	Human     *object.Human
	Trace     string
}

// Tenant is one by uid and name.
type Tenant struct {
	UID  tenant.UID
	Name string
}

// Draft keeps a change that nobody has to look at yet. Whether it could be applied is checked now and again when it is published.
func (d Desk) Draft(ctx context.Context, t Tenant, objects []object.Object, r object.Request) (Proposal, object.Plan, error) {
	plan, proposed, err := d.preview(ctx, t, objects, r)
	if err != nil {
		return Proposal{}, plan, err
	}
	p, err := d.put(ctx, Draft, DraftLifetime, proposed)
	return p, plan, err
}

func (d Desk) preview(ctx context.Context, t Tenant, objects []object.Object, r object.Request) (object.Plan, object.Proposed, error) {
	r.Prune, r.Approval = false, nil
	plan, proposed, err := d.Path.Preview(ctx, t.Name, objects, r)
	if err == nil && !plan.Differs() {
		err = ErrNothing
	}
	if err == nil && proposed.Tenant != t.UID {
		err = object.ErrTenantUnknown
	}
	return plan, proposed, err
}

// Revise gives a proposal other content. Whatever was allowed of the content before is not of this one.
func (d Desk) Revise(ctx context.Context, t Tenant, id, hash string, objects []object.Object, r object.Request) (Proposal, object.Plan, error) {
	p, err := d.open(ctx, t.UID, id, hash, Draft, Proposed, Approved)
	if err != nil {
		return p, object.Plan{}, err
	}
	plan, proposed, err := d.preview(ctx, t, objects, r)
	if err != nil {
		return p, plan, err
	}
	written, err := d.write(proposed)
	if err != nil {
		return p, plan, err
	}
	if written.Kind != p.Kind || written.Name != p.Name {
		return p, plan, fmt.Errorf("%w: it is of %s %s", ErrState, p.Kind, p.Name)
	}
	next := p
	next.State, next.Needs, next.Change, next.Hash = Draft, written.Needs, written.Change, written.Hash
	next.Manager, next.Author, next.UpdatedAt = written.Manager, written.Author, written.UpdatedAt
	next.ExpiresAt, next.RollbackOf = d.Now().Add(DraftLifetime), 0
	if r.Note != "" {
		next.Note = r.Note
	}
	for _, h := range written.Authors { // those before have written some of it too
		if !slices.ContainsFunc(next.Authors, h.Same) {
			next.Authors = append(slices.Clone(next.Authors), h)
		}
	}
	next.Approver, next.ApprovedHash, next.ApprovedAt = nil, "", time.Time{}
	return next, plan, d.Store.Move(ctx, p.State, p.Hash, next, d.event(next, audit.TypeProposalChanged, r.By, r.Trace))
}

// Submit puts a draft to a second person.
func (d Desk) Submit(ctx context.Context, t Tenant, id, hash, note string, by Actor) (Proposal, error) {
	p, err := d.open(ctx, t.UID, id, hash, Draft)
	if err != nil {
		return p, err
	}
	next := p
	next.State, next.UpdatedAt, next.ExpiresAt = Proposed, d.Now(), d.Now().Add(Lifetime)
	if note != "" {
		next.Note = note
	}
	if len(next.Note) > MaxNote {
		return p, fmt.Errorf("note: %w: more than %d bytes", ErrTooLarge, MaxNote)
	}
	if plan, err := d.look(ctx, t, p, false); err != nil {
		return p, err
	} else if len(plan.Pending) > 0 {
		next.Needs = plan.Pending[0].Needs
	}
	return next, d.Store.Move(ctx, p.State, p.Hash, next, d.event(next, audit.TypeProposalChanged, by.Principal, by.Trace))
}

// look is what the proposal would do now; Pending says what is needed for it. What was decided is put to its policies before it
// is put to people and when it is published, not whenever somebody looks.
func (d Desk) look(ctx context.Context, t Tenant, p Proposal, untried bool) (object.Plan, error) {
	r, c, err := d.request(p)
	if err != nil {
		return object.Plan{}, err
	}
	r.DryRun, r.Untried = true, untried
	r.Approval.Needs = nil
	return d.Path.Apply(ctx, t.Name, c.Objects, r)
}

// Show is a proposal with what it would do now. An error of the plan is what stands in its way.
func (d Desk) Show(ctx context.Context, t Tenant, id string) (p Proposal, plan object.Plan, stands error, err error) {
	p, err = d.Store.Get(ctx, t.UID, id)
	if err != nil || !p.At(d.Now()).Open() {
		return p, plan, nil, err
	}
	plan, stands = d.look(ctx, t, p, true)
	return p, plan, stands, nil
}

// Approve is a second person's word for exactly the content that he has seen.
//
//  1. the proposal waits, its time is not over, and it is the one that he saw;
//  2. a person speaks, not a program;
//  3. he has written nothing of it, under whatever name;
//  4. he holds the permission for all that it needs, at this moment.
func (d Desk) Approve(ctx context.Context, t Tenant, id, hash string, by Actor) (Proposal, error) {
	p, err := d.open(ctx, t.UID, id, hash, Proposed)
	if err != nil {
		return p, err
	}
	if by.Human == nil || by.Human.UserUID == "" {
		return p, d.refused(ctx, p, by, ErrProgram)
	}
	if p.wrote(*by.Human) {
		return p, d.refused(ctx, p, by, ErrSelf)
	}
	if err := d.stands(ctx, t, *by.Human, p.Needs); err != nil {
		return p, d.refused(ctx, p, by, err)
	}
	next := p
	approver := *by.Human
	next.State, next.Approver, next.ApprovedHash, next.ApprovedAt, next.UpdatedAt = Approved, &approver, hash, d.Now(), d.Now()
	return next, d.Store.Move(ctx, Proposed, p.Hash, next, d.event(next, audit.TypeProposalApproved, by.Principal, by.Trace))
}

// wrote tells whether a person wrote some of it.
func (p Proposal) wrote(h object.Human) bool { return slices.ContainsFunc(p.Authors, h.Same) }

func (d Desk) stands(ctx context.Context, t Tenant, h object.Human, needs []object.Need) error {
	if len(needs) == 0 {
		needs = []object.Need{object.NeedPolicies} // nobody asked for a second person: his word is still one
	}
	for _, n := range needs {
		may, err := d.Standing.May(ctx, h, t.Name, n)
		if err != nil {
			return err
		}
		if !may {
			return fmt.Errorf("%w (%s)", ErrStanding, n)
		}
	}
	return nil
}

// refused records who tried; what it answers is why.
func (d Desk) refused(ctx context.Context, p Proposal, by Actor, why error) error {
	for _, known := range []error{ErrProgram, ErrSelf, ErrStanding} {
		if !errors.Is(why, known) {
			continue
		}
		e := d.event(p, audit.TypeProposalRefused, by.Principal, by.Trace)
		e.Outcome = audit.Refused
		e.Detail["why"] = why.Error()
		if err := d.Store.Move(ctx, p.State, p.Hash, p, e); err != nil && !errors.Is(err, ErrMoved) {
			return errors.Join(why, err)
		}
	}
	return why
}

// Publish carries a proposal out, once. What needs a second person needs his word of this content, within its time, and that he
// may still give it; what needs nobody passes as a draft too. The objects and the proposal change in one transaction.
func (d Desk) Publish(ctx context.Context, t Tenant, id, hash string, by Actor, note string) (Proposal, object.Plan, error) {
	p, err := d.open(ctx, t.UID, id, hash, Draft, Proposed, Approved)
	if err != nil {
		return p, object.Plan{}, err
	}
	r, c, err := d.request(p)
	if err != nil {
		return p, object.Plan{}, err
	}
	if p.State == Approved {
		if p.Approver == nil || p.ApprovedHash != p.Hash || p.wrote(*p.Approver) {
			return p, object.Plan{}, fmt.Errorf("%w: what was approved is not this", ErrHash)
		}
		if err := d.stands(ctx, t, *p.Approver, p.Needs); err != nil {
			return p, object.Plan{}, d.refused(ctx, p, by, err)
		}
		r.Approval.Needs = p.Needs
		r.Approval.By = "user:" + p.Approver.Name
	}
	r.By, r.Trace = by.Principal, by.Trace
	if note != "" && p.State != Approved { // what was allowed stays as it was seen
		r.Note = note
	}
	plan, err := d.Path.Apply(ctx, t.Name, c.Objects, r)
	if err != nil {
		return p, plan, err
	}
	p.State = Published
	if d.Published != nil {
		d.Published(ctx, p)
	}
	return p, plan, nil
}

// request is the apply that carries a proposal out.
func (d Desk) request(p Proposal) (object.Request, object.Changeset, error) {
	c, err := p.Changeset()
	if err != nil {
		return object.Request{}, c, err
	}
	author := p.Author
	return object.Request{
		Manager: p.Manager, By: p.Author, Author: &author, MaxFlips: d.MaxFlips, Note: p.Note, RollbackOf: p.RollbackOf,
		Approval: &object.Approval{Proposal: p.ID, From: string(p.State), Hash: p.Hash, Change: c},
	}, c, nil
}

// Reject ends what waits, by whoever could approve it.
func (d Desk) Reject(ctx context.Context, t Tenant, id, why string, by Actor) (Proposal, error) {
	p, err := d.open(ctx, t.UID, id, "", Proposed, Approved)
	if err != nil {
		return p, err
	}
	if by.Human == nil {
		return p, d.refused(ctx, p, by, ErrProgram)
	}
	if err := d.stands(ctx, t, *by.Human, p.Needs); err != nil {
		return p, d.refused(ctx, p, by, err)
	}
	return d.end(ctx, p, Rejected, why, by)
}

// Drop takes a proposal back.
func (d Desk) Drop(ctx context.Context, t Tenant, id, why string, by Actor) (Proposal, error) {
	p, err := d.open(ctx, t.UID, id, "", Draft, Proposed, Approved)
	if err != nil && !errors.Is(err, ErrExpired) {
		return p, err
	}
	return d.end(ctx, p, Dropped, why, by)
}

func (d Desk) end(ctx context.Context, p Proposal, state State, why string, by Actor) (Proposal, error) {
	next := p
	next.State, next.UpdatedAt, next.SettledBy, next.ShadowUntil = state, d.Now(), object.PrincipalName(by.Principal), time.Time{}
	e := d.event(next, audit.TypeProposalEnded, by.Principal, by.Trace)
	e.Detail["why"] = why
	return next, d.Store.Move(ctx, p.State, p.Hash, next, e)
}

// open finds a proposal that is in one of the states, whose time is not over, and that has the content that was seen; hash ""
// is for what does not depend on it.
func (d Desk) open(ctx context.Context, t tenant.UID, id, hash string, states ...State) (Proposal, error) {
	p, err := d.Store.Get(ctx, t, id)
	if err != nil {
		return p, err
	}
	at := p.At(d.Now())
	switch {
	case at == Expired:
		return p, ErrExpired
	case !slices.Contains(states, at):
		return p, fmt.Errorf("%w: it is %s", ErrState, at)
	case hash != "" && hash != p.Hash:
		return p, ErrHash
	}
	return p, nil
}

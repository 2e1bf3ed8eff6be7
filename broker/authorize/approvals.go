package authorize

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// Approvals keeps what waits for other people; *approval.Desk does.
type Approvals interface {
	Open(ctx context.Context, who person.Person, name string) (approval.Approval, error)
	// Asked tells for which group a person is asked.
	Asked(ctx context.Context, who person.Person, a approval.Approval, owner string) (group string, err error)
	For(ctx context.Context, who person.Person, owner func(clientUID string) string) ([]approval.Approval, error)
	Answer(ctx context.Context, who person.Person, name, owner string, allow bool, v approval.Visit) (approval.Approval, error)
}

// Peers says who a person is now; person.People does.
type Peers interface {
	Find(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (person.Person, error)
	// Accounts finds a user by his uid, active or not.
	Accounts(ctx context.Context, t *snapshot.Tenant, userUID string) ([]federation.Account, error)
}

const (
	approvalsPath  = "/approvals"
	approvalPrefix = "apr_"
	approvalTopic  = "approval"
)

// Approving is where people allow what others asked for. Every part but Proposals is required.
type Approving struct {
	Desk      *Desk
	Approvals Approvals
	Peers     Peers
	Proposals Proposals // nil: none are shown
}

// NewApproving refuses one in which a part is missing, and mounts it beside the desk's own pages.
func NewApproving(a Approving) (*Approving, error) {
	if a.Desk == nil || a.Approvals == nil || a.Peers == nil {
		return nil, errors.New("authorize: a part of approving is missing")
	}
	a.Desk.Beside = append(a.Desk.Beside, Route{Path: approvalsPath, Get: a.Desk.shown(a.list)})
	a.Desk.Errands = append(a.Desk.Errands, Errand{Prefix: approvalPrefix, Handle: a.one})
	if a.Proposals != nil {
		a.Desk.Errands = append(a.Desk.Errands, Errand{Prefix: proposalPrefix, Handle: a.proposed})
	}
	return &a, nil
}

// enter finds out who is there now. Where nobody is, the reply brings the person to a sign-in.
func (p *Approving) enter(ctx context.Context, v Visit, then string) (who person.Person, s *session.Session, reply Reply, err error) {
	s, reply, err = p.Desk.SignedIn(ctx, v, signin.Ask{Then: then})
	if s == nil {
		return person.Person{}, nil, reply, err
	}
	who, err = p.Peers.Find(ctx, v.Tenant, s.UserUID, s.IdPUID)
	if errors.Is(err, person.ErrNobody) {
		return person.Person{}, nil, Reply{}, notAsked()
	}
	if err != nil {
		return person.Person{}, nil, Reply{}, unavailable(err)
	}
	return who, s, Reply{}, nil
}

func notAsked() error {
	return oauth.Refuse(oauth.CodeApprovalNotAsked, "somebody who is not asked", "one of those who are")
}

// list is the page of everything that waits for the person.
func (p *Approving) list(ctx context.Context, v Visit) (Reply, error) {
	who, s, reply, err := p.enter(ctx, v, approvalsPath)
	if s == nil || err != nil {
		return reply, err
	}
	known := map[string]*client.Client{}
	found, err := p.Approvals.For(ctx, who, func(string) string { return "" })
	if err != nil {
		return Reply{}, unavailable(err)
	}
	model := page.Approvals{Account: v.path(accountPath)}
	for _, a := range found {
		shown, there, err := p.asked(ctx, v, who, a, known)
		if err != nil {
			return Reply{}, err
		}
		if there && len(model.Waiting) < maxShown {
			model.Waiting = append(model.Waiting, shown)
		}
	}
	if p.Proposals != nil {
		if model.Proposals, err = p.Proposals.WaitingFor(ctx, who); err != nil {
			return Reply{}, unavailable(err)
		}
		for i, one := range model.Proposals {
			model.Proposals[i].Path = v.path(interactPath + one.ID)
		}
	}
	if model.Person, err = p.Desk.person(ctx, v.Tenant, s); err != nil {
		return Reply{}, err
	}
	return p.Desk.show(v, http.StatusOK, model)
}

// maxShown keeps the page readable; the oldest come first.
const maxShown = 100

// asked is a row of the list; not there: who asked is gone, or the person is not asked after all.
func (p *Approving) asked(ctx context.Context, v Visit, who person.Person, a approval.Approval, known map[string]*client.Client) (page.Waiting, bool, error) {
	c, seen := known[a.ClientUID]
	if !seen {
		var err error
		if c, err = p.client(ctx, v.Tenant, a); err != nil && !isCode(err, oauth.CodeInteractionGone) {
			return page.Waiting{}, false, err
		}
		known[a.ClientUID] = c
	}
	r, there := resourceByUID(v.Tenant, a.ResourceUID)
	if c == nil || !there {
		return page.Waiting{}, false, nil
	}
	if _, err := p.Approvals.Asked(ctx, who, a, c.Owner); errors.Is(err, approval.ErrSubject) || errors.Is(err, approval.ErrNotAsked) || errors.Is(err, approval.ErrSettled) {
		return page.Waiting{}, false, nil
	} else if err != nil {
		return page.Waiting{}, false, unavailable(err)
	}
	subject, err := p.subject(ctx, v.Tenant, a)
	if err != nil {
		return page.Waiting{}, false, err
	}
	return page.Waiting{Path: v.path(interactPath + a.ID), Client: clientOf(c), For: subject, Resource: r.Name, Until: a.ExpiresAt}, true, nil
}

// one is the page of one request, and takes what the person says to it.
func (p *Approving) one(ctx context.Context, v Visit) (Reply, error) {
	// 1. Somebody is there, who is concerned.
	who, s, reply, err := p.enter(ctx, v, interactPath+v.Named)
	if s == nil || err != nil {
		return reply, err
	}
	a, err := p.Approvals.Open(ctx, who, v.Named)
	if err != nil {
		return Reply{}, approvalRefusal(err)
	}
	c, err := p.client(ctx, v.Tenant, a)
	if err != nil {
		return Reply{}, err
	}
	// 2. What he says is taken once.
	if v.posted() {
		return p.answer(ctx, v, who, s, a, c)
	}
	// 3. Or he sees what is asked.
	return p.show(ctx, v, who, s, a, c)
}

func (p *Approving) answer(ctx context.Context, v Visit, who person.Person, s *session.Session, a approval.Approval, c *client.Client) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	again := v.path(interactPath + v.Named)
	if err := v.Check(form, approvalTopic, a.ID, handleOf(s)); err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	decision := form.Get("decision")
	if decision != "allow" && decision != "deny" { // absent is no yes, and no no
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeRequestMalformed, "no decision", "allow or deny"), again: again}
	}
	after, err := p.Approvals.Answer(ctx, who, a.ID, c.Owner, decision == "allow", approval.Visit{Trace: v.Trace, Remote: v.Remote})
	switch {
	case errors.Is(err, approval.ErrSettled):
		return p.Desk.show(v, http.StatusConflict, page.Answered{List: v.path(approvalsPath), Settled: true})
	case err != nil:
		return Reply{}, approvalRefusal(err)
	}
	return p.Desk.show(v, http.StatusOK, page.Answered{List: v.path(approvalsPath), Denied: decision == "deny", More: after.State == approval.Waiting})
}

func (p *Approving) show(ctx context.Context, v Visit, who person.Person, s *session.Session, a approval.Approval, c *client.Client) (Reply, error) {
	group, err := p.Approvals.Asked(ctx, who, a, c.Owner)
	switch {
	case errors.Is(err, approval.ErrSettled):
		return p.Desk.show(v, http.StatusOK, page.Answered{List: v.path(approvalsPath), Settled: true})
	case err != nil && !errors.Is(err, approval.ErrSubject) && !errors.Is(err, approval.ErrNotAsked):
		return Reply{}, unavailable(err)
	}
	r, there := resourceByUID(v.Tenant, a.ResourceUID)
	if !there {
		return Reply{}, oauth.Refuse(oauth.CodeInteractionGone, "a resource that is gone", "one that is there")
	}
	model := page.Approval{
		List: v.path(approvalsPath), Client: clientOf(c), Group: group, Lifetime: a.Lifetime, Until: a.ExpiresAt, Mine: errors.Is(err, approval.ErrSubject),
		Access: accessOf([]consent.Part{{Resource: r, Scopes: a.Scopes}}),
	}
	if a.Provider != "" { // the scopes are the provider's, and the resource's words do not describe them
		model.Access = accessOf([]consent.Part{{Resource: &snapshot.Resource{Name: a.Provider + " (" + r.Name + ")"}, Scopes: a.Scopes}})
	}
	var fresh *http.Cookie
	if err == nil {
		model.Action = v.path(interactPath + a.ID)
		model.Token, fresh = v.Token(approvalTopic, a.ID, handleOf(s))
	} else if open := a.Open(); len(open) > 0 {
		model.Group = open[0]
	}
	if model.For, err = p.subject(ctx, v.Tenant, a); err != nil {
		return Reply{}, err
	}
	if model.Person, err = p.Desk.person(ctx, v.Tenant, s); err != nil {
		return Reply{}, err
	}
	reply, err := p.Desk.show(v, http.StatusOK, model)
	return reply.with(fresh), err
}

// client finds who asks, as he is now.
func (p *Approving) client(ctx context.Context, t *snapshot.Tenant, a approval.Approval) (*client.Client, error) {
	c, err := p.Desk.Registry.Lookup(ctx, t.UID, a.ClientID)
	if errors.Is(err, client.ErrUnknown) || err == nil && c.UID != a.ClientUID {
		return nil, oauth.Refuse(oauth.CodeInteractionGone, "a client that is gone", "one that is there")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return c, nil
}

// subject is for whom it is asked; a person who is gone is called by his uid.
func (p *Approving) subject(ctx context.Context, t *snapshot.Tenant, a approval.Approval) (page.Person, error) {
	if a.UserUID == "" {
		return page.Person{}, nil
	}
	accounts, err := p.Peers.Accounts(ctx, t, a.UserUID)
	if err != nil {
		return page.Person{}, unavailable(err)
	}
	if len(accounts) != 1 {
		return page.Person{Name: a.UserUID}, nil
	}
	return page.Person{Name: accounts[0].Name, Email: accounts[0].Email}, nil
}

func resourceByUID(t *snapshot.Tenant, uid string) (*snapshot.Resource, bool) {
	active := t.ActiveResources()
	i := slices.IndexFunc(active, func(r *snapshot.Resource) bool { return r.UID == uid })
	if i < 0 {
		return nil, false
	}
	return active[i], true
}

// approvalRefusal says what an approval is refused for, outside. Whoever is not concerned does not learn whether it is there.
func approvalRefusal(err error) error {
	switch {
	case errors.Is(err, approval.ErrGone):
		return oauth.Refuse(oauth.CodeInteractionGone, "nothing that waits", "what does")
	case errors.Is(err, approval.ErrSubject), errors.Is(err, approval.ErrNotAsked):
		return notAsked()
	case errors.Is(err, approval.ErrSettled):
		return oauth.Refuse(oauth.CodeApprovalSettled, "a second answer", "one")
	}
	return unavailable(err)
}

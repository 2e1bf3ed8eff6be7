package authorize

import (
	"context"
	"errors"
	"net/http"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/session"
)

// Proposals are the changes of the company's rules that wait for a second person; Changes is.
type Proposals interface {
	// WaitingFor lists those that a person may answer, the oldest first.
	WaitingFor(ctx context.Context, who person.Person) ([]page.Proposal, error)
	// Look is what a person sees of one; awaited: he may answer what is shown. One that he may neither answer nor wrote is
	// proposal.ErrUnknown.
	Look(ctx context.Context, who person.Person, id string) (seen page.Change, awaited bool, err error)
	// Answer takes his word on the content that he saw.
	Answer(ctx context.Context, who person.Person, id, hash string, allow bool, v approval.Visit) error
}

const (
	proposalPrefix = "prop_"
	proposalTopic  = "proposal"
)

// proposed is the page of one change, and takes what the person says to it.
func (p *Approving) proposed(ctx context.Context, v Visit) (Reply, error) {
	who, s, reply, err := p.enter(ctx, v, interactPath+v.Named)
	if s == nil || err != nil {
		return reply, err
	}
	if v.posted() {
		return p.settle(ctx, v, who, s)
	}
	model, awaited, err := p.Proposals.Look(ctx, who, v.Named)
	if err != nil {
		return p.unsettled(v, err)
	}
	model.ID, model.List = v.Named, v.path(approvalsPath)
	var fresh *http.Cookie
	if awaited {
		model.Action = v.path(interactPath + v.Named)
		model.Token, fresh = v.Token(proposalTopic, boundTo(v.Named, model.Hash), handleOf(s))
	}
	if model.Person, err = p.Desk.person(ctx, v.Tenant, s); err != nil {
		return Reply{}, err
	}
	reply, err = p.Desk.show(v, http.StatusOK, model)
	return reply.with(fresh), err
}

// boundTo binds the token of a page to what it shows.
func boundTo(id, hash string) string { return id + "." + hash }

func (p *Approving) settle(ctx context.Context, v Visit, who person.Person, s *session.Session) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	again, hash := v.path(interactPath+v.Named), form.Get("hash")
	if err := v.Check(form, proposalTopic, boundTo(v.Named, hash), handleOf(s)); err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	decision := form.Get("decision")
	if hash == "" || decision != "allow" && decision != "deny" { // absent is no yes, and no no
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeRequestMalformed, "no decision", "allow or deny"), again: again}
	}
	// What is answered is what is awaited of him still: an answer to what is not on the page is none.
	seen, awaited, err := p.Proposals.Look(ctx, who, v.Named)
	switch {
	case err != nil:
		return p.unsettled(v, err)
	case !awaited || seen.Hash != hash:
		return p.unsettled(v, proposal.ErrMoved)
	}
	if err := p.Proposals.Answer(ctx, who, v.Named, hash, decision == "allow", approval.Visit{Trace: v.Trace, Remote: v.Remote}); err != nil {
		return p.unsettled(v, err)
	}
	return p.Desk.show(v, http.StatusOK, page.Decided{List: v.path(approvalsPath), Denied: decision == "deny"})
}

// unsettled says what stands in the way of an answer.
func (p *Approving) unsettled(v Visit, err error) (Reply, error) {
	for _, over := range []error{proposal.ErrMoved, proposal.ErrState, proposal.ErrExpired, proposal.ErrHash} {
		if errors.Is(err, over) {
			return p.Desk.show(v, http.StatusConflict, page.Decided{List: v.path(approvalsPath), Settled: true})
		}
	}
	switch {
	case errors.Is(err, proposal.ErrUnknown):
		return Reply{}, oauth.Refuse(oauth.CodeInteractionGone, "nothing that waits", "what does")
	case errors.Is(err, proposal.ErrSelf), errors.Is(err, proposal.ErrStanding), errors.Is(err, proposal.ErrProgram):
		return Reply{}, notAsked()
	}
	return Reply{}, unavailable(err)
}

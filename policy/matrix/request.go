package matrix

import (
	"context"
	"slices"

	"github.com/chancery-dev/chancery/policy"
)

// request is the one that is made up for a cell.
type request struct {
	client   Client
	resource Resource
	row      row
}

func (r request) cell(ctx context.Context, set *policy.Set, o Options) Cell {
	c := Cell{Client: clientName(r.client), Resource: r.resource.Name, Who: r.row.who, Group: r.row.group}
	if !slices.Contains(r.client.Resources, r.resource.Name) { // absent is none
		c.Code = CodeClientResource
		return c
	}
	in := r.input(o.Base)
	if len(in.Available) == 0 {
		c.Code = CodeNoScope
		return c
	}
	d := o.Evaluator.Decide(ctx, set, in)
	c.Allow, c.Code = d.Allow, d.Code
	if !d.Allow {
		c.Reason = reason(d)
		return c
	}
	c.Scopes, c.StepUp, c.Approval, c.Lifetime = d.Scopes, d.StepUp, d.Approval, d.Lifetime
	if len(d.Scopes) == 0 { // such a request is refused
		c.Allow, c.Code, c.StepUp, c.Approval, c.Lifetime = false, CodeScopeEmpty, nil, nil, 0
	}
	return c
}

func reason(d policy.Decision) string {
	switch {
	case len(d.Deny) > 0:
		return d.Deny[0]
	case len(d.Reasons) > 0 && d.Reasons[0].Detail != "":
		return d.Reasons[0].Code + ": " + d.Reasons[0].Detail
	case len(d.Reasons) > 0:
		return d.Reasons[0].Code
	}
	return ""
}

// input asks for every scope of the resource that the client has.
func (r request) input(base policy.Input) *policy.Input {
	in := base
	client, resource := r.client.Client, r.resource.Resource
	in.Client, in.Resource, in.Implies = &client, &resource, r.resource.Implies
	in.Available = r.scopes()
	in.Requested = &policy.Requested{Scopes: in.Available}
	switch r.row.who {
	case Nobody:
		in.User, in.Subject, in.Issuer, in.Assertion = nil, nil, nil, nil
		in.Actor = &policy.Actor{Kind: "client"}
		in.GrantType = "client_credentials"
		return &in
	case Person, Member:
		in.Asserted = &policy.Asserted{Scopes: in.Available}
		u := policy.User{}
		if base.User != nil {
			u = *base.User
		}
		u.Groups, u.GroupNames = []string{}, []string{}
		if r.row.who == Member {
			u.Groups, u.GroupNames = []string{r.row.group}, []string{r.row.group}
		}
		in.User = &u
	}
	return &in
}

// scopes of the resource that the client has, by name or by implication.
func (r request) scopes() []string {
	list := []string{}
	for _, s := range r.resource.Scopes {
		implies := func(o string) bool { return o == s || slices.Contains(r.resource.Implies[o], s) }
		if slices.ContainsFunc(r.client.Scopes, implies) {
			list = append(list, s)
		}
	}
	return list
}

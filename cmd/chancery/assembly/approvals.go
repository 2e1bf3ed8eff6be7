package assembly

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// approvalsDesk is what waits for people, as the admin API tells it.
type approvalsDesk struct{ s *Server }

// WaitingFor implements admin.Approvals.
func (d approvalsDesk) WaitingFor(ctx context.Context, who person.Person) ([]admin.Approval, error) {
	found, err := d.s.people.approvals.For(ctx, who, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	var told []admin.Approval
	for _, a := range found {
		c, err := d.client(ctx, who.Tenant, a)
		if errors.Is(err, approval.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		group, err := d.s.people.approvals.Asked(ctx, who, a, c.Owner)
		switch {
		case errors.Is(err, approval.ErrSubject), errors.Is(err, approval.ErrNotAsked), errors.Is(err, approval.ErrSettled):
			continue
		case err != nil:
			return nil, err
		}
		one, err := d.tell(ctx, who.Tenant, a, c)
		if err != nil {
			return nil, err
		}
		one.Group = group
		told = append(told, one)
	}
	return told, nil
}

func (d approvalsDesk) tell(ctx context.Context, t *snapshot.Tenant, a approval.Approval, c *client.Client) (admin.Approval, error) {
	one := admin.Approval{
		ID: a.ID, Client: admin.ApprovalParty{UID: c.UID, Name: c.Name}, Resource: admin.ApprovalParty{UID: a.ResourceUID}, Provider: a.Provider, Scopes: a.Scopes,
		Lifetime: int64(a.Lifetime / time.Second), Policies: a.Policies, Decision: a.DecisionID, BegunAt: a.BegunAt, ExpiresAt: a.ExpiresAt,
	}
	for _, r := range t.ActiveResources() {
		if r.UID == a.ResourceUID {
			one.Resource.Name = r.Name
		}
	}
	if a.UserUID == "" {
		return one, nil
	}
	one.For = &admin.ApprovalParty{UID: a.UserUID}
	accounts, err := d.s.lookUp().Accounts(ctx, t, a.UserUID)
	if err == nil && len(accounts) == 1 {
		one.For.Name, one.For.Email = accounts[0].Name, accounts[0].Email
	}
	return one, err
}

// Answer implements admin.Approvals.
func (d approvalsDesk) Answer(ctx context.Context, who person.Person, id string, allow bool, v approval.Visit) (approval.State, error) {
	a, err := d.s.people.approvals.Open(ctx, who, id)
	if err != nil {
		return "", err
	}
	c, err := d.client(ctx, who.Tenant, a)
	if err != nil {
		return "", err
	}
	after, err := d.s.people.approvals.Answer(ctx, who, id, c.Owner, allow, v)
	return after.State, err
}

// client finds who asks, as he is now.
func (d approvalsDesk) client(ctx context.Context, t *snapshot.Tenant, a approval.Approval) (*client.Client, error) {
	c, err := d.s.registry.Lookup(ctx, t.UID, a.ClientID)
	if errors.Is(err, client.ErrUnknown) || err == nil && c.UID != a.ClientUID {
		return nil, approval.ErrGone
	}
	return c, err
}

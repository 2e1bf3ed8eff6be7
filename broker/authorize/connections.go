package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// list shows what the person connected.
func (c *Connecting) list(ctx context.Context, v Visit) (Reply, error) {
	s, reply, err := c.Desk.SignedIn(ctx, v, signin.Ask{Then: connectionsPath})
	if s == nil {
		return reply, err
	}
	return c.showList(ctx, v, s, page.Connections{})
}

func (c *Connecting) showList(ctx context.Context, v Visit, s *session.Session, model page.Connections) (Reply, error) {
	owned, err := c.owned(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	person, err := c.Desk.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	b := greet(v.Tenant, v.Request)
	model.Action, model.Account, model.Person = v.path(connectionsPath), v.path(accountPath), person
	model.Token = b.token("connections", handleOf(s))
	have := map[string]bool{}
	for _, one := range owned {
		have[one.Provider] = true
		model.Connections = append(model.Connections, c.row(v, b, one))
	}
	for _, p := range v.Tenant.Providers() {
		if !connectable(p) {
			continue
		}
		path := connectPath + p.Name
		if have[p.UID] {
			path += "?another=yes"
		}
		model.Offers = append(model.Offers, page.Offer{Title: titleOfProvider(p), Path: v.path(path)})
	}
	reply, err := c.Desk.show(v, http.StatusOK, model)
	return reply.with(b.fresh), err
}

func (c *Connecting) owned(ctx context.Context, t *snapshot.Tenant, s *session.Session) ([]connection.Connection, error) {
	owned, err := c.Holdings.Owned(ctx, t.UID, connection.Owner{Kind: connection.User, UID: s.UserUID})
	if err != nil {
		return nil, unavailable(err)
	}
	return slices.DeleteFunc(owned, func(one connection.Connection) bool { // the store has asked the same
		return one.Owner != connection.Owner{Kind: connection.User, UID: s.UserUID} || one.Status == connection.Revoked
	}), nil
}

func (c *Connecting) row(v Visit, b browser, one connection.Connection) page.Connection {
	row := page.Connection{
		Key: connectionKey(b, one), Provider: one.Provider, Account: firstText(one.Account.Label, one.Account.ID), Connected: one.CreatedAt, Used: one.LastUsedAt, UsedBy: one.LastUsedBy,
		State: page.ConnectionState(one.Status),
	}
	p, ok := v.Tenant.ProviderByUID(one.Provider)
	if !ok {
		return row
	}
	row.Provider, row.Scopes = titleOfProvider(p), shownScopes(p, one.Scopes)
	if connectable(p) && one.Status == connection.ReauthorizationRequired {
		row.Reconnect = v.path(connectPath + p.Name)
		if one.Account.ID != "" {
			row.Reconnect += "?account=" + url.QueryEscape(one.Account.ID)
		}
	}
	return row
}

func connectionKey(b browser, c connection.Connection) string { return b.token("connection", c.ID) }

// change tests or removes what the person points at.
func (c *Connecting) change(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	s, reply, err := c.Desk.SignedIn(ctx, v, signin.Ask{Then: connectionsPath})
	if s == nil {
		return reply, err
	}
	again := v.path(connectionsPath)
	b, _ := browserOf(v.Tenant, v.Request)
	if err := b.check(form, "connections", handleOf(s)); err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	owned, err := c.owned(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	key := firstText(form.Get("remove"), form.Get("test"))
	at := slices.IndexFunc(owned, func(one connection.Connection) bool { return connectionKey(b, one) == key })
	if at < 0 { // it is gone already
		return Reply{Status: http.StatusSeeOther, Location: again}, nil
	}
	one := owned[at]
	told := page.Connections{About: one.Provider}
	if p, known := v.Tenant.ProviderByUID(one.Provider); known {
		told.About = titleOfProvider(p)
	}
	if form.Get("remove") == "" {
		told.Told, told.Whose = c.test(ctx, v, one)
		return c.showList(ctx, v, s, told)
	}
	ended, err := c.Holdings.Remove(ctx, v.Tenant, one, downstream.By{
		Principal: audit.Principal{Kind: "user", ID: s.UserUID}, Trace: v.Trace, Reason: "removed", Remote: v.Remote,
	})
	if err != nil && !errors.Is(err, connection.ErrGone) {
		return Reply{}, failed{error: unavailable(err), again: again}
	}
	if told.Told = page.ToldRemoved; !ended {
		told.Told = page.ToldOnlyHere
	}
	return c.showList(ctx, v, s, told)
}

// test says what the provider says.
func (c *Connecting) test(ctx context.Context, v Visit, one connection.Connection) (page.Told, string) {
	account, err := c.Holdings.Test(ctx, v.Tenant, one)
	refused, byProvider := errors.AsType[*provider.Error](err)
	held, byKeeper := errors.AsType[*connection.Refusal](err)
	switch {
	case err == nil:
		return page.ToldWorks, firstText(account.Label, account.ID)
	case errors.Is(err, provider.ErrUnsupported):
		return page.ToldUntestable, ""
	case byProvider && refused.Outcome == provider.Terminal, byKeeper && held.Code == connection.CodeReauthorization:
		return page.ToldReconnect, ""
	}
	c.Desk.Log.WarnContext(ctx, "a connection could not be tested", "trace_id", v.Trace, "connection", one.ID, "error", err)
	return page.ToldFails, ""
}

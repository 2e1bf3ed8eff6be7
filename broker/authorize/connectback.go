package authorize

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// arrive is where a provider sends browsers back to. Each has its own, so that no answer of one can be taken for another's.
func (c *Connecting) arrive(ctx context.Context, v Visit) (Reply, error) {
	p, err := c.named(v)
	if err != nil {
		return Reply{}, err
	}
	values, err := v.values()
	if err != nil {
		return Reply{}, err
	}
	s, err := c.Desk.Sessions.Current(ctx, v.Tenant, v.Request)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	if s == nil { // nothing is used up: in the browser that began, signed in again, the address still leads on
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeConnectWrongPerson, "nobody is signed in", "the person who began"), again: v.path(connectPath + p.Name)}
	}
	b, ok := browserOf(v.Tenant, v.Request)
	if !ok {
		return Reply{}, oauth.Refuse(oauth.CodeBrowserMismatch, "another browser", "the one that began")
	}
	back, err := c.Connects.Arrive(ctx, v.Tenant.UID.String(), p.UID, values, personOf(v, s, b))
	if err != nil {
		again := v.path(connectPath + p.Name)
		if back.LinkID != "" {
			again = v.path(interactPath + back.LinkID)
		}
		refusal := notConnected(err)
		c.refused(v, s, p, back.Trip, oauth.AsError(refusal))
		return Reply{}, failed{error: refusal, again: again, recorded: true}
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(arrivedPath(p, back.ID))}, nil
}

// confirm shows whose account it is, and takes the person's word for it.
func (c *Connecting) confirm(ctx context.Context, v Visit, p *snapshot.Provider, arrived string) (Reply, error) {
	here := arrivedPath(p, arrived)
	s, reply, err := c.Desk.SignedIn(ctx, v, signin.Ask{Then: here})
	if s == nil {
		return reply, err
	}
	b, ok := browserOf(v.Tenant, v.Request)
	if !ok {
		return Reply{}, oauth.Refuse(oauth.CodeBrowserMismatch, "another browser", "the one that began")
	}
	person := personOf(v, s, b)
	waiting, err := c.Connects.Waiting(ctx, v.Tenant.UID.String(), arrived, person)
	if err != nil {
		return Reply{}, notConnected(err)
	}
	if waiting.ProviderUID != p.UID {
		return Reply{}, oauth.Refuse(oauth.CodeConnectGone, "another provider's", "the provider's own")
	}
	// An account that the company does not let in is given back at once, and nobody is asked about it.
	if !p.Takes(waiting.Account, false) {
		if _, err := c.Connects.Decline(ctx, v.Tenant.UID.String(), arrived, person); err != nil {
			return Reply{}, notConnected(err)
		}
		refusal := oauth.Refuse(oauth.CodeConnectAccountNotAllowed, waiting.Account.Label, strings.Join(p.Object.Accounts.EmailDomains, " "))
		c.refused(v, s, p, waiting.Trip, refusal)
		again := v.path(connectPath + p.Name)
		if waiting.LinkID != "" {
			again = v.path(interactPath + waiting.LinkID)
		}
		return Reply{}, failed{error: refusal, again: again, recorded: true}
	}
	topic := []string{"confirm a connection", arrived, handleOf(s)}
	if !v.posted() {
		return c.askWhose(ctx, v, p, s, waiting, here, topic)
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	if err := v.Check(form, topic...); err != nil {
		return Reply{}, failed{error: err, again: v.path(here)}
	}
	said := form.Get("decision")
	if said == "" && form.Get("site") != "" && len(waiting.Sites) > 1 { // of several sites the person's yes names one
		said = "allow"
	}
	if said != "allow" {
		if _, err := c.Connects.Decline(ctx, v.Tenant.UID.String(), arrived, person); err != nil {
			return Reply{}, notConnected(err)
		}
		c.declined(v, s, p, "not this account")
		return c.stopped(v, waiting.LinkID != "")
	}
	_, err = c.Connects.Confirm(ctx, v.Tenant.UID.String(), arrived, person, form.Get("site"), p.Name, connect.Visit{Trace: v.Trace, Remote: v.Remote})
	if errors.Is(err, connect.ErrUnknownSite) {
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeRequestMalformed, "no site, or one that the account does not reach", "one of the page's"), again: v.path(here)}
	}
	if err != nil {
		refusal := notConnected(err)
		c.refused(v, s, p, waiting.Trip, oauth.AsError(refusal))
		return Reply{}, failed{error: refusal, recorded: true}
	}
	if waiting.LinkID != "" {
		return c.Desk.show(v, http.StatusOK, page.Finished{Agent: true})
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(connectionsPath)}, nil
}

func (c *Connecting) askWhose(ctx context.Context, v Visit, p *snapshot.Provider, s *session.Session, w connect.Waiting, here string, topic []string) (Reply, error) {
	person, err := c.Desk.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	token, fresh := v.Token(topic...)
	model := page.ConnectConfirm{
		Action: v.path(here), Token: token, Provider: titleOfProvider(p), Account: w.Account.Label, Meant: w.Meant, Again: w.Again, Person: person,
		Scopes: shownScopes(p, w.Scopes), Missing: shownScopes(p, w.Missing),
	}
	if model.Account == "" {
		model.Account = w.Account.ID
	}
	for _, other := range w.Others {
		if other != "" {
			model.Others = append(model.Others, other)
		}
	}
	for _, site := range w.Sites {
		model.Sites = append(model.Sites, page.Site{ID: site.ID, Label: firstText(site.Label, site.ID)})
	}
	if w.ClientUID != "" {
		found, err := c.clientOf(ctx, v.Tenant, w.ClientID, w.ClientUID)
		if err != nil {
			return Reply{}, err
		}
		model.Client, model.Asked = clientOf(found), true
	}
	reply, err := c.Desk.show(v, http.StatusOK, model)
	return reply.with(fresh), err
}

func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// notConnected is what went wrong, in the words of the catalogue. The provider's own words are never shown.
func notConnected(err error) error {
	for _, one := range []struct {
		is   error
		code oauth.Code
	}{
		{connect.ErrExpired, oauth.CodeConnectExpired},
		{connect.ErrGone, oauth.CodeConnectGone},
		{connect.ErrWrongPerson, oauth.CodeConnectWrongPerson},
		{connect.ErrWrongBrowser, oauth.CodeBrowserMismatch},
		{connect.ErrDeclined, oauth.CodeConnectDeclined},
		{connect.ErrHeld, oauth.CodeConnectionSuspended},
		{connect.ErrEnded, oauth.CodeConnectEnded},
		{provider.ErrState, oauth.CodeConnectAnswerInvalid},
		{provider.ErrProbe, oauth.CodeConnectAccountUnread},
		{provider.ErrUnsupported, oauth.CodeConnectProviderUnknown},
		{connection.ErrMoved, oauth.CodeConnectGone},
		{connection.ErrTaken, oauth.CodeConnectGone},
		{downstream.ErrUnusable, oauth.CodeProviderMisconfigured},
		{downstream.ErrDisabled, oauth.CodeConnectProviderUnknown},
		{downstream.ErrNotThere, oauth.CodeConnectProviderUnknown},
	} {
		if errors.Is(err, one.is) {
			return &oauth.Error{Code: one.code, Cause: err}
		}
	}
	refused, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return unavailable(err)
	}
	code := oauth.CodeProviderUnavailable
	switch refused.Outcome {
	case provider.Terminal:
		code = oauth.CodeConnectRefused
	case provider.ScopeRefused:
		code = oauth.CodeConnectScopeRefused
	case provider.Misconfigured:
		code = oauth.CodeProviderMisconfigured
	case provider.RateLimited:
		code = oauth.CodeProviderRateLimited
	case provider.Transient, provider.Unknown:
	}
	return &oauth.Error{Code: code, Cause: err, RetryAfter: refused.RetryAfter}
}

// declined writes a person's no down.
func (c *Connecting) declined(v Visit, s *session.Session, p *snapshot.Provider, received string) {
	e := c.event(v, s, p, audit.TypeConnectRefused, audit.Refused)
	e.Checks = []audit.Check{{Name: "person", Received: received}}
	c.Desk.Lane.Add(e, v.Remote)
}

// refused writes down why nothing was connected.
func (c *Connecting) refused(v Visit, s *session.Session, p *snapshot.Provider, t connect.Trip, refusal *oauth.Error) {
	e := c.event(v, s, p, audit.TypeConnectRefused, audit.Refused)
	e.Code, e.Client = string(refusal.Code), t.ClientID
	e.Checks = []audit.Check{{Name: "connection", Received: refusal.Received, Expected: refusal.Expected}}
	c.Desk.Lane.Add(e, v.Remote)
}

func (c *Connecting) event(v Visit, s *session.Session, p *snapshot.Provider, kind audit.Type, outcome audit.Outcome) audit.Event {
	now := c.Desk.Now()
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: v.Tenant.UID, Trace: v.Trace, Type: kind, Outcome: outcome,
		Principal: audit.Principal{Kind: "user", ID: s.UserUID}, OnBehalf: s.UserUID, Remote: v.Remote,
		Detail: map[string]string{"provider": p.Name, "provider_uid": p.UID},
	}
}

// shownScopes are the provider's scopes as the company calls them, where its names cover them, and else as they are.
func shownScopes(p *snapshot.Provider, scopes []string) []page.Scope {
	var keys, covered []string
	for _, key := range p.Keys() {
		of := p.ScopeMap[key]
		if len(of) > 0 && !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(scopes, s) }) {
			keys, covered = append(keys, key), append(covered, of...)
		}
	}
	shown := keyScopes(keys)
	for _, scope := range scopes {
		if scope != "" && !slices.Contains(covered, scope) {
			shown = append(shown, page.Scope{Name: scope})
		}
	}
	return shown
}

func keyScopes(keys []string) []page.Scope {
	shown := make([]page.Scope, 0, len(keys))
	for _, key := range keys {
		shown = append(shown, page.Scope{Name: key})
	}
	return shown
}

// scopesOf are the provider's scopes to which keys lead.
func scopesOf(p *snapshot.Provider, keys []string) []string {
	var scopes []string
	for _, key := range keys {
		scopes = append(scopes, p.ScopeMap[key]...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

var _ Connects = (*connect.Desk)(nil)

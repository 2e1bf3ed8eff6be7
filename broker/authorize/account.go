package authorize

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// accountPath is the person's own page.
const accountPath = "/account"

func (d *Desk) accountRoutes() []Route {
	return []Route{
		{Path: accountPath, Get: d.shown(d.account), Post: d.shown(d.remove)},
		{Path: signinPath, Get: d.shown(d.enter), Post: d.shown(d.entered)},
		{Path: endSessionPath, Get: d.shown(d.endSession), Post: d.shown(d.endSession), Abroad: true},
		{Path: signedOutPath, Get: d.shown(d.signedOut)},
	}
}

// account shows where the person is signed in, and whom he let act for him.
func (d *Desk) account(ctx context.Context, v Visit) (Reply, error) {
	s, reply, err := d.SignedIn(ctx, v, signin.Ask{Then: accountPath})
	if s == nil {
		return reply, err
	}
	person, err := d.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	b := greet(v.Tenant, v.Request)
	model := page.Account{Action: v.path(accountPath), SignOut: v.path(endSessionPath), Token: b.token("account", handleOf(s)), Person: person}
	if d.Ways != nil && v.Tenant.SignIn.Passkeys {
		model.Passkeys = v.path(passkeysPath)
	}
	if d.Connected {
		model.Connections = v.path(connectionsPath)
	}
	sessions, err := d.Sessions.List(ctx, v.Tenant, s.UserUID)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	for _, one := range sessions {
		model.Sessions = append(model.Sessions, page.Session{
			Key: sessionKey(b, one), IdP: v.Tenant.SignIn.Titles[one.IdPUID], Started: one.StartedAt, Seen: one.SeenAt, Until: one.ExpiresAt, Current: one.Handle == s.Handle,
		})
	}
	consents, err := d.Consents.Of(ctx, v.Tenant.UID, s.UserUID)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	for _, one := range consents {
		g, err := d.grantOf(ctx, v.Tenant, one)
		if err != nil {
			return Reply{}, err
		}
		g.Key = grantKey(b, one)
		model.Grants = append(model.Grants, g)
	}
	for _, idp := range v.Tenant.SignIn.IdPs {
		if idp.UID != s.IdPUID {
			model.Links = append(model.Links, page.IdP{Name: idp.Name, Title: titleOf(v.Tenant, idp)})
		}
	}
	reply, err = d.show(v, http.StatusOK, model)
	return reply.with(b.fresh), err
}

// grantOf says what a consent is to. A client that is gone is called by its id, for which nobody vouches any more.
func (d *Desk) grantOf(ctx context.Context, t *snapshot.Tenant, one consent.Consent) (page.Grant, error) {
	g := page.Grant{Client: page.Client{Name: one.ClientID, Vouch: page.VouchNobody}, Given: one.GivenAt, Used: one.UsedAt}
	c, err := d.Registry.Lookup(ctx, t.UID, one.ClientID)
	if err == nil && c.UID == one.ClientUID {
		g.Client = clientOf(c)
	} else if _, refused := errors.AsType[*oauth.Error](err); err != nil && !refused && !errors.Is(err, client.ErrUnknown) {
		return page.Grant{}, unavailable(err)
	}
	part := consent.Part{Scopes: one.Scopes}
	if one.ResourceUID != "" {
		part.Resource = &snapshot.Resource{Name: one.ResourceUID}
		for _, r := range t.ActiveResources() {
			if r.UID == one.ResourceUID {
				part.Resource = r
			}
		}
	}
	access := accessOf([]consent.Part{part})[0]
	g.Resource, g.Scopes = access.Resource, access.Scopes
	return g, nil
}

// Keys name rows on a page of one browser, and mean nothing anywhere else.
func sessionKey(b browser, s session.Session) string { return b.token("session", handleOf(&s)) }

func grantKey(b browser, c consent.Consent) string {
	return b.token("grant", c.ClientUID, c.ResourceUID)
}

// remove takes away what the person points at: a session, all of them, or what he let a client do.
func (d *Desk) remove(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	s, reply, err := d.SignedIn(ctx, v, signin.Ask{Then: accountPath})
	if s == nil {
		return reply, err
	}
	b, _ := browserOf(v.Tenant, v.Request)
	if err := b.check(form, "account", handleOf(s)); err != nil {
		return Reply{}, failed{error: err, again: v.path(accountPath)}
	}
	switch {
	case form.Get("link") != "":
		return d.link(ctx, v, s, form.Get("link"))
	case form.Get("grant") != "":
		err = d.withdraw(ctx, v, s, func(c consent.Consent) bool { return grantKey(b, c) == form.Get("grant") })
	case form.Get("everywhere") == "yes": // those too that the page has no room for
		if err := d.Sessions.EndAll(ctx, v.Tenant, s.UserUID, session.EndedByPerson); err != nil {
			return Reply{}, failed{error: unavailable(err), again: v.path(accountPath)}
		}
		return d.signedOutOf(v, s)
	case form.Get("session") != "":
		return d.endSessions(ctx, v, s, func(one session.Session) bool { return sessionKey(b, one) == form.Get("session") })
	}
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(accountPath)}
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(accountPath)}, nil
}

// link adds an identity of the person's at another IdP, where he signs in for that now. Whether it may be, and how fresh both
// sides must be, is the sign-in's.
func (d *Desk) link(ctx context.Context, v Visit, s *session.Session, name string) (Reply, error) {
	idp, ok := idpByName(v.Tenant, name)
	if !ok {
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeSignInIdPUnknown, "an IdP that nobody signs in at", "one of the page's"), again: v.path(accountPath)}
	}
	return d.Depart(ctx, v, idp, signin.Ask{Then: accountPath, Link: s})
}

// endSessions ends those of the person that are meant; with the present one the browser forgets it.
func (d *Desk) endSessions(ctx context.Context, v Visit, s *session.Session, meant func(session.Session) bool) (Reply, error) {
	sessions, err := d.Sessions.List(ctx, v.Tenant, s.UserUID)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	present := false
	for _, one := range sessions {
		if !meant(one) {
			continue
		}
		if err := d.Sessions.End(ctx, v.Tenant, one.Handle, session.EndedByPerson); err != nil {
			return Reply{}, failed{error: unavailable(err), again: v.path(accountPath)}
		}
		present = present || one.Handle == s.Handle
	}
	if !present {
		return Reply{Status: http.StatusSeeOther, Location: v.path(accountPath)}, nil
	}
	return d.signedOutOf(v, s)
}

// signedOutOf says that the present session is over, and makes the browser forget it.
func (d *Desk) signedOutOf(v Visit, s *session.Session) (Reply, error) {
	reply, err := d.show(v, http.StatusOK, page.SignedOut{IdP: v.Tenant.SignIn.Titles[s.IdPUID], Again: v.path(accountPath)})
	return reply.with(d.Sessions.Forget(v.Tenant)), err
}

// withdraw takes a yes back; what the client holds for the person ends with it.
func (d *Desk) withdraw(ctx context.Context, v Visit, s *session.Session, meant func(consent.Consent) bool) error {
	consents, err := d.Consents.Of(ctx, v.Tenant.UID, s.UserUID)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(consents, meant)
	if at < 0 {
		return nil // it is gone already
	}
	one := consents[at]
	err = d.Consents.Withdraw(ctx, v.Tenant.UID, s.UserUID, one.ClientUID, one.ResourceUID, d.withdrawn(v, s, one))
	if errors.Is(err, consent.ErrNone) {
		return nil
	}
	return err
}

func (d *Desk) withdrawn(v Visit, s *session.Session, one consent.Consent) audit.Event {
	now := d.Now()
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: v.Tenant.UID, Trace: v.Trace, Type: audit.TypeConsentWithdrawn, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "user", ID: s.UserUID}, OnBehalf: s.UserUID, Client: one.ClientID, Remote: v.Remote,
		Detail: map[string]string{"client_uid": one.ClientUID, "resource_uid": one.ResourceUID},
	}
}

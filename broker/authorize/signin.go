package authorize

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// signIn brings the person to an IdP: the one that is wished, the one that his address leads to, the only one, or the one
// that he chooses.
func (d *Desk) signIn(ctx context.Context, w *walk, wish wish) (Reply, error) {
	if w.request.Prompt().None { // OIDC Core §3.1.2.6
		return d.refuse(ctx, w, oauth.Refuse(oauth.CodeSignInRequired, "prompt=none, and nobody who is signed in as was asked", "a sign-in"))
	}
	active := w.Tenant.SignIn.IdPs
	if wish.idp != "" {
		if idp, ok := idpByUID(w.Tenant, wish.idp); ok {
			return d.depart(ctx, w, idp, wish)
		}
	}
	if idp, ok := d.SignIns.HomeRealm(w.Tenant, wish.ask.LoginHint); ok && !wish.choose {
		return d.depart(ctx, w, idp, wish)
	}
	switch len(active) {
	case 0:
		return Reply{}, oauth.Refuse(oauth.CodeSignInUnserved, "a tenant without an IdP to sign in at", "an IdP's oidc or saml")
	case 1:
		return d.depart(ctx, w, active[0], wish)
	}
	return d.chooser(w, w.request.LoginHint(), false)
}

// chooser lets the person say where he signs in.
func (d *Desk) chooser(w *walk, email string, unknown bool) (Reply, error) {
	model := page.SignIn{
		Action: w.path(w.here()), Token: w.browser.token("sign in", w.Named), For: clientOf(w.request.Client()).Title(),
		ByEmail: len(w.Tenant.SignIn.Domains) > 0, Email: email, Unknown: unknown,
	}
	for _, idp := range w.Tenant.SignIn.IdPs {
		model.IdPs = append(model.IdPs, page.IdP{Name: idp.Name, Title: titleOf(w.Tenant, idp)})
	}
	status := http.StatusOK
	if unknown {
		status = http.StatusBadRequest
	}
	return d.show(w.Visit, status, model, w.request.UILocales()...)
}

// choose shows the chooser to who is signed in as somebody else. It changes nothing.
func (d *Desk) choose(ctx context.Context, v Visit) (Reply, error) {
	w, reply, err := d.open(ctx, v)
	if w == nil {
		return reply, err
	}
	return d.chooser(w, w.request.LoginHint(), false)
}

// chosen follows what the person said on the chooser.
func (d *Desk) chosen(ctx context.Context, w *walk) (Reply, error) {
	if w.request.Prompt().None {
		return d.refuse(ctx, w, oauth.Refuse(oauth.CodeSignInRequired, "prompt=none", "a sign-in"))
	}
	var err error
	if w.session, err = d.Sessions.Current(ctx, w.Tenant, w.Request); err != nil {
		return Reply{}, w.again(unavailable(err))
	}
	wished, err := d.wishOf(w)
	if err != nil {
		return d.refuse(ctx, w, err)
	}
	if wished == nil { // he is signed in, and wants to be somebody else
		wished = &wish{ask: signin.Ask{Then: w.here(), UILocales: w.request.UILocales()}}
	}
	if w.session != nil {
		wished.ask.Only = ""
		if !slices.Contains(wished.ask.Prompt, "select_account") {
			wished.ask.Prompt = append(slices.Clone(wished.ask.Prompt), "select_account")
		}
	}
	if email := w.said("login_hint"); email != "" {
		idp, ok := d.SignIns.HomeRealm(w.Tenant, email)
		if !ok {
			return d.chooser(w, email, true)
		}
		wished.ask.LoginHint = email
		return d.depart(ctx, w, idp, *wished)
	}
	idp, ok := idpByName(w.Tenant, w.said("idp"))
	if !ok {
		return Reply{}, w.again(oauth.Refuse(oauth.CodeSignInIdPUnknown, "an IdP that nobody signs in at", "one of the chooser's"))
	}
	return d.depart(ctx, w, idp, *wished)
}

// depart sends the browser to an IdP, and remembers that it did.
func (d *Desk) depart(ctx context.Context, w *walk, idp *federation.IdentityProvider, wish wish) (Reply, error) {
	if w.pending.Progress.Departures >= maxDepartures {
		return d.refuse(ctx, w, oauth.Refuse(oauth.CodeSignInUnfinished, "many departures", "an end"))
	}
	departure, err := d.SignIns.Depart(ctx, w.Tenant, idp, wish.ask, w.Request)
	if wish.preferred && isCode(err, oauth.CodeIdPStepUpUnsupported) { // it was only what the client would like
		wish.ask.ACRValues = nil
		departure, err = d.SignIns.Depart(ctx, w.Tenant, idp, wish.ask, w.Request)
	}
	if err != nil {
		return Reply{}, w.again(recorded(unavailable(err)))
	}
	err = d.move(ctx, w, func(p *Progress) {
		p.Departures++
		if !wish.further {
			p.DepartedAt, p.Returned = d.Now(), ""
		}
		p.Plain, p.Unmet = !wish.preferred, false
		p.Preferred = p.Preferred || wish.preferred
	})
	if err != nil {
		return Reply{}, err
	}
	return d.away(w.Visit, departure)
}

// move changes the request's progress, whoever else is at it: another window of the same browser at most.
func (d *Desk) move(ctx context.Context, w *walk, change func(*Progress)) error {
	const attempts = 3
	var err error
	for range attempts {
		to := w.pending.Progress
		change(&to)
		if err = d.Requests.Move(ctx, w.Tenant.UID, w.pending.Handle, w.pending.Turn, to); err == nil {
			w.pending.Progress, w.pending.Turn = to, w.pending.Turn+1
			return nil
		}
		if !errors.Is(err, ErrNotWaiting) {
			return w.again(unavailable(err))
		}
		if w.pending, err = d.Requests.Find(ctx, w.Tenant.UID, w.pending.Handle, d.Now()); err != nil {
			break
		}
	}
	if errors.Is(err, ErrNotWaiting) || err == nil {
		return oauth.Refuse(oauth.CodeRequestNotWaiting, "a request that was answered meanwhile", "one that waits")
	}
	return w.again(unavailable(err))
}

// away goes to an IdP.
func (d *Desk) away(v Visit, departure signin.Departure) (Reply, error) {
	var reply Reply
	var err error
	switch {
	case departure.Form != nil:
		model := page.Passage{URL: departure.URL}
		for _, name := range sortedKeys(departure.Form) {
			model.Fields = append(model.Fields, page.Field{Name: name, Value: departure.Form[name]})
		}
		reply, err = d.show(v, http.StatusOK, model)
	case v.posted():
		reply, err = d.show(v, http.StatusOK, page.Onward{URL: departure.URL})
	default:
		reply = Reply{Status: http.StatusSeeOther, Location: departure.URL}
	}
	return reply.with(departure.Cookies...), err
}

func isCode(err error, code oauth.Code) bool {
	refusal, ok := errors.AsType[*oauth.Error](err)
	return ok && refusal.Code == code
}

func idpByUID(t *snapshot.Tenant, uid string) (*federation.IdentityProvider, bool) {
	return idpWhere(t, func(idp *federation.IdentityProvider) bool { return idp.UID == uid })
}

func idpByName(t *snapshot.Tenant, name string) (*federation.IdentityProvider, bool) {
	return idpWhere(t, func(idp *federation.IdentityProvider) bool { return idp.Name == name })
}

func idpWhere(t *snapshot.Tenant, is func(*federation.IdentityProvider) bool) (*federation.IdentityProvider, bool) {
	at := slices.IndexFunc(t.SignIn.IdPs, is)
	if at < 0 {
		return nil, false
	}
	return t.SignIn.IdPs[at], true
}

func titleOf(t *snapshot.Tenant, idp *federation.IdentityProvider) string {
	if title := t.SignIn.Titles[idp.UID]; title != "" {
		return title
	}
	return idp.Name
}

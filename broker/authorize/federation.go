package authorize

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// maxSAMLForm bounds what a browser carries from a SAML IdP: federation/saml takes 512 KiB, here in base64 and escaped.
const maxSAMLForm = 2 << 20

// federationRoutes are where IdPs send browsers, and where they tell us by themselves that somebody signed out. Each IdP has
// its own, so that no answer of one can be taken for another's (T36).
func (d *Desk) federationRoutes() []Route {
	const oidc, saml = "/federation/oidc/:idp", "/federation/saml/:idp"
	return []Route{
		{Path: oidc + "/callback", Name: "idp", Get: d.shown(d.openIDCallback), Post: d.shown(d.openIDCallback), Abroad: true},
		{Path: oidc + "/backchannel_logout", Name: "idp", Post: d.backChannelLogout, Abroad: true, Program: true},
		{Path: saml + "/acs", Name: "idp", Post: d.shown(d.samlCallback), Abroad: true, MaxBody: maxSAMLForm},
		{Path: saml + "/metadata", Name: "idp", Get: d.samlMetadata},
		{Path: saml + "/slo", Name: "idp", Get: d.shown(d.singleLogout), Post: d.shown(d.singleLogout), Abroad: true, MaxBody: maxSAMLForm},
		{Path: "/signin/:handle", Name: "handle", Post: d.shown(d.confirm)},
	}
}

// idpOf finds the IdP that a path names. One that is disabled is not asked about sign-ins.
func (v Visit) idpOf(alsoDisabled bool) (*federation.IdentityProvider, error) {
	idp, ok := v.Tenant.Registry.Named(v.Named)
	if !ok || idp.Disabled && !alsoDisabled {
		return nil, oauth.Refuse(oauth.CodeSignInIdPUnknown, "an IdP that nobody signs in at", "the name of an IdP")
	}
	return idp, nil
}

func (d *Desk) openIDCallback(ctx context.Context, v Visit) (Reply, error) {
	idp, err := v.idpOf(false)
	if err != nil {
		return Reply{}, err
	}
	values, err := v.values()
	if err != nil {
		return Reply{}, err
	}
	arrival, err := d.SignIns.ArriveOpenID(ctx, v.Tenant, idp, values, v.Request)
	return d.arrived(ctx, v, idp, arrival, err)
}

func (d *Desk) samlCallback(ctx context.Context, v Visit) (Reply, error) {
	idp, err := v.idpOf(false)
	if err != nil {
		return Reply{}, err
	}
	form, err := v.values()
	if err != nil {
		return Reply{}, err
	}
	arrival, err := d.SignIns.ArriveSAML(ctx, v.Tenant, idp, form, v.Request)
	return d.arrived(ctx, v, idp, arrival, err)
}

// arrived lets the person go on where he was, or shows what went wrong. The sign-in itself recorded it.
func (d *Desk) arrived(ctx context.Context, v Visit, idp *federation.IdentityProvider, a signin.Arrival, err error) (Reply, error) {
	then := ""
	if samePath(a.Then) {
		then = v.path(a.Then)
	}
	switch {
	// What the IdP cannot give is for the request to judge, with what it gave before.
	case err != nil && then != "" && strings.HasPrefix(a.Then, requestPath) && oauth.Public(oauth.AsError(err).Code).Error == "unmet_authentication_requirements":
		if err := d.progress(ctx, v, a.Then, func(p *Progress) { p.Unmet = p.Plain }); err != nil {
			return Reply{}.with(a.Cookies...), failed{error: unavailable(err), again: then}
		}
		return Reply{Status: http.StatusSeeOther, Location: then}.with(a.Cookies...), nil
	case err != nil:
		return Reply{}.with(a.Cookies...), failed{error: unavailable(err), again: then, recorded: true}
	case a.Confirm != "":
		return d.askToConfirm(v, idp, a)
	case then == "":
		then = v.path(accountPath)
	}
	if err := d.progress(ctx, v, a.Then, func(p *Progress) { p.Returned = a.Session.ID }); err != nil {
		return Reply{}.with(a.Cookies...), failed{error: unavailable(err), again: then}
	}
	return Reply{Status: http.StatusSeeOther, Location: then}.with(a.Cookies...), nil
}

// progress notes how a request's person came back, if it is to one. That it is the browser that left, the sign-in knows.
func (d *Desk) progress(ctx context.Context, v Visit, then string, change func(*Progress)) error {
	named, ok := strings.CutPrefix(then, requestPath)
	if !ok {
		return nil
	}
	handle, ok := readSecret(named)
	if !ok {
		return nil
	}
	pending, err := d.Requests.Find(ctx, v.Tenant.UID, handle, d.Now())
	if errors.Is(err, ErrNotWaiting) { // the next page says so
		return nil
	}
	if err != nil {
		return err
	}
	v.Named = named
	return d.move(ctx, &walk{Visit: v, pending: pending}, change)
}

// askToConfirm shows who would be signed in by a sign-in that an IdP began: whoever sent the person here may have meant him
// to be somebody else (T37).
func (d *Desk) askToConfirm(v Visit, idp *federation.IdentityProvider, a signin.Arrival) (Reply, error) {
	person := page.Person{Name: a.Person, IdP: titleOf(v.Tenant, idp)}
	reply, err := d.show(v, http.StatusOK, page.Confirm{
		Action: v.path("/signin/" + a.Confirm), Token: confirmation(a.Confirm).token("confirm"), IdP: titleOf(v.Tenant, idp), Person: person,
	})
	return reply.with(a.Cookies...), err
}

// confirmation stands for the browser on that page, which came with a form of the IdP's site and so without its cookie:
// one that was set now would take the place of that, and with it every request that waits. The handle is known to the page
// alone, and signin holds it to a cookie of its own.
func confirmation(handle string) browser { return browser{secret: handle} }

// confirm takes the person's word for a sign-in that an IdP began.
func (d *Desk) confirm(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	if err := confirmation(v.Named).check(form, "confirm"); err != nil {
		return Reply{}, err
	}
	if form.Get("decision") != "allow" {
		return d.show(v, http.StatusOK, page.SignedOut{})
	}
	arrival, err := d.SignIns.Confirm(ctx, v.Tenant, v.Named, v.Request)
	if err != nil {
		return Reply{}, recorded(unavailable(err))
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path("/account")}.with(arrival.Cookies...), nil
}

// backChannelLogout is where an OpenID provider says by itself that a person signed out: 200 or 400, kept nowhere (OIDC
// Back-Channel Logout 1.0 §2.8).
func (d *Desk) backChannelLogout(ctx context.Context, v Visit) (Reply, error) {
	idp, err := v.idpOf(true)
	if err != nil {
		return Reply{}, err
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	if err := d.SignIns.BackChannelLogout(v.within(ctx), v.Tenant, idp, form.Get("logout_token")); err != nil {
		return Reply{}, unavailable(err)
	}
	return Reply{Status: http.StatusOK}, nil
}

// singleLogout is both sides of SAML single logout: an IdP that ends our session, and one that answers that it ended its.
func (d *Desk) singleLogout(ctx context.Context, v Visit) (Reply, error) {
	idp, err := v.idpOf(true)
	if err != nil {
		return Reply{}, err
	}
	message, err := v.samlMessage()
	if err != nil {
		return Reply{}, err
	}
	departure, err := d.SignIns.SingleLogout(ctx, v.Tenant, idp, message, v.Request)
	switch {
	case err != nil:
		return Reply{}.with(departure.Cookies...), recorded(unavailable(err))
	case samePath(departure.URL): // the answer to a logout that began here
		return Reply{Status: http.StatusSeeOther, Location: v.path(departure.URL)}.with(departure.Cookies...), nil
	case departure.URL == "": // the IdP answered, and nobody waits for us
		reply, err := d.show(v, http.StatusOK, page.SignedOut{})
		return reply.with(departure.Cookies...), err
	}
	return d.away(v, departure)
}

// samlMessage takes a logout message as it came: the signature of a redirect is over the very bytes of the query.
func (v Visit) samlMessage() (saml.Incoming, error) {
	if !v.posted() {
		return saml.Incoming{Query: string(v.Raw)}, nil
	}
	form, err := v.values()
	if err != nil {
		return saml.Incoming{}, err
	}
	request, response := form.Get("SAMLRequest"), form.Get("SAMLResponse")
	if (request == "") == (response == "") || len(form["SAMLRequest"])+len(form["SAMLResponse"]) > 1 || len(form["RelayState"]) > 1 {
		return saml.Incoming{}, oauth.Refuse(oauth.CodeSAMLMalformed, "no message, or two", "SAMLRequest or SAMLResponse")
	}
	return saml.Incoming{Form: request + response, RelayState: form.Get("RelayState")}, nil
}

// samlMetadata is what an administrator gives his IdP (SAML metadata §2.4.4).
func (d *Desk) samlMetadata(_ context.Context, v Visit) (Reply, error) {
	idp, err := v.idpOf(true)
	if err != nil {
		return Reply{}, err
	}
	document, err := d.SignIns.SAMLMetadata(v.Tenant, idp)
	if err != nil {
		return Reply{}, err
	}
	return Reply{Status: http.StatusOK, Type: "application/samlmetadata+xml", Body: document}, nil
}

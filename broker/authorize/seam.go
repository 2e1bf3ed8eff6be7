package authorize

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/federation"
)

// What follows is for the routes of other rooms (Config.Beside): the same pages, forms and sign-in as the desk's own.

// Shown answers what goes wrong in a handler with a page. It is for handlers of people, not of programs.
func (d *Desk) Shown(h Handler) Handler { return d.shown(h) }

// Show makes a page the reply.
func (d *Desk) Show(v Visit, status int, model interface {
	Render(f page.Frame) (page.Page, error)
},
) (Reply, error) {
	return d.show(v, status, model)
}

// Person is who is signed in, for a page.
func (d *Desk) Person(ctx context.Context, v Visit, s *session.Session) (page.Person, error) {
	return d.person(ctx, v.Tenant, s)
}

// Path is a path below the tenant's issuer, as the browser has to ask for it.
func (v Visit) Path(below string) string { return v.path(below) }

// Form reads what was posted, every parameter once.
func (v Visit) Form() (oauth.Form, error) { return v.form() }

// Token is what a form of a page carries, good for this browser and what is named; the cookie goes with the reply, nil for
// a browser that has one.
func (v Visit) Token(of ...string) (string, *http.Cookie) {
	b := greet(v.Tenant, v.Request)
	return b.token(of...), b.fresh
}

// Check refuses a form whose token is not of this browser and of what is named.
func (v Visit) Check(form oauth.Form, of ...string) error {
	b, _ := browserOf(v.Tenant, v.Request)
	return b.check(form, of...)
}

// SignedIn gives the session of who is there. Where nobody is, the session is nil, and the reply brings the person to a
// sign-in after which the browser goes to ask.Then, a path below the issuer.
func (d *Desk) SignedIn(ctx context.Context, v Visit, ask signin.Ask) (*session.Session, Reply, error) {
	s, err := d.Sessions.Current(ctx, v.Tenant, v.Request)
	if err != nil {
		return nil, Reply{}, unavailable(err)
	}
	if s != nil {
		return s, Reply{}, nil
	}
	return nil, Reply{Status: http.StatusSeeOther, Location: v.path(signinPath + "?then=" + url.QueryEscape(ask.Then))}, nil
}

// Depart sends the person to an IdP for a sign-in that another room needs; after it the browser goes to ask.Then.
func (d *Desk) Depart(ctx context.Context, v Visit, idp *federation.IdentityProvider, ask signin.Ask) (Reply, error) {
	if err := d.room(v); err != nil { // of what waits for the return, nobody says who it is
		return Reply{}, err
	}
	departure, err := d.SignIns.Depart(ctx, v.Tenant, idp, ask, v.Request)
	if err != nil {
		return Reply{}, recorded(unavailable(err))
	}
	return d.away(v, departure)
}

// signinPath is where a person signs in who came by himself: to his account, with a device's code, by a link.
const signinPath = "/signin"

// enter brings who is not signed in to an IdP, or lets him choose one.
func (d *Desk) enter(ctx context.Context, v Visit) (Reply, error) {
	then, err := v.then()
	if err != nil {
		return Reply{}, err
	}
	s, err := d.Sessions.Current(ctx, v.Tenant, v.Request)
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(then)}
	}
	if s != nil {
		return Reply{Status: http.StatusSeeOther, Location: v.path(then)}, nil
	}
	switch active := v.Tenant.SignIn.IdPs; len(active) {
	case 0:
		return Reply{}, oauth.Refuse(oauth.CodeSignInUnserved, "a tenant without an IdP to sign in at", "an IdP's oidc or saml")
	case 1:
		return d.Depart(ctx, v, active[0], signin.Ask{Then: then})
	}
	return d.enterChooser(v, then, "", false)
}

// entered follows what the person said on that chooser.
func (d *Desk) entered(ctx context.Context, v Visit) (Reply, error) {
	then, err := v.then()
	if err != nil {
		return Reply{}, err
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	if err := v.Check(form, "enter", then); err != nil {
		return Reply{}, failed{error: err, again: v.path(then)}
	}
	email := form.Get("login_hint")
	idp, ok := idpByName(v.Tenant, form.Get("idp"))
	if email != "" {
		if idp, ok = d.SignIns.HomeRealm(v.Tenant, email); !ok {
			return d.enterChooser(v, then, email, true)
		}
	}
	if !ok {
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeSignInIdPUnknown, "an IdP that nobody signs in at", "one of the chooser's"), again: v.path(then)}
	}
	return d.Depart(ctx, v, idp, signin.Ask{Then: then, LoginHint: email})
}

func (d *Desk) enterChooser(v Visit, then, email string, unknown bool) (Reply, error) {
	token, fresh := v.Token("enter", then)
	model := page.SignIn{
		Action: v.path(signinPath + "?then=" + url.QueryEscape(then)), Token: token, ByEmail: len(v.Tenant.SignIn.Domains) > 0, Email: email, Unknown: unknown,
	}
	for _, idp := range v.Tenant.SignIn.IdPs {
		model.IdPs = append(model.IdPs, page.IdP{Name: idp.Name, Title: titleOf(v.Tenant, idp)})
	}
	status := http.StatusOK
	if unknown {
		status = http.StatusBadRequest
	}
	reply, err := d.show(v, status, model)
	return reply.with(fresh), err
}

// then is where the browser goes after a sign-in: a path of ours, and nowhere else (T39).
func (v Visit) then() (string, error) {
	then := v.Request.URL.Query().Get("then")
	if then == "" {
		then = accountPath
	}
	// A request sends its person to sign in by itself, and takes who comes back for having been asked what it asks
	// (Progress.Returned): no other way in leads to one.
	if !samePath(then) || strings.HasPrefix(then, signinPath) || strings.HasPrefix(then, requestPath) {
		return "", oauth.Refuse(oauth.CodeRequestMalformed, "a then that is no path of ours", "a path")
	}
	return then, nil
}

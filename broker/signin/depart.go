package signin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// ErrThen is a mistake of the caller: what comes after a sign-in is a path of ours.
var ErrThen = errors.New("signin: what comes after a sign-in must be a path")

// Depart sends a browser to an IdP.
func (d *Desk) Depart(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, ask Ask, r *http.Request) (Departure, error) {
	a := d.attempt(ctx, t, idp, audit.TypeSignInRefused)
	departure, err := d.depart(a.within(ctx), a, ask, r)
	if err != nil {
		return Departure{}, a.refuse(ctx, err)
	}
	return departure, nil
}

func (d *Desk) depart(ctx context.Context, a *attempt, ask Ask, r *http.Request) (Departure, error) {
	if !isPath(ask.Then) {
		return Departure{}, ErrThen
	}
	c := carried{Then: ask.Then, Only: ask.Only}
	if handle, ok := session.HandleOf(a.tenant, r); ok {
		c.Previous = handle[:]
	}
	if ask.Link != nil {
		s, err := d.linkFrom(ctx, a, ask.Link.Handle, ask.Link.UserUID)
		if err != nil {
			return Departure{}, err
		}
		c.Link = &linking{Handle: s.Handle[:], UserUID: s.UserUID}
		// The other side is to be fresh too, and to say so.
		now := time.Duration(0)
		ask.MaxAge = &now
	}
	if _, ok := a.tenant.SignIn.OpenID[a.idp.UID]; ok {
		return d.departOpenID(ctx, a, ask, c, r)
	}
	return d.departSAML(ctx, a, ask, c, r)
}

func (d *Desk) departOpenID(ctx context.Context, a *attempt, ask Ask, c carried, r *http.Request) (Departure, error) {
	entry, err := openID(a.tenant, a.idp)
	if err != nil {
		return Departure{}, err
	}
	target, left, err := d.OpenID.Begin(ctx, a.tenant.UID.String(), entry, oidc.Ask{
		LoginHint: ask.LoginHint, Prompt: ask.Prompt, MaxAge: ask.MaxAge, ACRValues: ask.ACRValues, UILocales: ask.UILocales,
	})
	if err != nil {
		return Departure{}, err
	}
	c.OpenID = &left
	cookies, err := d.keep(ctx, a.tenant.UID, a.idp, KindOpenID, left.StateHash, c, r)
	return Departure{URL: target, Cookies: cookies}, err
}

func (d *Desk) departSAML(ctx context.Context, a *attempt, ask Ask, c carried, r *http.Request) (Departure, error) {
	p, err := samlProvider(a.tenant, a.idp)
	if err != nil {
		return Departure{}, err
	}
	if slices.Contains(ask.Prompt, "none") { // no passive request is made: whether somebody is signed in there is not known here
		return Departure{}, oauth.Refuse(oauth.CodeIdPInteractionRequired, "prompt none at a SAML IdP", "a prompt that may show something")
	}
	contexts, ok := contextsFor(p, ask.ACRValues)
	if !ok {
		return Departure{}, oauth.Refuse(oauth.CodeIdPStepUpUnsupported, federation.Clip(strings.Join(ask.ACRValues, " ")), "an acr of the entry's saml.acr")
	}
	state := newName()
	out, left, err := d.SAML.Depart(p, saml.Ask{
		RelayState: state, Contexts: contexts, NameIDFormat: a.tenant.SignIn.NameIDFormats[a.idp.UID],
		// SAML has no max_age: who is asked anew satisfies any.
		ForceAuthn: ask.MaxAge != nil || slices.Contains(ask.Prompt, "login"),
	})
	if err != nil {
		return Departure{}, err
	}
	c.SAML = &left
	cookies, err := d.keep(ctx, a.tenant.UID, a.idp, KindSAML, state, c, r)
	return Departure{URL: out.URL, Form: out.Form, Cookies: cookies}, err
}

// contextsFor are the classes that stand for acr values at an IdP: those that its entry maps to them, and the values
// themselves where they are classes that nothing maps. A value for which there is none cannot be asked for; if others can,
// it is left out.
func contextsFor(p *saml.Provider, values []string) (classes []string, ok bool) {
	for _, value := range values {
		for class, acr := range p.ACR {
			if acr == value && !slices.Contains(classes, class) {
				classes = append(classes, class)
			}
		}
		if _, mapped := p.ACR[value]; !mapped && strings.Contains(value, ":") && !slices.Contains(classes, value) {
			classes = append(classes, value)
		}
	}
	slices.Sort(classes)
	return classes, len(values) == 0 || len(classes) > 0
}

// isPath tells a path of ours from what a browser would take for another place (T39). None at all is for later to say.
func isPath(then string) bool {
	if then == "" {
		return true
	}
	return len(then) <= 2048 && strings.HasPrefix(then, "/") && !strings.HasPrefix(then, "//") &&
		!strings.ContainsFunc(then, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f })
}

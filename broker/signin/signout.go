package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// SignOut ends a session here, and then, where that can be done, at its IdP: the departure goes there, and its answer
// brings the browser back to Returned or SingleLogout, which tell where it goes on. URL is empty where nothing is to be done
// there. That ours has ended never waits for an IdP.
func (d *Desk) SignOut(ctx context.Context, t *snapshot.Tenant, s session.Session, back string) (Departure, error) {
	if err := d.Sessions.End(ctx, t, s.Handle, session.EndedByPerson); err != nil {
		return Departure{}, err
	}
	departure := Departure{Cookies: []*http.Cookie{d.Sessions.Forget(t)}}
	idp, ok := t.IdentityProvider(s.IdPUID)
	if !ok || idp.Disabled {
		return departure, nil
	}
	a := d.attempt(ctx, t, idp, audit.TypeLogoutRefused)
	away, err := d.signOutThere(a.within(ctx), a, s, back)
	if err != nil {
		d.Log.Warn("a session was not ended at its IdP", "trace_id", a.caller.Trace, "idp", idp.Name, "error", err)
		return departure, nil
	}
	away.Cookies = append(departure.Cookies, away.Cookies...)
	return away, nil
}

func (d *Desk) signOutThere(ctx context.Context, a *attempt, s session.Session, back string) (Departure, error) {
	hint, err := d.hint(ctx, s)
	if err != nil {
		return Departure{}, err
	}
	if entry, err := openID(a.tenant, a.idp); err == nil {
		return d.endSession(ctx, a, entry, hint, back)
	}
	p, err := samlProvider(a.tenant, a.idp)
	if err != nil || len(p.Logout) == 0 || len(p.Self.Signing) == 0 || p.Self.SLO == "" || len(hint) == 0 {
		return Departure{}, nil //nolint:nilerr // nobody is to be told there
	}
	var name nameHint
	if err := json.Unmarshal(hint, &name); err != nil {
		return Departure{}, err
	}
	state := newName()
	out, left, err := d.SAML.RequestLogout(p, name.NameID, name.Index, state)
	if err != nil {
		return Departure{}, err
	}
	cookies, err := d.keep(ctx, a.tenant.UID, a.idp, KindSignOut, state, carried{SAML: &left, Back: back}, noBrowser())
	return Departure{URL: out.URL, Form: out.Form, Cookies: cookies}, err
}

// endSession is RP-Initiated Logout 1.0.
func (d *Desk) endSession(ctx context.Context, a *attempt, entry *oidc.Entry, hint []byte, back string) (Departure, error) {
	state := newName()
	target, err := d.OpenID.EndSession(ctx, a.tenant.UID.String(), entry, oidc.EndSession{IDToken: oidc.NewSecret(string(hint)), State: state})
	if err != nil || target == "" {
		return Departure{}, err
	}
	cookies, err := d.keep(ctx, a.tenant.UID, a.idp, KindSignOut, state, carried{Back: back}, noBrowser())
	return Departure{URL: target, Cookies: cookies}, err
}

func (d *Desk) hint(ctx context.Context, s session.Session) ([]byte, error) {
	if len(s.Upstream.Hint) == 0 {
		return nil, nil
	}
	return d.Sealer.Open(ctx, s.Upstream.Hint, hintAt(s.Tenant, s.UserUID, s.IdPUID))
}

// Returned is where a browser goes on that comes back from the logout at an OpenID provider with a state; false where it
// did not leave so from here.
func (d *Desk) Returned(ctx context.Context, t *snapshot.Tenant, state string, r *http.Request) (back string, gone []*http.Cookie, ok bool) {
	k, c, cookie, err := d.open(ctx, t.UID, KindSignOut, state, r)
	if err != nil || c.SAML != nil || !d.Now().Before(k.ExpiresAt) {
		if err != nil && !errors.Is(err, ErrGone) {
			d.Log.Warn("a return from a logout could not be read", "error", err)
		}
		return "", cookies(cookie), false
	}
	return c.Back, cookies(cookie), true
}

// noBrowser: a logout crowds nothing out.
func noBrowser() *http.Request { return &http.Request{} }

// SAMLMetadata is what an IdP is told of us: its own endpoints, and the keys that it is to know.
func (d *Desk) SAMLMetadata(t *snapshot.Tenant, idp *federation.IdentityProvider) ([]byte, error) {
	p, err := samlProvider(t, idp)
	if err == nil {
		return p.Document()
	}
	if sp, ok := t.SignIn.ServiceProviders[idp.UID]; ok { // also before anything of the IdP is known
		return sp.Document()
	}
	return nil, err
}

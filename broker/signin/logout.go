package signin

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// BackChannelLogout ends the sessions that an OpenID provider says are over (Back-Channel Logout 1.0 §2.5 to §2.7), and with
// them what does not outlive a session. The token is used up in the same transaction. A disabled IdP is
// refused: none of its sessions is alive.
func (d *Desk) BackChannelLogout(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, logoutToken string) error {
	a := d.attempt(ctx, t, idp, audit.TypeLogoutRefused)
	if err := d.backChannelLogout(a.within(ctx), a, logoutToken); err != nil {
		return a.refuse(ctx, err)
	}
	return nil
}

func (d *Desk) backChannelLogout(ctx context.Context, a *attempt, logoutToken string) error {
	entry, ok := a.tenant.SignIn.OpenID[a.idp.UID]
	if !ok || entry == nil {
		return notOffered("an IdP without oidc")
	}
	notice, err := d.OpenID.VerifyLogout(ctx, a.tenant.UID.String(), entry, logoutToken)
	if err != nil {
		return err
	}
	a.checks = checksOf(notice.Checks())
	named := session.Named{IdPUID: a.idp.UID, Subject: notice.Sub(), Tenant: notice.Tenant()}
	if notice.SessionID() != "" {
		named.SessionIDs = []string{notice.SessionID()}
	}
	once := a.redemption(spaceLogout, entry.Provider.Issuer, saml.Redemption{Key: notice.RedemptionKey(), Until: notice.RedeemableUntil()}, oauth.CodeLogoutReplayed)
	_, err = d.end(ctx, a, named, once, "backchannel_logout")
	return err
}

// end ends what an IdP named. That there was nothing to end is recorded too, and no error.
func (d *Desk) end(ctx context.Context, a *attempt, named session.Named, once ledger.Redemption, how string) (known bool, err error) {
	if err := d.replays.check([]ledger.Redemption{once}, a.now); err != nil {
		return false, err
	}
	a.verified = true
	event := a.event(audit.TypeSessionEnded, audit.Changed)
	event.Principal = audit.Principal{Kind: "idp", ID: a.idp.UID, Name: a.idp.Name}
	event.Detail = map[string]string{"reason": session.EndedByIdP, "how": how}
	return d.Endings.End(ctx, session.Ending{
		Tenant: a.tenant.UID, At: a.now, Reason: session.EndedByIdP, Upstream: &named, Always: true,
		Redemptions: []ledger.Redemption{once}, Event: event,
	})
}

// SingleLogout takes a SAML logout message from a browser: a request of the IdP's, which is answered, or the IdP's answer
// to ours. Both must be signed (T30). The departure is our answer, or where the browser goes on; its URL is empty where
// that is nowhere.
func (d *Desk) SingleLogout(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, m saml.Incoming, r *http.Request) (Departure, error) {
	a := d.attempt(ctx, t, idp, audit.TypeLogoutRefused)
	departure, err := d.singleLogout(a.within(ctx), a, m, r)
	if err != nil {
		return Departure{Cookies: departure.Cookies}, a.refuse(ctx, err)
	}
	return departure, nil
}

func (d *Desk) singleLogout(ctx context.Context, a *attempt, m saml.Incoming, r *http.Request) (Departure, error) {
	p, err := samlProvider(a.tenant, a.idp)
	if err != nil {
		return Departure{}, err
	}
	isAnswer, relayState := sort(m)
	if isAnswer {
		return d.loggedOut(ctx, a, p, m, relayState, r)
	}
	request, err := d.SAML.VerifyLogoutRequest(p, m)
	if err != nil {
		return Departure{}, err
	}
	a.checks = checksOf(request.Checks())
	named := session.Named{IdPUID: a.idp.UID, SessionIDs: request.SessionIndexes()}
	if id := request.SubjectID(); !id.IsZero() {
		named.Subject = id.Canonical()
	}
	if named.Subject == "" && len(named.SessionIDs) == 0 { // a transient name alone is nobody's
		a.verified = true
		return Departure{}, oauth.Refuse(oauth.CodeSAMLNameid, "a name that does not stay, and no SessionIndex", "a name that stays, or a session")
	}
	known, err := d.end(ctx, a, named, a.redemption(spaceLogout, p.EntityID, request.Redemption(), oauth.CodeLogoutReplayed), "saml_logout")
	if err != nil {
		return Departure{}, err
	}
	departure := Departure{Cookies: d.forgotten(ctx, a, r)}
	out, err := d.SAML.AnswerLogout(request, known)
	if err != nil { // it has nowhere to take an answer, or we have no key: the sessions have ended all the same
		d.Log.Warn("a logout request was not answered", "trace_id", a.caller.Trace, "idp", a.idp.Name, "error", err)
		return departure, nil
	}
	departure.URL, departure.Form = out.URL, out.Form
	return departure, nil
}

// forgotten takes the session's cookie out of a browser that has no session any more.
func (d *Desk) forgotten(ctx context.Context, a *attempt, r *http.Request) []*http.Cookie {
	if _, has := session.HandleOf(a.tenant, r); !has {
		return nil
	}
	if current, err := d.Sessions.Current(ctx, a.tenant, r); err != nil || current != nil {
		return nil
	}
	return []*http.Cookie{d.Sessions.Forget(a.tenant)}
}

// loggedOut is the IdP's answer to a logout that began here: ours has ended before.
func (d *Desk) loggedOut(ctx context.Context, a *attempt, p *saml.Provider, m saml.Incoming, relayState string, r *http.Request) (Departure, error) {
	c, gone, err := d.take(ctx, a.tenant.UID, a.idp, KindSignOut, relayState, r)
	departure := Departure{Cookies: cookies(gone)}
	if errors.Is(err, ErrGone) || err == nil && c.SAML == nil {
		return departure, oauth.Refuse(oauth.CodeSAMLInResponseTo, "an answer to no logout of this browser", "the RelayState of a logout")
	}
	if err != nil {
		return departure, err
	}
	partial, err := d.SAML.VerifyLogoutResponse(p, m, *c.SAML)
	if err != nil {
		return departure, err
	}
	if partial {
		d.Log.Info("an IdP could not end every session elsewhere", "trace_id", a.caller.Trace, "idp", a.idp.Name)
	}
	departure.URL = c.Back
	return departure, nil
}

// sort tells an answer from a request, before either is verified, and finds the RelayState. Whichever it is taken for, it
// is verified as that.
func sort(m saml.Incoming) (isAnswer bool, relayState string) {
	if m.Query != "" {
		values, err := url.ParseQuery(m.Query)
		return err == nil && values.Get("SAMLResponse") != "", values.Get("RelayState")
	}
	document, err := base64.StdEncoding.DecodeString(m.Form)
	head := string(document[:min(len(document), 512)])
	return err == nil && strings.Contains(head, "LogoutResponse"), m.RelayState
}

package signin

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// ArriveOpenID takes what an OpenID provider sent a browser back with.
func (d *Desk) ArriveOpenID(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, values url.Values, r *http.Request) (Arrival, error) {
	a := d.attempt(ctx, t, idp, audit.TypeSignInRefused)
	arrival, err := d.arriveOpenID(a.within(ctx), a, values, r)
	if err != nil {
		refusal := a.refuse(ctx, err)
		a.offer(refusal)
		return Arrival{Then: arrival.Then, Cookies: arrival.Cookies}, refusal
	}
	a.offer(nil)
	return arrival, nil
}

func (d *Desk) arriveOpenID(ctx context.Context, a *attempt, values url.Values, r *http.Request) (Arrival, error) {
	entry, err := openID(a.tenant, a.idp)
	if err != nil {
		return Arrival{}, err
	}
	answer, err := oidc.ParseAnswer(values)
	if err != nil {
		return Arrival{}, err
	}
	// The departure is used up before anything is asked of the IdP: a code is tried once.
	c, gone, err := d.take(ctx, a.tenant.UID, a.idp, KindOpenID, answer.StateHash(), r)
	arrival := Arrival{Then: c.Then, Cookies: cookies(gone)}
	if errors.Is(err, ErrGone) {
		return arrival, oauth.Refuse(oauth.CodeSignInStateMismatch, "a state that this browser did not leave with, or that was used", "the state of a departure")
	}
	if err != nil {
		return arrival, err
	}
	if c.OpenID == nil {
		return arrival, errIncomplete
	}
	a.left = true
	signedIn, err := d.OpenID.Finish(ctx, a.tenant.UID.String(), entry, answer, *c.OpenID)
	if err != nil {
		return arrival, err
	}
	return d.settle(ctx, a, arrival, c, wordOf(signedIn), nil, r)
}

// ArriveSAML takes what a browser posts to an assertion consumer service.
func (d *Desk) ArriveSAML(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, form url.Values, r *http.Request) (Arrival, error) {
	a := d.attempt(ctx, t, idp, audit.TypeSignInRefused)
	arrival, err := d.arriveSAML(a.within(ctx), a, form, r)
	if err != nil {
		refusal := a.refuse(ctx, err)
		a.offer(refusal)
		return Arrival{Then: arrival.Then, Cookies: arrival.Cookies}, refusal
	}
	a.offer(nil)
	return arrival, nil
}

func (d *Desk) arriveSAML(ctx context.Context, a *attempt, form url.Values, r *http.Request) (Arrival, error) {
	p, err := samlProvider(a.tenant, a.idp)
	if err != nil {
		return Arrival{}, err
	}
	if len(form["SAMLResponse"]) != 1 || len(form["RelayState"]) > 1 {
		return Arrival{}, oauth.Refuse(oauth.CodeSAMLMalformed, "no response, or several", "one SAMLResponse")
	}
	c, gone, err := d.take(ctx, a.tenant.UID, a.idp, KindSAML, form.Get("RelayState"), r)
	arrival := Arrival{Then: c.Then, Cookies: cookies(gone)}
	// Without a departure it can only be a response that nobody asked for; whether that may be is the entry's to say.
	if err != nil && !errors.Is(err, ErrGone) {
		return arrival, err
	}
	a.left = c.SAML != nil
	signedIn, err := d.SAML.Verify(p, saml.Presented{Response: form.Get("SAMLResponse"), Departure: c.SAML})
	if err != nil {
		return arrival, err
	}
	w, err := wordOfSAML(signedIn)
	if err != nil {
		return arrival, err
	}
	once := a.redemptions(signedIn)
	if err := d.replays.check(once, a.now); err != nil {
		a.checks = append(a.checks, checksOf(w.checks)...)
		return arrival, err
	}
	if signedIn.Unsolicited() || c.SAML == nil {
		return d.await(ctx, a, w, once, r)
	}
	return d.settle(ctx, a, arrival, c, w, once, r)
}

// redemptions are what a response uses up (T27), under the names that the grant of saml2-bearer uses too.
func (a *attempt) redemptions(s *saml.SignIn) []ledger.Redemption {
	var all []ledger.Redemption
	for _, once := range s.Redemptions() {
		all = append(all, a.redemption(spaceSAML, s.EntityID(), once, oauth.CodeSAMLReplayed))
	}
	return all
}

// The spaces of what is used up here.
const (
	spaceSAML   ledger.Space = "saml"
	spaceLogout ledger.Space = "logout"
)

// replayMargin keeps a redemption longer than what it is of can be used, against clocks that disagree.
const replayMargin = federation.MaxClockSkew

func (a *attempt) redemption(space ledger.Space, issuer string, once saml.Redemption, code oauth.Code) ledger.Redemption {
	return ledger.Redemption{
		Tenant: a.tenant.UID, Space: space, Key: sha256.Sum256([]byte(issuer + "\x00" + once.Key)),
		ExpiresAt: once.Until.Add(replayMargin), Code: string(code),
	}
}

// settle finds or makes the user and starts the session.
//
//  1. whom the IdP speaks of, by the entry's rules: active, and no guest unless those may come;
//  2. the one who was to come, where one was;
//  3. a user for whoever comes for the first time, where the entry makes them;
//  4. the session, in one transaction with what is used up and with what the IdP said.
func (d *Desk) settle(ctx context.Context, a *attempt, arrival Arrival, c carried, w word, once []ledger.Redemption, r *http.Request) (Arrival, error) {
	a.verified, a.checks, a.said = true, append(a.checks, checksOf(w.checks)...), w.shown()
	if c.Link != nil {
		return d.link(ctx, a, arrival, c, w, once)
	}
	resolution, err := federation.Resolve(ctx, d.Directories.Directory(a.tenant), a.idp, w.ids)
	if err != nil {
		return arrival, unknown(err)
	}
	a.checks = append(a.checks, checksOf(resolution.Checks)...)
	if c.Only != "" && (resolution.Provision != nil || resolution.Account.UID != c.Only) {
		a.user = resolution.Account.UID
		return arrival, oauth.Refuse(oauth.CodeSignInWrongPerson, "somebody else", "the person who was asked")
	}
	account := resolution.Account
	if resolution.Provision != nil {
		if account, err = d.Provisioner.Provision(ctx, a.tenant, a.idp, resolution); err != nil {
			return arrival, unknown(err)
		}
	}
	if account.UID == "" || account.Status != federation.StatusActive {
		return arrival, oauth.Refuse(oauth.CodeSubjectDisabled, account.Status, federation.StatusActive)
	}
	a.user = account.UID
	return d.start(ctx, a, arrival, c, w, once, r)
}

func (d *Desk) start(ctx context.Context, a *attempt, arrival Arrival, c carried, w word, once []ledger.Redemption, r *http.Request) (Arrival, error) {
	previous, err := d.before(ctx, a, c, r)
	if err != nil {
		return arrival, err
	}
	upstream := w.upstream
	if upstream.Hint, err = d.Sealer.Seal(ctx, w.upstream.Hint, hintAt(a.tenant.UID, a.user, a.idp.UID)); err != nil {
		return arrival, err
	}
	profile := w.profile(a.user, d.Now().UTC().Truncate(time.Microsecond))
	profile.Tenant = a.tenant.UID
	if profile.GroupsState == "" {
		profile.GroupsState = string(assertion.GroupsAbsent)
	}
	sign := session.Sign{
		Session:  session.Session{UserUID: a.user, IdPUID: a.idp.UID, Upstream: upstream, Proof: w.proof, ExpiresAt: w.ends},
		Previous: previous, Profile: &profile, Redemptions: once, Checks: a.checks,
	}
	started, cookie, err := d.Sessions.Sign(ctx, a.tenant, sign)
	if errors.Is(err, session.ErrGone) { // the one before ended meanwhile: nothing of it goes on
		sign.Previous = nil
		started, cookie, err = d.Sessions.Sign(ctx, a.tenant, sign)
	}
	if err != nil {
		return arrival, err
	}
	arrival.Session, arrival.Person = started, w.person()
	arrival.Cookies = append(arrival.Cookies, cookie)
	return arrival, nil
}

// before is the session that the browser has, or had when it left.
func (d *Desk) before(ctx context.Context, a *attempt, c carried, r *http.Request) (*session.Session, error) {
	current, err := d.Sessions.Current(ctx, a.tenant, r)
	if err != nil || current != nil {
		return current, err
	}
	handle, ok := c.previous()
	if !ok {
		return nil, nil //nolint:nilnil // nobody was signed in
	}
	return d.Sessions.Alive(ctx, a.tenant, handle)
}

var errIncomplete = errors.New("signin: a departure that says too little")

// unknown: a directory that cannot be read is no refusal of the person.
func unknown(err error) error {
	_, refused := errors.AsType[*federation.Refusal](err)
	_, coded := errors.AsType[*oauth.Error](err)
	if refused || coded || errors.Is(err, federation.ErrForeignIdentifiers) || errors.Is(err, ledger.ErrUnavailable) {
		return err
	}
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
}

func cookies(c *http.Cookie) []*http.Cookie {
	if c == nil {
		return nil
	}
	return []*http.Cookie{c}
}

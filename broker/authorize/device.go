package authorize

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Devices are the requests of devices without a browser; *device.Authorizations are.
type Devices interface {
	Find(ctx context.Context, t *snapshot.Tenant, clients client.Registry, userCode string, by device.By) (device.Found, error)
	Approve(ctx context.Context, f device.Found, by device.By, granted code.Grant) error
	Deny(ctx context.Context, f device.Found, by device.By) error
}

// devicePath is where a person types the code that a device shows (RFC 8628 §3.3).
const devicePath = "/device"

// devicePlace stands for a redirect URI in what a person agrees to: the answer goes to nobody's address.
const devicePlace = "device:"

func (d *Desk) deviceRoutes() []Route {
	if d.Devices == nil {
		return nil
	}
	return []Route{
		{Path: devicePath, Get: d.shown(d.device), Post: d.shown(d.deviceAnswered)},
		{Path: deviceProofPath, Post: d.shown(d.deviceProof)},
	}
}

// device asks for the code. One that came with the link is shown, and never taken without the person's word (§5.4).
func (d *Desk) device(ctx context.Context, v Visit) (Reply, error) {
	typed := device.Shown(v.Request.URL.Query().Get("user_code"))
	s, reply, err := d.SignedIn(ctx, v, signin.Ask{Then: deviceWith(typed)})
	if s == nil {
		return reply, err
	}
	return d.askForCode(v, s, typed, false)
}

func deviceWith(typed string) string {
	if typed == "" {
		return devicePath
	}
	return devicePath + "?user_code=" + url.QueryEscape(typed)
}

func (d *Desk) askForCode(v Visit, s *session.Session, typed string, wrong bool) (Reply, error) {
	token, fresh := v.Token("device", handleOf(s))
	status := http.StatusOK
	if wrong {
		status = http.StatusBadRequest
	}
	reply, err := d.show(v, status, page.Device{Action: v.path(devicePath), Token: token, Code: typed, Wrong: wrong})
	return reply.with(fresh), err
}

// deviceAnswered takes a code, or what the person says to it.
func (d *Desk) deviceAnswered(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	typed := device.Shown(form.Get("user_code"))
	s, reply, err := d.SignedIn(ctx, v, signin.Ask{Then: deviceWith(typed)})
	if s == nil {
		return reply, err
	}
	decision := form.Get("decision")
	if decision == "" {
		if err := v.Check(form, "device", handleOf(s)); err != nil {
			return Reply{}, failed{error: err, again: v.path(devicePath)}
		}
	}
	// 1. Which device waits with this code? Who guesses is slowed down.
	by := device.By{Session: *s, Remote: v.Remote, Trace: v.Trace}
	found, err := d.Devices.Find(ctx, v.Tenant, d.Registry, form.Get("user_code"), by)
	if isCode(err, oauth.CodeUserCodeUnknown) {
		return d.askForCode(v, s, typed, true)
	}
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(devicePath)}
	}
	// 2. Is the person signed in as the device wants it?
	request := found.Request()
	if ask, needed := deviceWish(request, s, found.ExpiresAt().Add(-device.Lifetime), d.Now()); needed {
		ask.Then, ask.Only = deviceWith(typed), s.UserUID
		if idp, ok := idpByUID(v.Tenant, s.IdPUID); ok {
			return d.Depart(ctx, v, idp, ask)
		}
	}
	// 3. May its client have this for him?
	considered, err := d.considerDevice(ctx, v, s, request)
	if isCode(err, oauth.CodeStepUpRequired) {
		return d.deviceStepUp(ctx, v, s, request, typed, demandOf(oauth.AsError(err)), Progress{})
	}
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(deviceWith(typed)), recorded: true}
	}
	q := questionOf(v.Tenant, s, request, considered, devicePlace)
	// 4. Is it his device, and does he let it?
	ruling, err := d.Consents.Rule(ctx, q)
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(devicePath)}
	}
	handle := found.Handle()
	topic := []string{"device decision", handleOf(s), hex.EncodeToString(handle[:]), hex.EncodeToString(ruling.Meaning[:])}
	if decision == "" {
		return d.askAboutDevice(ctx, v, s, q, typed, topic)
	}
	if err := v.Check(form, topic...); err != nil {
		return Reply{}, failed{error: err, again: v.path(deviceWith(typed))}
	}
	if decision != "allow" {
		if err := d.Devices.Deny(ctx, found, by); err != nil {
			return Reply{}, failed{error: unavailable(err), again: v.path(devicePath)}
		}
		return d.show(v, http.StatusOK, page.Finished{Denied: true})
	}
	if err := d.Devices.Approve(ctx, found, by, deviceGrant(request, s, considered)); err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(devicePath)}
	}
	if err := d.Consents.Used(ctx, q); err != nil {
		d.Log.WarnContext(ctx, "use of a consent not noted", "trace_id", v.Trace, "error", err)
	}
	return d.show(v, http.StatusOK, page.Finished{})
}

func (d *Desk) considerDevice(ctx context.Context, v Visit, s *session.Session, r authorization.Request) (grant.Considered, error) {
	return d.Grants.Consider(ctx, grant.Consideration{Tenant: v.Tenant, Trace: v.Trace, Remote: v.Remote, Request: r, Session: *s})
}

func (d *Desk) askAboutDevice(ctx context.Context, v Visit, s *session.Session, q consent.Question, typed string, topic []string) (Reply, error) {
	person, err := d.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	token, fresh := v.Token(topic...)
	reply, err := d.show(v, http.StatusOK, page.DeviceConfirm{
		Action: v.path(devicePath), Token: token, Code: typed, Client: clientOf(q.Client), Access: accessOf(q.Parts), Person: person,
	})
	return reply.with(fresh), err
}

// deviceWish tells whether the person has to authenticate anew (OIDC Core §3.1.2.1): prompt=login asks for a sign-in after
// the device's request. It is asked for with each code that is typed, so that nobody is sent round by himself.
func deviceWish(r authorization.Request, s *session.Session, began, now time.Time) (signin.Ask, bool) {
	maxAge, bounded := r.MaxAge()
	login := r.Prompt().Login && (s.Proof.AuthTime.IsZero() || s.Proof.AuthTime.Before(began.Add(-clockSkew)))
	stale := bounded && !freshEnough(s.Proof.AuthTime, maxAge, now, began, true)
	ask := signin.Ask{UILocales: r.UILocales()}
	if login {
		ask.Prompt, ask.MaxAge = promptOf(true, false), new(time.Duration)
	}
	if stale {
		ask.MaxAge = &maxAge
	}
	return ask, login || stale
}

// deviceGrant is what the person let the device's client have.
func deviceGrant(r authorization.Request, s *session.Session, considered grant.Considered) code.Grant {
	g := code.Grant{
		ClientUID: r.Client().UID, Thumbprint: r.Thumbprint(), Identity: r.Identity(), Offline: r.Offline(), Nonce: r.Nonce(),
		UserUID: s.UserUID, IdPUID: s.IdPUID, Session: s.Handle, AuthTime: s.Proof.AuthTime, ACR: s.Proof.ACR, AMR: s.Proof.AMR,
	}
	if len(considered.Decisions) > 0 {
		g.DecisionID = considered.Decisions[0]
	}
	for _, one := range considered.Resources {
		g.Resources = append(g.Resources, code.Resource{UID: one.Resource.UID, URI: one.Resource.URI, Scopes: one.Scopes})
	}
	return g
}

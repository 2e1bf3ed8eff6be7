package authorize

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
)

// walk is one request on its way through a browser, as this visit finds it.
type walk struct {
	Visit
	browser browser
	pending Pending
	request authorization.Request
	session *session.Session // nil: nobody is signed in
	form    *oauth.Form      // what the person said; nil: he looks
}

// said is what the person said to a question; empty: nothing.
func (w *walk) said(field string) string {
	if w.form == nil {
		return ""
	}
	return w.form.Get(field)
}

// requestPath is where requests wait for their people.
const requestPath = "/authorize/"

// asked tells that the person answered a consent.
func (w *walk) asked() bool { return w.said("decision") != "" }

// here is the request's own path, below the issuer.
func (w *walk) here() string { return requestPath + w.Named }

// proceed shows what is next for a request.
func (d *Desk) proceed(ctx context.Context, v Visit) (Reply, error) {
	w, reply, err := d.open(ctx, v)
	if w == nil {
		return reply, err
	}
	return d.next(ctx, w)
}

// decide takes what a person said on a page of a request. Each form has a token for its own question.
func (d *Desk) decide(ctx context.Context, v Visit) (Reply, error) {
	w, reply, err := d.open(ctx, v)
	if w == nil {
		return reply, err
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	w.form = &form
	switch {
	case form.Get("decision") != "": // its token is about what was shown, and is checked where that is known
		return d.next(ctx, w)
	case form.Get("idp") != "" || form.Get("login_hint") != "":
		if err := w.browser.check(form, "sign in", w.Named); err != nil {
			return Reply{}, w.again(err)
		}
		return d.chosen(ctx, w)
	default:
		if err := w.browser.check(form, "step up", w.Named); err != nil {
			return Reply{}, w.again(err)
		}
		if form.Get("way") == "" {
			return d.refuse(ctx, w, oauth.Refuse(oauth.CodeStepUpDeclined, "not now", ""))
		}
		return d.next(ctx, w)
	}
}

// again lets the person come back to the request.
func (w *walk) again(err error) error {
	f := failed{error: err, again: w.path(w.here())}
	if inner, ok := errors.AsType[failed](err); ok {
		f.recorded = inner.recorded
	}
	return f
}

// open finds the request of a page, for the browser that began it. The walk is nil where there is nothing to walk: the
// reply or the error says why.
func (d *Desk) open(ctx context.Context, v Visit) (*walk, Reply, error) {
	handle, ok := readSecret(v.Named)
	if !ok {
		return nil, Reply{}, oauth.Refuse(oauth.CodeRequestNotWaiting, "an address of another form", "a request's own")
	}
	pending, err := d.Requests.Find(ctx, v.Tenant.UID, handle, d.Now())
	switch {
	case errors.Is(err, ErrNotWaiting):
		return nil, Reply{}, oauth.Refuse(oauth.CodeRequestNotWaiting, "no request", "one that waits")
	case err != nil:
		return nil, Reply{}, unavailable(fmt.Errorf("find the request: %w", err))
	case !d.Now().Before(pending.ExpiresAt): // the store has asked the same
		return nil, Reply{}, oauth.Refuse(oauth.CodeRequestNotWaiting, "a request whose time is over", "one that waits")
	}
	b, ok := browserOf(v.Tenant, v.Request)
	if !ok || subtle.ConstantTimeCompare(b.digest[:], pending.Browser[:]) != 1 { // T37
		return nil, Reply{}, oauth.Refuse(oauth.CodeBrowserMismatch, "another browser", "the one that began")
	}
	w := &walk{Visit: v, browser: b, pending: pending}
	form, err := oauth.ParseForm([]byte(pending.Parameters))
	if err != nil {
		return nil, Reply{}, err
	}
	party, err := d.party(ctx, v.Tenant, form.Get("client_id"))
	if err != nil {
		return nil, Reply{}, err
	}
	w.request, err = authorization.Parse(authorization.Ask{Form: form, Via: authorization.Pushed, Party: party, Tenant: v.Tenant, Now: d.Now()})
	if returned, ok := errors.AsType[*authorization.Returned](err); ok { // the client lost something meanwhile
		d.record(v, party.Client, returned.Refusal)
		reply, err := d.answer(ctx, w, returned.Return.Refused(returned, v.Trace))
		return nil, reply, err
	}
	if err != nil {
		return nil, Reply{}, err
	}
	return w, Reply{}, nil
}

// next decides what comes next, from the top each time: nothing that was true a moment ago is remembered but what the
// progress says was tried.
func (d *Desk) next(ctx context.Context, w *walk) (Reply, error) {
	// 1. Who is it?
	var err error
	if w.session, err = d.Sessions.Current(ctx, w.Tenant, w.Request); err != nil {
		return Reply{}, w.again(unavailable(err))
	}
	// 2. Is he signed in as the request wants it?
	wish, err := d.wishOf(w)
	if err != nil {
		return d.refuse(ctx, w, err)
	}
	if wish != nil && w.pending.Progress.Unmet { // the same IdP would say the same, round and round
		return d.refuse(ctx, w, oauth.Refuse(oauth.CodeSignInUnfinished, "an IdP that does not give what it was asked for", "a sign-in as the request asks"))
	}
	if wish != nil {
		return d.signIn(ctx, w, *wish)
	}
	// 3. May the client have this for him? Policy says so before he is asked.
	consideration := grant.Consideration{Tenant: w.Tenant, Trace: w.Trace, Remote: w.Remote, Request: w.request, Session: *w.session}
	considered, err := d.Grants.Consider(ctx, consideration)
	if err != nil {
		return d.notConsidered(ctx, w, err)
	}
	// 4. Does he let it?
	question := w.question(considered)
	ruling, err := d.Consents.Rule(ctx, question)
	if err != nil {
		return Reply{}, w.again(unavailable(err))
	}
	agreed, reply, err := d.agree(ctx, w, question, ruling)
	if !agreed {
		return reply, err
	}
	// 5. The code, once.
	return d.issue(ctx, w, question, grant.CodeOrder{
		Consideration: consideration, Considered: considered, Identity: w.request.Identity(), Offline: w.request.Offline(),
	})
}

// issue answers with a code. The request is taken first: whatever happens then, it is answered.
func (d *Desk) issue(ctx context.Context, w *walk, q question, order grant.CodeOrder) (Reply, error) {
	if err := d.take(ctx, w); err != nil {
		return Reply{}, err
	}
	code, err := d.Grants.Code(ctx, order)
	if _, ok := errors.AsType[*authorization.Shown](err); ok { // the client, or its redirect URI, is gone since
		return Reply{}, err
	}
	if err != nil {
		return d.send(w.Visit, w.request.Return().Refused(err, w.Trace), w.asked())
	}
	if err := d.Consents.Used(ctx, q); err != nil {
		d.Log.WarnContext(ctx, "use of a consent not noted", "trace_id", w.Trace, "error", err)
	}
	return d.send(w.Visit, w.request.Return().Granted(code), w.asked())
}

// refuse tells the client no, and that is the end of the request. What failed for a moment is shown to the person instead,
// and can be tried again.
func (d *Desk) refuse(ctx context.Context, w *walk, err error) (Reply, error) {
	refusal := oauth.AsError(err)
	if oauth.Public(refusal.Code).Status >= 500 {
		return Reply{}, w.again(err)
	}
	if f, ok := errors.AsType[failed](err); !ok || !f.recorded {
		d.record(w.Visit, w.request.Client(), refusal)
	}
	return d.answer(ctx, w, w.request.Return().Refused(err, w.Trace))
}

// answer takes the request and sends an answer for it.
func (d *Desk) answer(ctx context.Context, w *walk, a authorization.Answer) (Reply, error) {
	if err := d.take(ctx, w); err != nil {
		return Reply{}, err
	}
	return d.send(w.Visit, a, w.asked())
}

func (d *Desk) take(ctx context.Context, w *walk) error {
	err := d.Requests.Take(ctx, w.Tenant.UID, w.pending.Handle, d.Now())
	if errors.Is(err, ErrNotWaiting) {
		return oauth.Refuse(oauth.CodeRequestNotWaiting, "a request that was answered meanwhile", "one that waits")
	}
	if err != nil {
		return w.again(unavailable(fmt.Errorf("take the request: %w", err)))
	}
	return nil
}

// handleOf names a session in a row of ours.
func handleOf(s *session.Session) string {
	if s == nil {
		return ""
	}
	return hex.EncodeToString(s.Handle[:])
}

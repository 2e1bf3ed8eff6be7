package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
)

const (
	endSessionPath = "/end_session"
	signedOutPath  = "/signed_out"
	maxLogoutState = 2048
)

// leaving is a wish to sign out (OpenID Connect RP-Initiated Logout 1.0 §2).
type leaving struct {
	hint     string // the subject of an ID token of ours; "" for none that says anything
	clientID string
	back     string // verified: of the client; "" for nowhere
	state    string
	locales  []string
}

// endSession signs a person out: because he says so on his account page, because a client of his sends him with an ID token
// of his, or because he is asked and says so. Nothing is ended by a link alone.
func (d *Desk) endSession(ctx context.Context, v Visit) (Reply, error) {
	s, err := d.Sessions.Current(ctx, v.Tenant, v.Request)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	if state := form.Get("state"); state != "" && form.Get("post_logout_redirect_uri") == "" { // an IdP's answer, or nothing
		if back, gone, ok := d.SignIns.Returned(ctx, v.Tenant, state, v.Request); ok && samePath(back) {
			return Reply{Status: http.StatusSeeOther, Location: v.path(back)}.with(gone...), nil
		}
	}
	own := v.posted() && form.Get("token") != ""
	if own { // a form of ours: what the client wanted is in the address that it was sent to
		if form.Get("decision") == "deny" {
			return Reply{Status: http.StatusSeeOther, Location: v.path(accountPath)}, nil
		}
		said := form
		if form, err = oauth.ParseForm([]byte(v.Request.URL.RawQuery)); err != nil {
			return Reply{}, err
		}
		// The account page's button, or the question below.
		if s != nil && v.Check(said, "account", handleOf(s)) != nil {
			if err := v.Check(said, "sign out", handleOf(s), v.Request.URL.RawQuery); err != nil {
				return Reply{}, failed{error: err, again: v.path(accountPath)}
			}
		}
	}
	wish, err := d.leavingOf(ctx, v, form)
	if err != nil {
		return Reply{}, err
	}
	switch {
	case s == nil:
		return d.left(v, wish, nil, Reply{})
	case !own && (wish.hint == "" || wish.hint != s.UserUID): // it is not known that he wants it
		return d.askToLeave(ctx, v, s, wish)
	}
	return d.leave(ctx, v, s, wish)
}

// leavingOf reads the request. An address to go back to must be exactly one that the client registered, and the client must
// be known, by its ID token or by name (§3); otherwise nothing is redirected (T39).
func (d *Desk) leavingOf(ctx context.Context, v Visit, form oauth.Form) (leaving, error) {
	wish := leaving{clientID: form.Get("client_id"), state: form.Get("state"), locales: strings.Fields(form.Get("ui_locales"))}
	if hint := form.Get("id_token_hint"); hint != "" {
		subject, clientID, err := d.Hints.Hint(ctx, v.Tenant, hint)
		switch {
		case err != nil: // it says nothing
		case wish.clientID != "" && wish.clientID != clientID: // §2: they must agree
			return leaving{}, oauth.Refuse(oauth.CodeLogoutRedirectUnregistered, "an id_token_hint of another client", "one of the client_id")
		default:
			wish.clientID = clientID
			if c, err := d.Registry.Lookup(ctx, v.Tenant.UID, clientID); err == nil && !c.Disabled { // else he is asked
				wish.hint = subject
			}
		}
	}
	back := form.Get("post_logout_redirect_uri")
	if back == "" {
		return wish, nil
	}
	c, err := d.Registry.Lookup(ctx, v.Tenant.UID, wish.clientID)
	switch {
	case errors.Is(err, client.ErrUnknown):
		return leaving{}, oauth.Refuse(oauth.CodeLogoutRedirectUnregistered, "no client", "an id_token_hint or a client_id")
	case err != nil:
		return leaving{}, unavailable(err)
	case c.Disabled || !slices.Contains(c.PostLogoutURIs, back) || len(wish.state) > maxLogoutState:
		return leaving{}, oauth.Refuse(oauth.CodeLogoutRedirectUnregistered, "another address", "one of the client's post_logout_redirect_uris")
	}
	wish.back = back
	return wish, nil
}

// query is the wish as an address of ours carries it, without the ID token.
func (w leaving) query() string {
	q := url.Values{}
	for name, value := range map[string]string{"client_id": w.clientID, "post_logout_redirect_uri": w.back, "state": w.state} {
		if value != "" && w.back != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (d *Desk) askToLeave(ctx context.Context, v Visit, s *session.Session, wish leaving) (Reply, error) {
	person, err := d.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	token, fresh := v.Token("sign out", handleOf(s), strings.TrimPrefix(wish.query(), "?"))
	reply, err := d.show(v, http.StatusOK, page.SignOut{Action: v.path(endSessionPath + wish.query()), Token: token, Person: person}, wish.locales...)
	return reply.with(fresh), err
}

// leave ends the session here first, then at the IdP, if that can be done from here.
func (d *Desk) leave(ctx context.Context, v Visit, s *session.Session, wish leaving) (Reply, error) {
	departure, err := d.SignIns.SignOut(ctx, v.Tenant, *s, signedOutPath+wish.query())
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(accountPath)}
	}
	gone := Reply{}.with(d.Sessions.Forget(v.Tenant))
	if departure.URL != "" {
		reply, err := d.away(v, departure)
		return reply.with(gone.Cookies...), err
	}
	return d.left(v, wish, s, gone)
}

// left goes back to the client, or says that it is done.
func (d *Desk) left(v Visit, wish leaving, s *session.Session, gone Reply) (Reply, error) {
	if wish.back != "" {
		to := withState(wish.back, wish.state)
		if v.posted() {
			reply, err := d.show(v, http.StatusOK, page.Onward{URL: to}, wish.locales...)
			return reply.with(gone.Cookies...), err
		}
		return Reply{Status: http.StatusSeeOther, Location: to}.with(gone.Cookies...), nil
	}
	model := page.SignedOut{Again: v.path(accountPath)}
	if s != nil {
		model.IdP = v.Tenant.SignIn.Titles[s.IdPUID]
	}
	reply, err := d.show(v, http.StatusOK, model, wish.locales...)
	return reply.with(gone.Cookies...), err
}

// signedOut is where an IdP sends the browser after a logout there.
func (d *Desk) signedOut(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	wish, err := d.leavingOf(ctx, v, form)
	if err != nil { // what an IdP added is none of ours; nobody is sent anywhere
		wish = leaving{}
	}
	return d.left(v, wish, nil, Reply{})
}

// withState adds the state as it came (§3).
func withState(uri, state string) string {
	switch {
	case state == "":
		return uri
	case strings.Contains(uri, "?"):
		return uri + "&state=" + url.QueryEscape(state)
	}
	return uri + "?state=" + url.QueryEscape(state)
}

package authorization

import (
	"errors"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// GrantType is the grant that a client must list (RFC 6749 §4.1.3).
const GrantType = "authorization_code"

const grantRefresh = "refresh_token"

// Via is how a request came.
type Via int

// The ways. The zero value is none of them, and refused.
const (
	_       Via = iota
	Browser     // the query or body of a browser's request
	Pushing     // the body of a client's request to the PAR endpoint (RFC 9126 §2.1)
	Pushed      // what was pushed, taken by its request_uri, or what rested here since
)

// Party is the client that asks, with what this flow needs beside what every grant does.
type Party struct {
	Client       *client.Client // nil: none of that client_id
	RedirectURIs []string
	MustPush     bool // require_pushed_authorization_requests (RFC 9126 §6)
}

// Ask is a request and what it is judged by. All but Thumbprint and Hint is required.
type Ask struct {
	Form   oauth.Form
	Via    Via
	Party  Party
	Tenant *snapshot.Tenant
	Now    time.Time
	// Thumbprint of the key of a DPoP proof that came with what is being pushed (RFC 9449 §10.1).
	Thumbprint string
	// Hint tells whom an id_token_hint means: the user of an ID token of ours for this client. nil: it means nobody. What was
	// found rests with the request, the token does not: it is a person's, and good at other places.
	Hint func(token string) (userUID string, ok bool)
}

// Parse judges an authorization request. What it refuses is *Shown or *Returned;
// any other error is a fault of the caller.
func Parse(a Ask) (Request, error) {
	if a.Tenant == nil || a.Tenant.Issuer == "" || a.Now.IsZero() || a.Via < Browser || a.Via > Pushed {
		return Request{}, errors.New("an authorization request is judged by a tenant, its issuer, a time, and how it came")
	}
	// 1. Who asks. Whoever cannot be told from nobody is nobody.
	if err := a.checkClient(); err != nil {
		return Request{}, err
	}
	// 2. Where the answer may go. Until here nothing is redirected (RFC 6749 §4.1.2.1).
	uri, named, err := settleRedirect(a.Form, a.Party.RedirectURIs)
	if err != nil {
		return Request{}, err
	}
	// An answer without its state, or with half of it, is no answer to the client: this too is shown.
	state := a.Form.Get("state")
	if len(state) > maxState {
		return Request{}, show(oauth.CodeStateTooLarge, "a large state", "at most 2048 bytes")
	}
	r := Request{client: a.Party.Client, named: named, answer: Return{uri: uri, mode: Query, state: state, issuer: a.Tenant.Issuer}}
	// 3. How it gets there, so that refusals go the same way.
	mode, wrong := responseMode(a.Form.Get("response_mode"), uri)
	r.answer.mode = mode
	// 4. Everything else. The client hears what is wrong with it.
	if wrong == nil {
		wrong = r.fill(a)
	}
	if wrong != nil {
		return Request{}, &Returned{Refusal: wrong, Return: r.answer}
	}
	r.parameters = r.encode(a)
	return r, nil
}

// checkClient answers the same for an unknown, a disabled and an expired client, and for one that is another's (T38).
func (a Ask) checkClient() error {
	c := a.Party.Client
	named := a.Form.Get("client_id")
	if named == "" && a.Via != Pushing { // who pushes has authenticated
		return show(oauth.CodeParameterMissing, "no client_id", "client_id")
	}
	known := c != nil && c.ClientID != "" && !c.Disabled && (c.ExpiresAt.IsZero() || a.Now.Before(c.ExpiresAt))
	if !known || named != "" && named != c.ClientID {
		return show(oauth.CodeAuthorizationClientUnknown, named, "the client_id of an active client")
	}
	return nil
}

func (r *Request) fill(a Ask) *oauth.Error {
	for _, check := range []func(Ask) *oauth.Error{
		checkForm, r.checkGrant, r.readChallenge, r.settleResources, r.settleScopes, r.readThumbprint, r.readWishes, r.readText, r.readHint,
	} {
		if wrong := check(a); wrong != nil {
			return wrong
		}
	}
	return nil
}

// kept are the parameters that mean something here.
func kept() []string {
	return []string{
		"response_type", "redirect_uri", "response_mode", "state", "scope", "code_challenge", "code_challenge_method",
		"prompt", "max_age", "acr_values", "login_hint", "ui_locales", "nonce",
	}
}

func (r *Request) encode(a Ask) string {
	values := url.Values{"client_id": {r.client.ClientID}}
	for _, name := range kept() {
		if v := a.Form.Get(name); v != "" {
			values.Set(name, v)
		}
	}
	if r.expected != "" {
		values.Set(expectedUser, r.expected)
	}
	if r.thumbprint != "" {
		values.Set("dpop_jkt", r.thumbprint)
	}
	if named := a.Form.Resources(); len(named) > 0 {
		values["resource"] = named
	}
	return values.Encode()
}

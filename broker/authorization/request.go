package authorization

import (
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Request is an authorization request that may be answered: everything in it is
// inside what its client and the tenant allow. Only Parse makes one, and nothing
// changes it.
type Request struct {
	client     *client.Client
	answer     Return
	named      bool
	challenge  string
	resources  []*snapshot.Resource
	scopes     []string
	identity   []string
	offline    bool
	prompt     Prompt
	maxAge     time.Duration
	hasMaxAge  bool
	acrValues  []string
	loginHint  string
	expected   string
	uiLocales  []string
	nonce      string
	thumbprint string
	parameters string
	device     bool
}

// Prompt is what the client wants the person to be shown (OIDC Core §3.1.2.1).
type Prompt struct{ None, Login, Consent, SelectAccount bool }

// Client is who asks.
func (r Request) Client() *client.Client { return r.client }

// GrantType is how the client fetches what it is let have, and so the grant that it must list.
func (r Request) GrantType() string {
	if r.device {
		return oauth.GrantTypeDeviceCode
	}
	return GrantType
}

// Return is where the answer goes; nowhere for a device's request.
func (r Request) Return() Return { return r.answer }

// RedirectNamed tells whether the request named its redirect URI; then the token
// request must name it too (RFC 6749 §4.1.3).
func (r Request) RedirectNamed() bool { return r.named }

// Challenge is the PKCE challenge, of method S256.
func (r Request) Challenge() string { return r.challenge }

// Resources are those that tokens may be for, at least one, as they were named.
func (r Request) Resources() []*snapshot.Resource { return slices.Clone(r.resources) }

// Scopes are the resources' scopes that are asked for, at least one.
func (r Request) Scopes() []string { return slices.Clone(r.scopes) }

// Identity is openid and what goes with it; empty if no ID token is asked for.
func (r Request) Identity() []string { return slices.Clone(r.identity) }

// Offline tells whether access is asked for that outlives the session (offline_access), by a client that may refresh.
func (r Request) Offline() bool { return r.offline }

// Prompt is what the person is to be shown.
func (r Request) Prompt() Prompt { return r.prompt }

// MaxAge is how long ago the person may have authenticated, if the request says so; zero means now.
func (r Request) MaxAge() (time.Duration, bool) { return r.maxAge, r.hasMaxAge }

// ACRValues are the levels that are asked for, the preferred first.
func (r Request) ACRValues() []string { return slices.Clone(r.acrValues) }

// LoginHint says who will probably sign in. It proves nothing.
func (r Request) LoginHint() string { return r.loginHint }

// Expected is the user of whom the client has an ID token, and whom it means (id_token_hint); "" where the hint means nobody
// here, or nobody to this client. hinted tells that there was one.
func (r Request) Expected() (userUID string, hinted bool) {
	if r.expected == unknownUser {
		return "", true
	}
	return r.expected, r.expected != ""
}

// UILocales are language tags, the preferred first.
func (r Request) UILocales() []string { return slices.Clone(r.uiLocales) }

// Nonce goes into the ID token.
func (r Request) Nonce() string { return r.nonce }

// Thumbprint is that of the key to which the code is bound (dpop_jkt, RFC 9449 §10); empty if to none.
func (r Request) Thumbprint() string { return r.thumbprint }

// Parameters is the request as a form, without what is ignored. Parsed again it
// gives the same request, or less if the client or the tenant lost something.
func (r Request) Parameters() string { return r.parameters }

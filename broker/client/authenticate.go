package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Request is what a request says about its client. Empty parameters are absent.
type Request struct {
	Tenant        tenant.UID
	Issuer        string   // ours, for this tenant
	TokenEndpoint string   // the endpoint's public URL
	Authorization []string // each Authorization field's value, as it came
	ClientID      string   // form parameters from here on
	ClientSecret  string
	Assertion     string // client_assertion
	AssertionType string // client_assertion_type
	// Spent is the same for each time that one request authenticates, where clients have a budget (Limited); with nil each
	// time is a request of its own.
	Spent *Spent
}

// String names who asks; secret, assertion and header stay out of logs.
func (r Request) String() string { return "request of client " + strconv.Quote(r.ClientID) }

// GoString is String, for %#v.
func (r Request) GoString() string { return r.String() }

// LogValue is String, for slog.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Authentication is who sent a request, and how that is known. Only Authenticate
// and ByRule build one.
type Authentication struct {
	client     *Client
	method     Method
	secretID   string
	assertion  string
	redemption *ledger.Redemption
}

// Client is who it is; nil if the request names no client at all.
func (a Authentication) Client() *Client { return a.client }

// Method is how it is known. MethodNone proves nothing: a public client's name,
// or no client at all.
func (a Authentication) Method() Method { return a.method }

// Proved tells whether the client showed a credential, its own or its platform's.
func (a Authentication) Proved() bool {
	return a.client != nil && a.method != MethodNone && a.method != ""
}

// SecretID is the secret that was shown, so that a rotation can be finished; ""
// for other methods and for supplied secrets.
func (a Authentication) SecretID() string { return a.secretID }

// AssertionID is the jti of the client assertion, "" for other methods.
func (a Authentication) AssertionID() string { return a.assertion }

// Redemption makes a client assertion good for one use. It must be committed
// with whatever answers the request, a refusal too. nil for other methods.
func (a Authentication) Redemption() *ledger.Redemption { return a.redemption }

// Authenticator authenticates clients.
type Authenticator struct {
	registry Registry
	keys     Keys
	now      func() time.Time
	decoys   decoys
}

// NewAuthenticator makes an Authenticator. All three are required.
func NewAuthenticator(registry Registry, keys Keys, now func() time.Time) (*Authenticator, error) {
	if registry == nil || keys == nil || now == nil {
		return nil, errors.New("client authentication needs a registry, keys and a clock")
	}
	d, err := newDecoys()
	if err != nil {
		return nil, err
	}
	return &Authenticator{registry: registry, keys: keys, now: now, decoys: d}, nil
}

// retryAfter is for a registry that cannot be read at this moment.
const retryAfter = 2 * time.Second

// Private causes that several methods share.
var (
	errDisabled   = errors.New("the client is disabled")
	errExpired    = errors.New("the client has expired")
	errMethod     = errors.New("the client authenticates in another way")
	errIdentities = errors.New("the request names two clients")
	errAnonymous  = errors.New("a credential without a client_id")
)

// Authenticate finds out who sent the request. Refusals are *oauth.Error.
func (a *Authenticator) Authenticate(ctx context.Context, r Request) (Authentication, error) {
	auth, err := a.authenticate(ctx, r)
	if err != nil {
		refusal := oauth.AsError(err)
		refusal.TriedBasic = len(r.Authorization) > 0 // RFC 6749 §5.2
		return Authentication{}, refusal
	}
	return auth, nil
}

func (a *Authenticator) authenticate(ctx context.Context, r Request) (Authentication, error) {
	if err := r.check(); err != nil {
		return Authentication{}, err
	}
	// RFC 6749 §2.3: one method in a request, before any of them is looked at.
	methods := r.methods()
	if len(r.Authorization) > 1 || len(methods) > 1 {
		return Authentication{}, oauth.Refuse(oauth.CodeTwoClientAuthentications, strings.Join(methods, " and "), "one method")
	}
	switch {
	case len(r.Authorization) == 1:
		return a.basic(ctx, r)
	case r.Assertion != "" || r.AssertionType != "":
		return a.assertion(ctx, r)
	case r.ClientSecret != "":
		return a.secret(ctx, r.Tenant, MethodPost, r.ClientID, r.ClientSecret)
	case r.ClientID != "":
		return a.name(ctx, r)
	default:
		return Authentication{method: MethodNone}, nil
	}
}

func (r Request) check() error {
	if err := r.Tenant.Check(); err != nil {
		return oauth.Fail(oauth.CodeInternal, err)
	}
	if r.Issuer == "" || r.TokenEndpoint == "" {
		return oauth.Fail(oauth.CodeInternal, errors.New("no audience is expected of client assertions"))
	}
	return nil
}

// methods names every method that the request tries.
func (r Request) methods() []string {
	var tried []string
	for range r.Authorization {
		tried = append(tried, "Authorization")
	}
	if r.ClientSecret != "" {
		tried = append(tried, "client_secret")
	}
	if r.Assertion != "" || r.AssertionType != "" {
		tried = append(tried, "client_assertion")
	}
	return tried
}

// basic is client_secret_basic. The same client_id in the body is tolerated
// (some SDKs send it), another one is not.
func (a *Authenticator) basic(ctx context.Context, r Request) (Authentication, error) {
	credentials, err := parseBasic(r.Authorization[0])
	if err != nil {
		return Authentication{}, failed(err)
	}
	if r.ClientID != "" && r.ClientID != credentials.clientID {
		return Authentication{}, mismatch(errIdentities, r.ClientID, credentials.clientID)
	}
	return a.secret(ctx, r.Tenant, MethodBasic, credentials.clientID, credentials.secret)
}

// secret compares a shared secret. A client with a secret may send it in either
// place, whatever its method says; other clients have none to send.
func (a *Authenticator) secret(ctx context.Context, t tenant.UID, method Method, clientID, presented string) (Authentication, error) {
	if clientID == "" {
		return Authentication{}, failed(errAnonymous)
	}
	c, unknown, err := a.lookup(ctx, t, clientID)
	if err != nil {
		return Authentication{}, err
	}
	var live []SecretDigest
	usesSecret := c != nil && c.Auth.Method.usesSecret()
	if usesSecret {
		live = c.Auth.Secrets
	}
	digest, wrong := compare(presented, live) // the same work for all
	switch {
	case c == nil:
		return Authentication{}, mismatch(unknown, clientID, "a registered client_id")
	case !usesSecret:
		return Authentication{}, mismatch(errMethod, string(method), string(c.Auth.Method))
	case wrong != nil:
		return Authentication{}, failed(wrong)
	}
	if err := a.usable(c); err != nil {
		return Authentication{}, err
	}
	return Authentication{client: c, method: method, secretID: digest.ID}, nil
}

// name is a client_id without a credential: good for public clients only. What
// it is worth is the grant's matter.
func (a *Authenticator) name(ctx context.Context, r Request) (Authentication, error) {
	c, unknown, err := a.lookup(ctx, r.Tenant, r.ClientID)
	switch {
	case err != nil:
		return Authentication{}, err
	case c == nil:
		return Authentication{}, mismatch(unknown, r.ClientID, "a registered client_id")
	case c.Type != Public || c.Auth.Method != MethodNone:
		return Authentication{}, mismatch(errMethod, string(MethodNone), string(c.Auth.Method))
	}
	if err := a.usable(c); err != nil {
		return Authentication{}, err
	}
	return Authentication{client: c, method: MethodNone}, nil
}

// lookup tells apart: a client; none, with the reason; and not knowing, which is
// an error that is no refusal of the client.
func (a *Authenticator) lookup(ctx context.Context, t tenant.UID, clientID string) (c *Client, unknown, err error) {
	c, err = a.registry.Lookup(ctx, t, clientID)
	switch {
	case errors.Is(err, ErrUnknown):
		return nil, err, nil
	case isRefusal(err):
		return nil, nil, oauth.AsError(err)
	case err != nil:
		unavailable := oauth.Fail(oauth.CodeTenantUnavailable, fmt.Errorf("look client up: %w", err))
		unavailable.RetryAfter = retryAfter
		return nil, nil, unavailable
	case c == nil || c.ClientID != clientID: // a registry that folds or guesses
		return nil, ErrUnknown, nil
	}
	return c, nil, nil
}

// isRefusal tells what a client's own document is refused for: whoever hosts it has to learn that, and it is no secret.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*oauth.Error](err)
	return ok
}

// usable is asked last, so that a disabled client costs what any other does.
func (a *Authenticator) usable(c *Client) error {
	switch {
	case c.Disabled:
		return mismatch(errDisabled, c.Name, "an enabled client")
	case !c.ExpiresAt.IsZero() && !a.now().Before(c.ExpiresAt):
		return mismatch(errExpired, c.ExpiresAt.UTC().Format(time.RFC3339), "a later time")
	}
	return nil
}

// failed is the one answer to everything that is wrong with a client.
func failed(cause error) *oauth.Error { return oauth.Fail(oauth.CodeClientAuthenticationFailed, cause) }

func mismatch(cause error, received, expected string) *oauth.Error {
	e := failed(cause)
	e.Received, e.Expected = clip(received), clip(expected)
	return e
}

func clip(s string) string {
	const most = 256
	s = strings.ToValidUTF8(s, "?")
	return s[:min(len(s), most)]
}

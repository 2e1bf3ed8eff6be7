package authorize

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// Sessions keeps people signed in; *session.Keeper does.
type Sessions interface {
	// Current is the session of the browser; nil: nobody is signed in.
	Current(ctx context.Context, t *snapshot.Tenant, r *http.Request) (*session.Session, error)
	List(ctx context.Context, t *snapshot.Tenant, userUID string) ([]session.Session, error)
	Profile(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (session.Profile, bool, error)
	End(ctx context.Context, t *snapshot.Tenant, handle [sha256.Size]byte, reason string) error
	// EndAll ends every session of a user.
	EndAll(ctx context.Context, t *snapshot.Tenant, userUID, reason string) error
	// Forget is what makes the browser drop its session's cookie.
	Forget(t *snapshot.Tenant) *http.Cookie
}

// SignIns brings people to IdPs and back; *signin.Desk does.
type SignIns interface {
	Depart(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, ask signin.Ask, r *http.Request) (signin.Departure, error)
	ArriveOpenID(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, values url.Values, r *http.Request) (signin.Arrival, error)
	ArriveSAML(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, form url.Values, r *http.Request) (signin.Arrival, error)
	// Confirm starts the session of a sign-in that an IdP began, after the person's word.
	Confirm(ctx context.Context, t *snapshot.Tenant, handle string, r *http.Request) (signin.Arrival, error)
	HomeRealm(t *snapshot.Tenant, loginHint string) (*federation.IdentityProvider, bool)
	BackChannelLogout(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, logoutToken string) error
	// SingleLogout takes a logout message; the departure is our answer to it, if one is due.
	SingleLogout(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, m saml.Incoming, r *http.Request) (signin.Departure, error)
	// SignOut ends a session here; the departure ends it at its IdP, if that can be done.
	SignOut(ctx context.Context, t *snapshot.Tenant, s session.Session, back string) (signin.Departure, error)
	// Returned is where a browser goes on that comes back from a logout at an OpenID provider; false where it did not leave
	// so from here.
	Returned(ctx context.Context, t *snapshot.Tenant, state string, r *http.Request) (back string, gone []*http.Cookie, ok bool)
	SAMLMetadata(t *snapshot.Tenant, idp *federation.IdentityProvider) ([]byte, error)
}

// Grants decides what a client gets, and gives it; *grant.Grants does.
type Grants interface {
	Consider(ctx context.Context, c grant.Consideration) (grant.Considered, error)
	Code(ctx context.Context, o grant.CodeOrder) (secret.Text, error)
}

// Consents decides whether a person is asked; *consent.Rules does.
type Consents interface {
	Rule(ctx context.Context, q consent.Question) (consent.Ruling, error)
	Give(ctx context.Context, q consent.Question, e audit.Event) error
	Used(ctx context.Context, q consent.Question) error
	Of(ctx context.Context, t tenant.UID, userUID string) ([]consent.Consent, error)
	Withdraw(ctx context.Context, t tenant.UID, userUID, clientUID, resourceUID string, e audit.Event) error
}

// Clients authenticates who pushes.
type Clients interface {
	Authenticate(ctx context.Context, r client.Request) (client.Authentication, error)
}

// Journal records a request's facts, all or none of them.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Lane takes the refusals of callers who are not authenticated.
type Lane interface {
	Add(e audit.Event, source string)
}

// Budget bounds how often an address may have something put by; *limit.Limiter[netip.Prefix] does.
type Budget interface {
	Take(address netip.Prefix) (wait time.Duration, ok bool)
}

// Hints reads ID tokens of ours that clients send back.
type Hints interface {
	// Hint verifies an ID token by the keys of the tenant, however old it is, and tells for whom and for which client it was.
	Hint(ctx context.Context, t *snapshot.Tenant, token string) (subject, clientID string, err error)
}

// Ways are what a person can do here itself to prove more than his IdP can say, a passkey.
type Ways interface {
	// Offered names the way for a person of whom these levels are asked; ok is false if there is none.
	Offered(ctx context.Context, t *snapshot.Tenant, s session.Session, acrValues []string) (Way, bool, error)
}

// Way is one of Ways.
type Way struct {
	Name string // what the form sends
	Own  page.Own
	Path string // below the issuer: where it is gone; the path to come back to is added as the parameter then
}

// Config is what the desk needs; every part but Ways, Devices and Beside is required.
type Config struct {
	Clients  Clients         // at the PAR endpoint
	Registry client.Registry // of all clients
	Requests Requests
	Pushes   *authorization.Pushes
	Sessions Sessions
	SignIns  SignIns
	Grants   Grants
	Consents Consents
	Hints    Hints
	Budget   Budget
	Journal  Journal
	Lane     Lane
	Log      *slog.Logger
	Now      func() time.Time
	Ways     Ways    // nil: none but the IdP's
	Devices  Devices // nil: no device is served
	// Beside are routes of other rooms, mounted with the desk's own.
	Beside []Route
	// Connected: accounts at other services can be connected here, and the account page leads to them.
	Connected bool
	// Errands are what links that agents were given may lead to besides a stronger proof.
	Errands []Errand
}

// Errand is one of them: the handler shows and takes what is at the link of an id that begins with Prefix. It asks itself
// who is signed in.
type Errand struct {
	Prefix string
	Handle Handler
}

// Desk answers browsers.
type Desk struct {
	Config
	brands brands
}

// New refuses a configuration in which a part is missing.
func New(c Config) (*Desk, error) {
	if c.Clients == nil || c.Registry == nil || c.Requests == nil || c.Pushes == nil || c.Sessions == nil || c.SignIns == nil || c.Grants == nil ||
		c.Consents == nil || c.Hints == nil || c.Budget == nil || c.Journal == nil || c.Lane == nil || c.Log == nil || c.Now == nil {
		return nil, errors.New("authorize: a part is missing")
	}
	return &Desk{Config: c}, nil
}

// Routes are all that is served, below a tenant's issuer.
func (d *Desk) Routes() []Route {
	own := []Route{
		{Path: "/authorize", Get: d.shown(d.begin), Post: d.shown(d.begin), Abroad: true}, // RFC 6749 §3.1
		{Path: "/authorize/:id", Name: "id", Get: d.shown(d.proceed), Post: d.shown(d.decide)},
		{Path: "/authorize/:id/switch", Name: "id", Get: d.shown(d.choose)},
		{Path: "/par", Post: d.push, Abroad: true, Program: true},
	}
	all := slices.Concat(own, d.federationRoutes(), d.accountRoutes(), d.deviceRoutes(), d.Beside)
	for i, r := range all {
		if r.Post != nil && !r.Abroad && !r.Program {
			all[i].Post = d.unchained(r.Post)
		}
	}
	return all
}

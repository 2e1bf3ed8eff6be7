// Package grant decides what a token request gets: one straight-line flow per
// grant type, and one outer shell that authenticates, records and retries the
// same way for all of them. Nothing leaves before the ledger has it. The package
// knows no HTTP and no database; what it needs comes in as values and through
// the interfaces below.
package grant

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/policy"
)

// Request is a token request, decoded once.
type Request struct {
	Tenant        *snapshot.Tenant
	Trace         string
	Remote        string
	Form          oauth.Form
	Authorization []string // header values
	Proofs        []string // DPoP header values
	// Nonce judges the proof's nonce where one is asked for (dpop.Expectation); nil asks for none.
	Nonce func(nonce string) error

	spent *client.Spent
	paced *bool // the device's question was counted
}

// Response is a granted token.
type Response struct {
	AccessToken string
	TokenType   string
	ExpiresIn   time.Duration
	Scope       string
	Resource    string
	// RefreshToken and IDToken are empty where there is none.
	RefreshToken string
	IDToken      string
	// Vended tells that it is a provider's token, and no token of ours; nil otherwise.
	Vended *Vended
}

// String says nothing of the tokens.
func (r Response) String() string { return "a token for " + r.Resource }

// GoString is String, for %#v.
func (r Response) GoString() string { return r.String() }

// Clients authenticates callers.
type Clients interface {
	Authenticate(ctx context.Context, r client.Request) (client.Authentication, error)
	// ByRule finds the client to which the rule of a workload leads.
	ByRule(ctx context.Context, t tenant.UID, name string, spent *client.Spent) (client.Authentication, error)
}

// Directories gives the users of a tenant.
type Directories interface {
	Directory(t *snapshot.Tenant) federation.Directory
}

// Signers gives the key that a tenant signs with at this moment.
type Signers interface {
	Signer(ctx context.Context, t tenant.UID, algorithm string) (keys.Signer, error)
}

// Journal records a request's facts, all or none of them.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Uses tells what was used before, without using it up.
type Uses interface {
	// Redeemed tells whether somebody redeemed r. That nobody did holds for that moment only: Commit decides.
	Redeemed(ctx context.Context, r ledger.Redemption) (bool, error)
}

// Lane takes the refusals of callers who are not authenticated.
type Lane interface {
	Add(e audit.Event, source string)
}

// Pictures brings a tenant's picture up to date.
type Pictures interface {
	Refresh(ctx context.Context, t *snapshot.Tenant) (*snapshot.Tenant, error)
}

// Observer counts what was decided.
type Observer interface {
	Granted(grantType, issuer string, code oauth.Code)
	Decided(took time.Duration, code string)
	// Checked is told how each check of a request that was recorded ended.
	Checked(checks []audit.Check)
}

// Provisioner makes a user where a resolution asks for one, or finds the one that somebody made meanwhile.
type Provisioner interface {
	Provision(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, r federation.Resolution) (federation.Account, error)
}

// Records write a decision's input and result as they are stored; *decision.Masks do.
type Records interface {
	Record(t tenant.UID, set *policy.Set, in *policy.Input, d policy.Decision) (input, result []byte, err error)
}

// Shadow is told of decisions, to put them to drafts as well; *shadow.Watch is one. It never waits.
type Shadow interface {
	See(t *snapshot.Tenant, in *policy.Input, d policy.Decision, trace string)
}

// Config is what the grants need; every part up to Now is required.
type Config struct {
	Clients     Clients
	Assertions  *assertion.Verifier
	Directories Directories
	Policy      policy.Evaluator
	Records     Records
	Signers     Signers
	Journal     Journal
	Lane        Lane
	Pictures    Pictures
	Observer    Observer
	Now         func() time.Time
	// Uses is asked for a workload's token before the client to which it leads is charged for it; without, every use of a
	// token is charged to its client.
	Uses Uses
	// Captures is shown each assertion; nil shows it to nobody.
	Captures Captures
	// Interactions are what people do in a browser for agents that have none; nil offers none, and counts none.
	Interactions Interactions
	// Approvals is asked where policy wants other people to allow a request; nil refuses it.
	Approvals Approvals
	// Devices keeps requests of devices; nil serves no device grant.
	Devices Devices
	// Provisioner makes the users of people who come for the first time; nil makes nobody.
	Provisioner Provisioner
	// People serves the grants of people who sign in here; nil serves none of them.
	People *People
	// Shadow puts what was decided to drafts too; nil puts it to none.
	Shadow Shadow
	// Vending lends providers' credentials; nil lends none.
	Vending *Vending
	// Questions answers resources that ask what policy says; nil answers none.
	Questions *Questions
}

// Grants answers token requests.
type Grants struct{ Config }

// New refuses a configuration in which a part is missing.
func New(c Config) (*Grants, error) {
	if c.Clients == nil || c.Assertions == nil || c.Directories == nil || c.Policy == nil || c.Records == nil || c.Signers == nil ||
		c.Journal == nil || c.Lane == nil || c.Pictures == nil || c.Observer == nil || c.Now == nil {
		return nil, errors.New("grant: a part is missing")
	}
	if c.People != nil {
		if err := c.People.Validate(); err != nil {
			return nil, err
		}
	}
	if c.Vending != nil {
		if err := c.Vending.Validate(); err != nil {
			return nil, err
		}
	}
	if c.Questions != nil {
		if err := c.Questions.Validate(); err != nil {
			return nil, err
		}
	}
	return &Grants{Config: c}, nil
}

const (
	maxDecisions = 4 // how often a request is decided again because its tenant changed meanwhile
	retryAfter   = time.Second
)

// Token answers a token request. A request that was decided on an older picture of its tenant is decided again, from
// the client's authentication on, so that no token commits after a revocation has. It is one request all the same: the
// client's budget is spent once.
func (g *Grants) Token(ctx context.Context, r Request) (Response, error) {
	r.spent, r.paced = &client.Spent{}, new(bool)
	for range maxDecisions {
		response, err := g.answer(ctx, r)
		if errors.Is(err, ledger.ErrMoved) { // decided on a family of refresh tokens that has moved since
			continue
		}
		if !errors.Is(err, ledger.ErrStale) {
			return response, err
		}
		r.Tenant, err = g.Pictures.Refresh(ctx, r.Tenant)
		if err != nil {
			return Response{}, g.notDecided(r, err)
		}
	}
	return Response{}, g.notDecided(r, ledger.ErrStale)
}

// notDecided is the answer where there is no current picture to decide on: the tenant is gone, or cannot be read.
func (g *Grants) notDecided(r Request, err error) error {
	refusal := &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	if errors.Is(err, snapshot.ErrUnknownTenant) {
		refusal = oauth.Fail(oauth.CodeTenantUnknown, err)
	}
	g.Observer.Granted(r.Form.Get("grant_type"), "", refusal.Code)
	return refusal
}

// TurnAway records the refusal of a request that never became one: an unreadable form, a wrong content type.
func (g *Grants) TurnAway(r Request, err error) {
	_ = g.turnAway(newCall(r, g.Now()), oauth.AsError(err)) // who asked has his answer already
}

// flow is one grant: what it returns is recorded by the shell, refusals as well.
type flow struct {
	run func(ctx context.Context, c *call) (granted, error)
	// nameless lets callers in who name no client: what they hold may say who they are. Of nobody else is that asked.
	nameless bool
}

// granted is what a flow came to: the answer, and the facts that must be durable before it leaves.
type granted struct {
	response    Response
	token       *ledger.IssuedToken // nil: what was granted is a provider's
	redemptions []ledger.Redemption
	family      *ledger.Family   // begins with it
	rotation    *ledger.Rotation // of the family from which it comes
}

func (g *Grants) flowOf(grantType string) (flow, error) {
	switch grantType {
	case "":
		return flow{}, oauth.Refuse(oauth.CodeParameterMissing, "no grant_type", "grant_type")
	case oauth.GrantTypeJWTBearer:
		return flow{run: g.jwtBearer, nameless: true}, nil
	case oauth.GrantTypeJWTDPoP:
		return flow{run: g.jwtDPoP, nameless: true}, nil
	case oauth.GrantTypeSAML2Bearer:
		return flow{run: g.samlBearer}, nil
	case oauth.GrantTypeClientCredentials:
		return flow{run: g.clientCredentials}, nil
	case oauth.GrantTypeAuthorizationCode, oauth.GrantTypeRefreshToken, oauth.GrantTypeDeviceCode:
		return g.flowOfPeople(grantType)
	case oauth.GrantTypeTokenExchange:
		return g.flowOfExchange()
	default:
		return flow{}, oauth.Refuse(oauth.CodeGrantTypeUnsupported, grantType, strings.Join(oauth.GrantTypes(), " "))
	}
}

// answer is the outer shell of every grant.
func (g *Grants) answer(ctx context.Context, r Request) (Response, error) {
	c := newCall(r, g.Now())

	// 1. Which grant.
	f, err := g.flowOf(r.Form.Get("grant_type"))
	if err != nil {
		return Response{}, g.turnAway(c, oauth.AsError(err))
	}

	// 2. Who asks (before anything of the assertion is looked at).
	if err := g.authenticate(ctx, c); err != nil {
		return Response{}, err
	}
	if c.client() == nil && !f.nameless { // RFC 6749 §4.4.2
		return Response{}, g.turnAway(c, errNoClient())
	}
	c.introduce()

	// 3. Which key the caller holds, if it shows one (RFC 9449 §5).
	if err := c.verifyProof(ctx, "/token"); err != nil {
		return Response{}, g.recordRefusal(ctx, c, oauth.AsError(err))
	}

	// 4. The grant itself.
	result, err := f.run(ctx, c)
	if errors.Is(err, ledger.ErrStale) { // it was looked up on a newer picture than this one
		return Response{}, ledger.ErrStale
	}
	if err != nil {
		return Response{}, g.offer(c, g.recordRefusal(ctx, c, oauth.AsError(err)))
	}

	// 5. Durable before a byte of it leaves.
	response, err := g.recordGrant(ctx, c, result)
	return response, g.offer(c, err)
}

// authenticate finds out who asks; a refusal is recorded.
func (g *Grants) authenticate(ctx context.Context, c *call) error {
	within, step := trace.Begin(ctx, trace.StepClient)
	var err error
	c.authentication, err = g.Clients.Authenticate(within, client.Request{
		Tenant:        c.Tenant.UID,
		Issuer:        c.Tenant.Issuer,
		TokenEndpoint: c.Tenant.Issuer + "/token",
		Authorization: c.Authorization,
		ClientID:      c.Form.Get("client_id"),
		ClientSecret:  c.Form.Get("client_secret"),
		Assertion:     c.Form.Get("client_assertion"),
		AssertionType: c.Form.Get("client_assertion_type"),
		Spent:         c.spent,
	})
	step.End(codeOf(err))
	if err != nil {
		return g.turnAway(c, oauth.AsError(err))
	}
	return nil
}

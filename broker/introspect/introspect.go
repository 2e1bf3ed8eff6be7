package introspect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation"
)

// Request is a request to either endpoint, decoded once.
type Request struct {
	Tenant        *snapshot.Tenant
	Trace         string
	Remote        string
	Form          oauth.Form
	Authorization []string // header values

	spent *client.Spent
}

// Clients authenticates callers.
type Clients interface {
	Authenticate(ctx context.Context, r client.Request) (client.Authentication, error)
}

// Rings are the keys that a tenant's tokens verify with.
type Rings interface {
	Ring(ctx context.Context, t tenant.UID) (*keys.Ring, error)
}

// Directories gives the users of a tenant.
type Directories interface {
	Directory(t *snapshot.Tenant) federation.Directory
}

// Journal records a request's facts, all or none of them.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Lane takes the refusals of callers who are not authenticated.
type Lane interface {
	Add(e audit.Event, source string)
}

// Pictures brings a tenant's picture up to date.
type Pictures interface {
	Refresh(ctx context.Context, t *snapshot.Tenant) (*snapshot.Tenant, error)
}

// Config is what the endpoints need; every part but Profiles and Refresh is required.
type Config struct {
	Clients     Clients
	Registry    client.Registry
	Directories Directories
	Rings       Rings
	Records     Records
	Pictures    Pictures
	Journal     Journal
	Lane        Lane
	Now         func() time.Time
	// Profiles tells what IdPs said of people; nil: nothing is known of them but what is here.
	Profiles Profiles
	// Refresh is asked about refresh tokens; nil: there are none, and what looks like one is nothing.
	Refresh *Refresh
}

// Endpoints answer introspection and revocation.
type Endpoints struct {
	Config
	gather *Gatherer
	memory *token.Memory // of signatures
}

// New refuses a configuration in which a part is missing.
func New(c Config) (*Endpoints, error) {
	if c.Clients == nil || c.Registry == nil || c.Directories == nil || c.Rings == nil || c.Records == nil || c.Pictures == nil ||
		c.Journal == nil || c.Lane == nil || c.Now == nil {
		return nil, errors.New("introspect: a part is missing")
	}
	if err := c.Refresh.validate(); err != nil {
		return nil, err
	}
	return &Endpoints{Config: c, gather: NewGatherer(c.Records), memory: token.NewMemory()}, nil
}

const (
	maxReadings = 4 // how often a request is answered again because its tenant changed meanwhile
	retryAfter  = time.Second
)

// Inactive is the whole answer for whatever is not active (RFC 7662 §2.2).
const Inactive = `{"active":false}`

// Introspect answers RFC 7662 §2.2: the JSON object to send.
func (e *Endpoints) Introspect(ctx context.Context, r Request) ([]byte, error) {
	var body []byte
	err := e.current(ctx, r, func(r Request) (err error) {
		body, err = e.introspect(ctx, r)
		return err
	})
	return body, err
}

// current runs an answer until the picture that it was made on was the newest when it was asked for. It is one request:
// the client's budget is spent once.
func (e *Endpoints) current(ctx context.Context, r Request, answer func(Request) error) error {
	r.spent = &client.Spent{}
	for range maxReadings {
		err := answer(r)
		if !errors.Is(err, ledger.ErrStale) {
			return err
		}
		newer, err := e.Pictures.Refresh(ctx, r.Tenant)
		if errors.Is(err, snapshot.ErrUnknownTenant) {
			return oauth.Fail(oauth.CodeTenantUnknown, err)
		}
		if err != nil {
			return unavailable(err)
		}
		r.Tenant = newer
	}
	return unavailable(ledger.ErrStale)
}

func unavailable(err error) error {
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
}

func (e *Endpoints) introspect(ctx context.Context, r Request) ([]byte, error) {
	c := &call{Request: r, now: e.Now()}
	// 1. Who asks: RFC 7662 §2.1. A public client proves nothing, so it learns nothing.
	if err := e.authenticate(ctx, c); err != nil {
		return nil, err
	}
	if !c.authentication.Proved() {
		return nil, e.turnAway(c, oauth.Refuse(oauth.CodeClientAuthenticationRequired, "a client that proved nothing", "client authentication"))
	}
	// 2. About which token of ours, as the database knows it at this moment.
	if e.isRefresh(c) {
		body, err := e.introspectRefresh(ctx, c)
		if err != nil {
			return nil, err
		}
		return body, e.spend(ctx, c, "introspect")
	}
	if err := e.find(ctx, c, 0); err != nil {
		return nil, err
	}
	body := []byte(Inactive)
	active, err := e.active(ctx, c)
	if err != nil {
		return nil, err
	}
	if active {
		if body, err = c.describe(); err != nil {
			return nil, err
		}
	}
	// 3. What proved the caller is used up, whatever the answer.
	return body, e.spend(ctx, c, "introspect")
}

// active tells whether the token counts at this moment, for this caller. Each
// line takes away; what cannot be known is an error, not a no.
func (e *Endpoints) active(ctx context.Context, c *call) (bool, error) {
	if !c.found {
		return false, nil
	}
	claims, known := c.token.Claims(), c.known
	// RFC 7662 §4: only for whom it is. server.client is the permission; absent, nobody has it.
	resource, ok := c.Tenant.ResourceByURI(claims.Audience)
	if !ok || resource.Disabled || resource.URI != claims.Audience || resource.UID != known.ResourceUID ||
		resource.ServerClient == "" || resource.ServerClient != c.client().Name {
		return false, nil
	}
	return e.counts(ctx, c)
}

// counts tells whether what was found is what it was when it was issued: not revoked, and of a client, an IdP and a subject
// that are still there and active.
func (e *Endpoints) counts(ctx context.Context, c *call) (bool, error) {
	claims, known := c.token.Claims(), c.known
	if known.Revoked {
		return false, nil
	}
	// The client that has the name today is the one to which it was issued.
	holder, err := e.Registry.Lookup(ctx, c.Tenant.UID, claims.ClientID)
	switch {
	case errors.Is(err, client.ErrUnknown):
		return false, nil
	case err != nil:
		return false, unavailable(err)
	case holder.UID != known.ClientUID || holder.Disabled || !holder.ExpiresAt.IsZero() && !c.now.Before(holder.ExpiresAt):
		return false, nil
	}
	if known.IdPUID != "" {
		idp, ok := c.Tenant.IdentityProvider(known.IdPUID)
		if !ok || idp.Disabled {
			return false, nil
		}
	}
	return e.subjectIsActive(ctx, c, holder)
}

// subjectIsActive: the subject is a user of ours, or the client for itself. What reads like a
// user's uid is one, whatever a client is called.
func (e *Endpoints) subjectIsActive(ctx context.Context, c *call, holder *client.Client) (bool, error) {
	subject := c.known.Subject
	if !strings.HasPrefix(subject, string(id.User)+"_") {
		return subject == holder.UID || subject == holder.ClientID, nil
	}
	accounts, err := e.Directories.Directory(c.Tenant).ByID(ctx, subject)
	if err != nil {
		return false, unavailable(err)
	}
	return len(accounts) == 1 && accounts[0].UID == subject && accounts[0].Status == federation.StatusActive, nil
}

// describe is what the token says, as it was signed, with what RFC 7662 §2.2 adds.
func (c *call) describe() ([]byte, error) {
	claims, err := c.token.Payload()
	if err != nil {
		return nil, err
	}
	if claims[0] != '{' {
		return nil, errors.New("the claims are no object")
	}
	kind := oauth.TokenTypeBearer
	if c.token.Claims().Thumbprint != "" {
		kind = oauth.TokenTypeDPoP
	}
	return slices.Concat([]byte(`{"active":true,"token_type":"`+kind+`",`), claims[1:]), nil
}

package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
	"github.com/chancery-dev/chancery/vault"
)

// Sessions keeps people signed in; *session.Keeper does.
type Sessions interface {
	Current(ctx context.Context, t *snapshot.Tenant, r *http.Request) (*session.Session, error)
	Alive(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*session.Session, error)
	Sign(ctx context.Context, t *snapshot.Tenant, s session.Sign) (session.Session, *http.Cookie, error)
	End(ctx context.Context, t *snapshot.Tenant, handle [32]byte, reason string) error
	Forget(t *snapshot.Tenant) *http.Cookie
}

// Endings ends the sessions that an IdP says are over.
type Endings interface {
	End(ctx context.Context, e session.Ending) (known bool, err error)
}

// Provisioner makes the user of somebody who comes for the first time.
type Provisioner interface {
	Provision(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, r federation.Resolution) (federation.Account, error)
}

// Linker adds an identity to a user; *provision.Provisioner does.
type Linker interface {
	Link(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, userUID string, ids federation.Identifiers) error
}

// Journal records facts, all or none of them.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Lane takes the refusals of those of whom nothing is known.
type Lane interface {
	Add(e audit.Event, source string)
}

// Config is what a Desk needs. Every member but Captures is required.
type Config struct {
	// Captures shows arrivals to an administrator who waits for one; nil shows none.
	Captures    Captures
	OpenID      *oidc.RelyingParty
	SAML        *saml.Verifier
	Sessions    Sessions
	Endings     Endings
	Departures  Departures
	Directories session.Directories
	Provisioner Provisioner
	Linker      Linker
	Journal     Journal
	Lane        Lane
	Sealer      vault.Sealer
	Now         func() time.Time
	Log         *slog.Logger
}

// Desk signs people in and out.
type Desk struct {
	Config
	replays replays
}

// New refuses a configuration in which a part is missing.
func New(c Config) (*Desk, error) {
	if c.OpenID == nil || c.SAML == nil || c.Sessions == nil || c.Endings == nil || c.Departures == nil || c.Directories == nil || c.Provisioner == nil ||
		c.Linker == nil || c.Journal == nil || c.Lane == nil || c.Sealer == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("signin: a part is missing")
	}
	return &Desk{Config: c}, nil
}

// retryAfter is when to come again where something was out of reach.
const retryAfter = time.Second

// attempt is one request of somebody who signs in or out, for what is recorded of it.
type attempt struct {
	desk     *Desk
	tenant   *snapshot.Tenant
	idp      *federation.IdentityProvider
	now      time.Time
	caller   session.Caller
	refused  audit.Type
	checks   []audit.Check
	user     string // once it is known
	verified bool   // an IdP that is trusted said it
	left     bool   // from here, in this browser
	said     map[string]any
	told     bool // it is recorded already
}

func (d *Desk) attempt(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, refused audit.Type) *attempt {
	now := d.Now()
	return &attempt{desk: d, tenant: t, idp: idp, now: now, caller: session.CallerOf(ctx, now), refused: refused}
}

// within passes on who calls, with the trace that is recorded.
func (a *attempt) within(ctx context.Context) context.Context {
	return session.WithCaller(ctx, a.caller)
}

func (a *attempt) event(kind audit.Type, outcome audit.Outcome) audit.Event {
	e := audit.Event{
		ID: id.New(id.Event, a.now), At: a.now, Tenant: a.tenant.UID, Trace: a.caller.Trace, Remote: a.caller.Remote, Type: kind, Outcome: outcome,
		Principal: audit.Principal{Kind: "anonymous"}, IdP: a.idp.Name, OnBehalf: a.user, Checks: a.checks,
	}
	if a.user != "" {
		e.Principal = audit.Principal{Kind: "user", ID: a.user}
	}
	return e
}

// refuse records why it failed, check by check, and gives the error a code. Of what nobody verified the bounded lane is
// told: strangers must not fill the log.
func (a *attempt) refuse(ctx context.Context, err error) error {
	refusal := a.coded(err)
	event := a.event(a.refused, audit.Refused)
	event.Code, event.Detail = string(refusal.Code), detail(refusal)
	if a.told {
		return refusal
	}
	if !a.verified {
		a.desk.Lane.Add(event, a.caller.Remote)
		return refusal
	}
	if err := a.desk.Journal.Commit(ctx, ledger.Entry{Tenant: a.tenant.UID, Event: event}); err != nil {
		a.desk.Log.Warn("a refused sign-in was not recorded", "trace_id", a.caller.Trace, "code", refusal.Code, "error", err)
	}
	return refusal
}

// lost is what is recorded of an arrival whose words were used before.
func (a *attempt) lost(r ledger.Redemption) audit.Event {
	a.told = true // by the ledger, in the place of what was to be recorded
	e := a.event(a.refused, audit.Refused)
	e.Code = r.Code
	e.Checks = append(slices.Clone(e.Checks), audit.Check{Name: "once", Received: "used before", Expected: "used once"})
	return e
}

// coded gives an error its code. What is unknown is internal, and says nothing outside.
func (a *attempt) coded(err error) *oauth.Error {
	if refusal, ok := errors.AsType[*federation.Refusal](err); ok {
		a.checks = append(a.checks, checksOf(refusal.Checks)...)
		e := &oauth.Error{Code: oauth.Code(refusal.Code), Received: refusal.Received, Expected: refusal.Expected, Cause: refusal.Cause}
		if refusal.Code == federation.CodeKeysUnavailable || refusal.Code == federation.CodeIdPUnavailable {
			e.RetryAfter = retryAfter
		}
		return e
	}
	if refusal, ok := errors.AsType[*oauth.Error](err); ok {
		if refusal.Received != "" || refusal.Expected != "" {
			a.checks = append(a.checks, audit.Check{Name: string(refusal.Code), Received: refusal.Received, Expected: refusal.Expected})
		}
		return refusal
	}
	if conflict, ok := errors.AsType[*ledger.Conflict](err); ok {
		a.desk.replays.note(conflict.Lost, a.now)
		a.checks = append(a.checks, audit.Check{Name: "once", Received: "used before", Expected: "used once"})
		return oauth.Refuse(oauth.Code(conflict.Lost.Code), "used before", "something fresh")
	}
	switch {
	case errors.Is(err, ErrCrowded):
		return &oauth.Error{Code: oauth.CodeOverloaded, Cause: err, RetryAfter: retryAfter}
	case errors.Is(err, session.ErrMarked):
		return oauth.Refuse(oauth.CodeSubjectDisabled, "revoked while signing in", "an active user")
	case errors.Is(err, ledger.ErrUnavailable):
		return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	case errors.Is(err, session.ErrUnavailable):
		return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	return oauth.AsError(err)
}

func detail(refusal *oauth.Error) map[string]string {
	d := map[string]string{}
	for name, text := range map[string]string{"received": refusal.Received, "expected": refusal.Expected} {
		if text != "" {
			d[name] = text
		}
	}
	if refusal.Cause != nil {
		d["cause"] = refusal.Cause.Error()
	}
	if len(d) == 0 {
		return nil
	}
	return d
}

// notOffered: nobody signs in at this IdP.
func notOffered(received string) error {
	return oauth.Refuse(oauth.CodeSignInNotOffered, received, "an enabled entry with oidc or saml")
}

// openID is the entry of an IdP at which people sign in now.
func openID(t *snapshot.Tenant, idp *federation.IdentityProvider) (*oidc.Entry, error) {
	entry, ok := t.SignIn.OpenID[idp.UID]
	if !ok || entry == nil || entry.Provider == nil {
		return nil, notOffered("an IdP without oidc")
	}
	if idp.Disabled || entry.Provider.Disabled {
		return nil, notOffered("a disabled IdP")
	}
	return entry, nil
}

// samlProvider is openID for SAML.
func samlProvider(t *snapshot.Tenant, idp *federation.IdentityProvider) (*saml.Provider, error) {
	p, ok := t.SignIn.SAMLProvider(idp.UID)
	if !ok {
		return nil, notOffered("an IdP without saml, or whose metadata is not known")
	}
	if idp.Disabled || p.IdP.Disabled {
		return nil, notOffered("a disabled IdP")
	}
	return p, nil
}

func hintAt(t tenant.UID, userUID, idpUID string) vault.AAD {
	return vault.AAD{Tenant: t.String(), Table: "sessions", UID: userUID + "/" + idpUID, Column: "hint"}
}

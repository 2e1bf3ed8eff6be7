package downstream

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Behalf is for whom something is lent, as a verified token says.
type Behalf struct {
	Owner    connection.Owner
	Subject  string // of the token: our user id, or the client's for itself
	Email    string // of the person; empty: none, or none known
	ClientID string // to which the token was issued
}

// Want is what somebody is to be lent. Policy has been asked.
type Want struct {
	Behalf
	// Connection is the owner's, as Find gave it; nil with a provider at which nobody connects.
	Connection *connection.Stored
	Scopes     []string // the provider's
	MinTTL     time.Duration
}

// Finder lists what an owner connected, sealed as it rests; broker/store does.
type Finder interface {
	Held(ctx context.Context, tenant string, owner connection.Owner, provider string) ([]connection.Stored, error)
}

// Keeper hands out credentials that live long enough; *connection.Keeper does.
type Keeper interface {
	Fresh(ctx context.Context, ref connection.Ref, want connection.Want) (connection.Live, error)
	Used(ctx context.Context, c connection.Connection, by string) error
}

// Source gives the engine of a tenant's provider.
type Source interface {
	Engine(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider) (*provider.Provider, error)
}

// Signers give the key that a tenant signs with at this moment.
type Signers interface {
	Signer(ctx context.Context, t tenant.UID, algorithm string) (keys.Signer, error)
}

// Lender lends what providers give: out of what somebody connected, or obtained for the moment where nobody connects.
// Every part is required.
type Lender struct {
	Finder    Finder
	Keeper    Keeper
	Source    Source
	Signers   Signers
	Algorithm string // of what is signed for a company's own authorization server
	Log       *slog.Logger
	Now       func() time.Time

	obtained *shelf
}

// NewLender refuses one in which a part is missing.
func NewLender(l Lender) (*Lender, error) {
	if l.Finder == nil || l.Keeper == nil || l.Source == nil || l.Signers == nil || l.Algorithm == "" || l.Log == nil || l.Now == nil {
		return nil, errors.New("downstream: a part is missing")
	}
	l.obtained = newShelf()
	return &l, nil
}

// Find lists what the owner connected at the provider, sealed: nothing is opened before policy was asked. What Lend opens
// then is what was read here, so that a lease asks the database once.
func (l *Lender) Find(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, owner connection.Owner) ([]connection.Stored, error) {
	return l.Finder.Held(ctx, t.UID.String(), owner, p.UID)
}

// Lend gives a token with which what is wanted can be done and, where the provider can, nothing more. It may refresh what
// is connected, and that is saved before it returns, whatever becomes of the lease. It answers a *connection.Refusal, a
// *provider.MissingScopesError, vault.ErrUnopened, an *Outage, or what the store says.
func (l *Lender) Lend(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, w Want) (lease provider.Lease, narrowed bool, err error) {
	engine, err := l.Source.Engine(ctx, t, p)
	if err != nil {
		return provider.Lease{}, false, &connection.Refusal{Code: connection.CodeMisconfigured, Reason: "the provider is not configured so that it can be asked", Cause: err}
	}
	if p.OfPeople() {
		lease, narrowed, err = l.lendConnected(ctx, t, p, engine, w)
	} else {
		lease, narrowed, err = l.lendOwn(ctx, t, p, engine, w)
	}
	if err != nil {
		return provider.Lease{}, false, refusalOf(err, p.OfPeople())
	}
	// What was narrowed is a token of its own, whose life nobody has looked at.
	if !lease.ExpiresAt.IsZero() && lease.ExpiresAt.Sub(l.Now()) < w.MinTTL {
		return provider.Lease{}, false, &connection.Refusal{Code: connection.CodeTooShort, Reason: "what the provider gave ends too soon"}
	}
	return lease, narrowed, nil
}

// lendConnected opens what is connected. The place in its seal is made of the asker's parts, not of the row's (T44, T68).
func (l *Lender) lendConnected(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, engine *provider.Provider, w Want) (provider.Lease, bool, error) {
	if w.Connection == nil {
		return provider.Lease{}, false, &connection.Refusal{Code: connection.CodeNotConnected, Cause: connection.ErrGone}
	}
	ref := connection.Ref{Tenant: t.UID.String(), ID: w.Connection.ID, Owner: w.Owner, Provider: p.UID}
	live, err := l.Keeper.Fresh(ctx, ref, connection.Want{MinTTL: w.MinTTL, Row: w.Connection})
	if err != nil {
		return provider.Lease{}, false, err
	}
	if p.Manifest.Kind == provider.Static { // it has no scopes that could be less
		return engine.Lend(live.Credential), false, nil
	}
	return engine.Narrow(ctx, live.Credential, provider.Wanted{Scopes: w.Scopes})
}

// Used notes who was lent what. That it is not noted takes nothing back.
func (l *Lender) Used(ctx context.Context, c connection.Connection, by string) {
	if err := l.Keeper.Used(ctx, c, by); err != nil {
		l.Log.WarnContext(ctx, "the use of a connection was not noted", slog.String("connection", c.ID), slog.String("error", err.Error()))
	}
}

func installed(p *snapshot.Provider) bool { return p.Object != nil && p.Object.InstallationID != "" }

// Covers lists what a connection does not have of the provider's scopes.
func Covers(p *snapshot.Provider, has, wanted []string) (missing []string) {
	for _, scope := range wanted {
		if !slices.Contains(has, scope) && !p.Manifest.BoundsItself(scope) {
			missing = append(missing, scope)
		}
	}
	return missing
}

// Narrows tells whether the provider can give less than was connected.
func Narrows(p *snapshot.Provider) bool {
	return p.Manifest.Kind != provider.Static && (p.Manifest.Downscope != nil || !p.OfPeople())
}

// Outage is that what seals credentials cannot be asked. Nothing was opened.
type Outage struct {
	RetryAfter time.Duration
	Cause      error
}

// Error implements error.
func (o *Outage) Error() string { return "credentials cannot be opened now: " + o.Cause.Error() }

// Unwrap gives the cause.
func (o *Outage) Unwrap() error { return o.Cause }

// resting is an error that says when to come again, as those of vault/transit do.
type resting interface {
	error
	RetryAfter() time.Duration
}

// refusalOf gives every failure of a provider one of the keeper's codes.
func refusalOf(err error, connects bool) error {
	if outage, ok := errors.AsType[resting](err); ok {
		return &Outage{RetryAfter: outage.RetryAfter(), Cause: err}
	}
	if errors.Is(err, vault.ErrUnopened) {
		return err
	}
	failed, ok := errors.AsType[*provider.Error](err)
	if !ok {
		if errors.Is(err, provider.ErrUnsupported) {
			return &connection.Refusal{Code: connection.CodeMisconfigured, Reason: "the provider does not do what its kind needs", Cause: err}
		}
		return err
	}
	if refusal, judged := errors.AsType[*connection.Refusal](err); judged { // the keeper has seen it already
		return refusal
	}
	refusal := &connection.Refusal{Reason: failed.Reason, RetryAfter: failed.RetryAfter, Cause: failed}
	if failed.Code != "" {
		refusal.Reason = failed.Code
	}
	switch failed.Outcome {
	case provider.Terminal:
		refusal.Code = connection.CodeReauthorization
		if !connects { // there is nobody who could connect again
			refusal.Code = connection.CodeMisconfigured
		}
	case provider.RateLimited:
		refusal.Code = connection.CodeRateLimited
	case provider.Misconfigured:
		refusal.Code = connection.CodeMisconfigured
	case provider.ScopeRefused:
		return &ScopesRefusedError{Cause: failed}
	case provider.Transient, provider.Unknown:
		refusal.Code = connection.CodeUnavailable
	default:
		refusal.Code = connection.CodeUnavailable
	}
	return refusal
}

// ScopesRefusedError says that the provider does not give what is wanted, whatever was connected.
type ScopesRefusedError struct{ Cause error }

// Error implements error.
func (e *ScopesRefusedError) Error() string {
	return "the provider refuses the scopes: " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *ScopesRefusedError) Unwrap() error { return e.Cause }

package downstream

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Rows are connections as administrators and endings change them; broker/store has them.
type Rows interface {
	Load(ctx context.Context, tenant, id string) (connection.Stored, error)
	Find(ctx context.Context, tenant string, owner connection.Owner, provider string) ([]connection.Connection, error)
	Create(ctx context.Context, s connection.Stored, e audit.Event) error
	Replace(ctx context.Context, ref connection.Ref, from int64, label string, s connection.Successor, e audit.Event) error
	Move(ctx context.Context, t tenant.UID, id string, from, to connection.Status, reason string, e audit.Event) error
	MoveAll(ctx context.Context, t tenant.UID, all []connection.Connection, to connection.Status, reason string, events []audit.Event) error
	HeldBy(ctx context.Context, t tenant.UID, owner connection.Owner, limit int) ([]connection.Connection, error)
	CountHeldBy(ctx context.Context, t tenant.UID, owner connection.Owner) (int64, error)
	Unheld(ctx context.Context, t tenant.UID, after string, window int) (unheld []connection.Connection, next string, err error)
	RevokedNext(ctx context.Context, t tenant.UID, limit int) ([]connection.Connection, error)
	TakeRevoked(ctx context.Context, one connection.Connection, rest time.Duration) error
	EndRevoked(ctx context.Context, t tenant.UID, one connection.Connection, e audit.Event) error
}

// Past finds a Provider object, deleted or not.
type Past interface {
	EverByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error)
}

// Maker gives the engine of a provider; *Engines is one.
type Maker interface {
	Engine(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider) (*provider.Provider, error)
}

// Custodian is what administrators do with connections, and what ends them: here at once, at the provider as soon as it
// answers. A row that ended here stays, sealed, until its provider was told; so nothing is forgotten over a restart.
// Every part but Rest is required.
type Custodian struct {
	Rows     Rows
	Past     Past
	Pictures Pictures
	Engines  Maker
	Keeper   Keeper
	Sealer   vault.Sealer
	Journal  Journal
	Alert    func(context.Context, connection.Alert)
	// Nudge is told that something ended, so that its provider is told soon.
	Nudge func(tenant.UID)
	Now   func() time.Time
	Log   *slog.Logger
	// Rest waits between the steps of what has time; nil: by a timer.
	Rest func(ctx context.Context, d time.Duration) error
}

// NewCustodian refuses one in which a part but Rest is missing.
func NewCustodian(c Custodian) (*Custodian, error) {
	if c.Rows == nil || c.Past == nil || c.Pictures == nil || c.Engines == nil || c.Keeper == nil || c.Sealer == nil || c.Journal == nil || c.Alert == nil || c.Nudge == nil ||
		c.Now == nil || c.Log == nil {
		return nil, errors.New("downstream: a part of the custodian is missing")
	}
	if c.Rest == nil {
		c.Rest = rest
	}
	return &c, nil
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// By says who acts, and why.
type By struct {
	Principal audit.Principal
	Trace     string
	Reason    string
	Remote    string // of a person's browser
}

// ErrState says that a connection is not as an action needs it.
var ErrState = errors.New("the connection is not in a state for it")

// Suspend holds a connection: nobody is lent it until it is resumed. Its owner cannot undo it.
func (c *Custodian) Suspend(ctx context.Context, t tenant.UID, id string, by By) (connection.Connection, error) {
	return c.move(ctx, t, id, by, audit.TypeConnectionSuspended, connection.Suspended, connection.Connected, connection.ReauthorizationRequired)
}

// Resume lets a suspended connection be lent again. Whether its credential is still good is seen at the next use; one whose
// successor was lost waits for its owner, as before.
func (c *Custodian) Resume(ctx context.Context, t tenant.UID, id string, by By) (connection.Connection, error) {
	return c.move(ctx, t, id, by, audit.TypeConnectionResumed, connection.Connected, connection.Suspended)
}

// Revoke ends a connection: nobody is lent it from now on, and its provider is told.
func (c *Custodian) Revoke(ctx context.Context, t tenant.UID, id string, by By) (connection.Connection, error) {
	done, err := c.revoke(ctx, t, id, by)
	if err == nil {
		c.Nudge(t)
	}
	return done, err
}

func (c *Custodian) revoke(ctx context.Context, t tenant.UID, id string, by By) (connection.Connection, error) {
	return c.move(ctx, t, id, by, audit.TypeConnectionRevoked, connection.Revoked, connection.Connected, connection.ReauthorizationRequired, connection.Suspended)
}

// actionTries bounds how often an action begins again because the connection changed meanwhile.
const actionTries = 3

func (c *Custodian) move(ctx context.Context, t tenant.UID, id string, by By, kind audit.Type, wanted connection.Status, from ...connection.Status) (connection.Connection, error) {
	var err error
	for range actionTries {
		var s connection.Stored
		if s, err = c.Rows.Load(ctx, t.String(), id); err != nil {
			return connection.Connection{}, err
		}
		if !slices.Contains(from, s.Status) {
			if s.Status == connection.Revoked { // it is as good as gone
				return connection.Connection{}, connection.ErrGone
			}
			return s.Connection, ErrState
		}
		var e audit.Event
		if e, err = c.event(ctx, t, s.Connection, kind, by); err != nil {
			return connection.Connection{}, err
		}
		to, reason := wanted, by.Reason
		if to == connection.Connected {
			reason = ""
			if s.Flight.State == connection.Lost { // what rests may be used up: only its owner mends that
				to, reason = connection.ReauthorizationRequired, string(connection.AlertLost)
			}
		}
		if err = c.Rows.Move(ctx, t, id, s.Status, to, reason, e); err == nil {
			s.Status, s.Reason = to, reason
			return s.Connection, nil
		}
		if !errors.Is(err, connection.ErrMoved) {
			break
		}
	}
	return connection.Connection{}, err
}

func (c *Custodian) event(ctx context.Context, t tenant.UID, one connection.Connection, kind audit.Type, by By) (audit.Event, error) {
	e, err := EventOf(one, kind, c.Now())
	if err != nil {
		return audit.Event{}, err
	}
	e.Principal, e.Trace, e.Remote = by.Principal, by.Trace, by.Remote
	if by.Reason != "" {
		e.Detail["reason"] = by.Reason
	}
	if p, err := c.provider(ctx, t, one.Provider); err == nil {
		e.Detail["provider"] = p.Name
	}
	return e, nil
}

// provider is one as it is, or as it was when it was deleted.
func (c *Custodian) provider(ctx context.Context, t tenant.UID, uid string) (*snapshot.Provider, error) {
	if picture, err := c.Pictures.Of(ctx, t); err == nil {
		if p, ok := picture.ProviderByUID(uid); ok {
			return p, nil
		}
	}
	stored, err := c.Past.EverByUID(ctx, t, object.KindProvider, uid)
	if err != nil {
		return nil, err
	}
	return snapshot.ProviderOf(stored)
}

// Tested is what a test of a connection came to.
type Tested struct {
	Works   bool
	Account provider.Account // whose it is, where the provider says it
	// Code is why it does not work: the keeper's, or the provider's outcome.
	Code   string
	Detail string
}

// codeAnotherAccount: what a refresh brought is of an account that nobody confirmed.
const codeAnotherAccount = "another_account"

// Test asks the provider whose credential it is; it is refreshed before, if it must be. A provider that cannot be asked
// that way is asked for nothing: the credential is opened and lives.
func (c *Custodian) Test(ctx context.Context, t tenant.UID, id string, by By) (Tested, error) {
	s, err := c.Rows.Load(ctx, t.String(), id)
	if err != nil {
		return Tested{}, err
	}
	if s.Status == connection.Revoked {
		return Tested{}, connection.ErrGone
	}
	e, err := c.event(ctx, t, s.Connection, audit.TypeConnectionTested, by)
	if err != nil {
		return Tested{}, err
	}
	if err := c.Journal.Commit(ctx, ledger.Entry{Tenant: t, Event: e}); err != nil { // nobody uses a credential unseen
		return Tested{}, err
	}
	return c.test(ctx, t, s)
}

func (c *Custodian) test(ctx context.Context, t tenant.UID, s connection.Stored) (Tested, error) {
	picture, err := c.Pictures.Of(ctx, t)
	if err != nil {
		return Tested{}, err
	}
	p, err := c.provider(ctx, t, s.Provider)
	if err != nil {
		return Tested{}, err
	}
	engine, err := c.Engines.Engine(ctx, picture, p)
	if err != nil {
		return Tested{Code: string(connection.CodeMisconfigured), Detail: err.Error()}, nil //nolint:nilerr // it is what the test found
	}
	live, err := c.Keeper.Fresh(ctx, s.Ref, connection.Want{})
	if refusal, ok := errors.AsType[*connection.Refusal](err); ok {
		return Tested{Code: string(refusal.Code), Detail: refusal.Reason}, nil
	}
	if err != nil {
		return Tested{}, err
	}
	account, err := engine.Probe(ctx, live.Credential)
	switch failed, ok := errors.AsType[*provider.Error](err); {
	case err == nil && s.Account.ID != "" && s.Account.ID != account.ID && s.Account.ID != account.Label: // another one was confirmed, or imported
		return Tested{Code: codeAnotherAccount, Detail: "the provider says that the credential is of another account than was connected"}, nil
	case err == nil, errors.Is(err, provider.ErrUnsupported):
		return Tested{Works: true, Account: account}, nil
	case ok:
		return Tested{Code: string(failed.Outcome), Detail: failed.Reason}, nil
	default:
		return Tested{Code: string(connection.CodeUnavailable), Detail: "the provider did not say whose it is"}, nil
	}
}

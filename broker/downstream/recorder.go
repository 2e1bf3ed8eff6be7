package downstream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// Journal appends events to the audit log.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Counted is told how refreshes ended, and what somebody must hear of. The provider is its name.
type Counted interface {
	Refreshed(provider, outcome string)
	Alerted(kind string)
}

// recordFor bounds the writing of one event: what it tells of has happened, and whoever waits for a credential waits for it.
const recordFor = 3 * time.Second

// Recorder is a store of connections that tells the audit log, and whoever counts, how refreshes ended; and it tells them
// what the keeper alerts of. A refresh is saved before it is told: a process that dies in between leaves a row that says
// what became of it, and no event.
type Recorder struct {
	connection.Store
	Pictures Pictures
	Journal  Journal
	Counted  Counted
	Log      *slog.Logger
	Now      func() time.Time
}

// NewRecorder refuses one in which a part is missing.
func NewRecorder(r Recorder) (*Recorder, error) {
	if r.Store == nil || r.Pictures == nil || r.Journal == nil || r.Counted == nil || r.Log == nil || r.Now == nil {
		return nil, errors.New("downstream: a part of the recorder is missing")
	}
	return &r, nil
}

// outcomeSaved is what a refresh that succeeded is counted as; the others are the keeper's words.
const outcomeSaved = "saved"

// Save implements connection.Store.
func (r *Recorder) Save(ctx context.Context, a connection.Attempt, s connection.Successor) error {
	if err := r.Store.Save(ctx, a, s); err != nil {
		return err
	}
	c, name := r.about(ctx, a)
	r.Counted.Refreshed(name, outcomeSaved)
	r.tell(ctx, c, audit.TypeConnectionRefreshed, audit.Changed, map[string]string{"provider": name, "attempt": a.Name})
	return nil
}

// Fail implements connection.Store.
func (r *Recorder) Fail(ctx context.Context, a connection.Attempt, f connection.Failure) error {
	if err := r.Store.Fail(ctx, a, f); err != nil {
		return err
	}
	c, name := r.about(ctx, a)
	r.Counted.Refreshed(name, f.Code)
	if f.Terminal {
		r.tell(ctx, c, audit.TypeConnectionReauth, audit.Changed, map[string]string{"provider": name, "attempt": a.Name, "reason": f.Code})
	}
	return nil
}

// about finds what an attempt was made on. What cannot be read is told by its id alone.
func (r *Recorder) about(ctx context.Context, a connection.Attempt) (connection.Connection, string) {
	c := connection.Connection{Ref: connection.Ref{Tenant: a.Tenant, ID: a.ID}}
	if s, err := r.Load(ctx, a.Tenant, a.ID); err == nil {
		c = s.Connection
	}
	return c, r.provider(ctx, c.Ref)
}

// provider is the name of a connection's provider, "" where it is gone.
func (r *Recorder) provider(ctx context.Context, ref connection.Ref) string {
	uid, err := tenant.ParseUID(ref.Tenant)
	if err != nil {
		return ""
	}
	t, err := r.Pictures.Of(ctx, uid)
	if err != nil {
		return ""
	}
	if p, ok := t.ProviderByUID(ref.Provider); ok {
		return p.Name
	}
	return ""
}

// Alert is for the keeper. Nothing of it is a secret.
func (r *Recorder) Alert(ctx context.Context, a connection.Alert) {
	name := r.provider(ctx, a.Ref)
	r.Counted.Alerted(string(a.Kind))
	level := slog.LevelError
	if a.Kind == connection.AlertRepaired || a.Kind == connection.AlertDead {
		level = slog.LevelWarn
	}
	r.Log.Log(ctx, level, "a stored credential needs somebody's attention", "alert", string(a.Kind), "connection", a.Ref.ID, "provider", name,
		"version", a.Version, "attempt", a.Attempt, "detail", a.Detail)
	detail := map[string]string{"provider": name, "alert": string(a.Kind), "detail": a.Detail}
	if a.Attempt != "" {
		detail["attempt"] = a.Attempt
	}
	r.tell(ctx, connection.Connection{Ref: a.Ref}, audit.TypeConnectionAlert, audit.Changed, detail)
}

func (r *Recorder) tell(ctx context.Context, c connection.Connection, kind audit.Type, outcome audit.Outcome, detail map[string]string) {
	e, err := EventOf(c, kind, r.Now())
	if err != nil {
		r.Log.ErrorContext(ctx, "an event of a connection was not recorded", "type", string(kind), "connection", c.ID, "error", err)
		return
	}
	e.Outcome, e.Principal = outcome, audit.Principal{Kind: "system", Name: "chancery"}
	for name, value := range detail {
		if value != "" {
			e.Detail[name] = value
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordFor)
	defer cancel()
	if err := r.Journal.Commit(ctx, ledger.Entry{Tenant: e.Tenant, Event: e}); err != nil {
		r.Log.ErrorContext(ctx, "an event of a connection was not recorded", "type", string(kind), "connection", c.ID, "error", err)
	}
}

// EventOf is an event about a connection: whose it is, and of what. Who acted is the caller's to say.
func EventOf(c connection.Connection, kind audit.Type, now time.Time) (audit.Event, error) {
	t, err := tenant.ParseUID(c.Tenant)
	if err != nil {
		return audit.Event{}, err
	}
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Type: kind, Outcome: audit.Changed,
		Detail: map[string]string{"connection": c.ID},
	}
	if c.Owner.Kind == connection.User {
		e.OnBehalf = c.Owner.UID
	}
	for name, value := range map[string]string{
		"owner_kind": string(c.Owner.Kind), "owner": c.Owner.UID, "provider_uid": c.Provider, "account": c.Account.Label,
	} {
		if value != "" {
			e.Detail[name] = value
		}
	}
	return e, nil
}

package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// The states of a message.
const (
	Pending   = "pending"
	Delivered = "delivered"
	GivenUp   = "given_up"
)

// Record is what became of a message, without its body.
type Record struct {
	ID          string     `json:"id"`
	EventID     string     `json:"event_id"`
	Endpoint    string     `json:"endpoint"`
	Type        string     `json:"type"`
	State       string     `json:"state"`
	Attempts    int        `json:"attempts"`
	Outcome     string     `json:"outcome,omitempty"` // of the last attempt
	CreatedAt   time.Time  `json:"created_at"`
	NextAt      *time.Time `json:"next_at,omitempty"` // while it is pending
	DeliveredAt *time.Time `json:"delivered_at,omitempty"`
}

// Filter narrows a list, the newest first; what is empty does not narrow.
type Filter struct {
	State    string
	Endpoint string
	Before   string // the id of the last one before
	Limit    int
}

// ErrQuery says that a list was asked for of what there is not, or a replay of nothing.
var ErrQuery = errors.New("messages are listed of one of the states there are, and sent again since a time")

// Records are messages as administrators see them; broker/store has them.
type Records interface {
	List(ctx context.Context, t tenant.UID, f Filter) ([]Record, error)
	// Replay has what was made since a time sent again, of one address or of all, and tells how many.
	Replay(ctx context.Context, t tenant.UID, since time.Time, endpoint string) (int64, error)
}

// Journal is the ledger.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Desk is what administrators do with messages. Every part is required.
type Desk struct {
	Records Records
	Journal Journal
	Now     func() time.Time
}

// NewDesk refuses one in which a part is missing.
func NewDesk(d Desk) (*Desk, error) {
	if d.Records == nil || d.Journal == nil || d.Now == nil {
		return nil, errors.New("webhook: a part of the desk is missing")
	}
	return &d, nil
}

// List tells what became of a tenant's messages.
func (d *Desk) List(ctx context.Context, t tenant.UID, f Filter) ([]Record, error) {
	switch f.State {
	case "", Pending, Delivered, GivenUp:
		return d.Records.List(ctx, t, f)
	default:
		return nil, ErrQuery
	}
}

// Order is what is to be sent again: everything since a time that is not pending, of one address or of all.
type Order struct {
	Since    time.Time
	Endpoint string
	By       audit.Principal
	Trace    string
}

// Replay has messages sent again, with their first ids, and tells how many. Only what still rests can be: KeepMessages.
func (d *Desk) Replay(ctx context.Context, t tenant.UID, o Order) (int64, error) {
	if o.Since.IsZero() {
		return 0, ErrQuery
	}
	now := d.Now()
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: o.Trace, Type: audit.TypeWebhooksReplayed, Outcome: audit.Changed, Principal: o.By,
		Detail: map[string]string{"since": o.Since.UTC().Format(time.RFC3339Nano)},
	}
	if o.Endpoint != "" {
		e.Detail["endpoint"] = o.Endpoint
	}
	if err := d.Journal.Commit(ctx, ledger.Entry{Tenant: t, Event: e}); err != nil {
		return 0, err
	}
	return d.Records.Replay(ctx, t, o.Since, o.Endpoint)
}

// Package rewrap moves what rests sealed to the newest key, while everything goes
// on, and tells what rests under which key, so that a key is ended when nothing
// needs it any more.
//
// A step moves one batch of one table; whoever is interrupted goes on where the last
// step ended, or begins again: what was moved is not found any more. What ends by
// itself soon (a sign-in that is under way, a link, a capture) is counted and not
// moved.
//
// It holds no key: a vault.Sealer does, and tables are a Store's.
package rewrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
)

// Bounds of a step.
const (
	DefaultBatch = 500
	MaxBatch     = connection.MaxBatch
)

// What is refused.
var (
	ErrBatch  = fmt.Errorf("a batch has 1 to %d rows", MaxBatch)
	ErrCursor = errors.New("not a place at which a rewrap stopped")
	// ErrMoved is a Store's answer for a row that is another one by now.
	ErrMoved = errors.New("the row is not as it was any more")
)

// Table names a table in which something rests sealed for long.
type Table string

// Row is one sealed blob of a table.
type Row struct {
	ID string
	vault.Stood
}

// Store finds sealed rows. The tables of the installation itself belong to the root tenant here.
type Store interface {
	// Tables lists what is moved for a tenant, beside its connections.
	Tables(root bool) []Table
	// Next lists rows, in the order of their ids and behind one of them, that do not begin with the prefix.
	Next(ctx context.Context, t tenant.UID, table Table, prefix []byte, after string, limit int) ([]Row, error)
	// Replace puts a blob in the place of exactly this one; ErrMoved.
	Replace(ctx context.Context, t tenant.UID, table Table, row Row, blob []byte) error
	// Count tells how many blobs of a tenant begin with each prefix, and how many there are, by table; what goes by itself is
	// among it.
	Count(ctx context.Context, t tenant.UID, root bool, prefixes [][]byte) ([]Count, error)
}

// Count is how many blobs of a table rest under which key.
type Count struct {
	Table string
	Soon  bool // they go by themselves, and are not moved
	All   int64
	By    []int64 // in the order of the prefixes
}

// Journal records what was done.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Desk is what rewraps. All members are required.
type Desk struct {
	Store       Store
	Connections connection.Store
	Sealer      vault.Sealer
	Tenants     func(context.Context) ([]tenant.UID, error) // in one order
	Root        tenant.UID
	Alert       func(context.Context, connection.Alert)
	Journal     Journal
	Now         func() time.Time
	Log         *slog.Logger
}

// Validate refuses a desk without a part.
func (d Desk) Validate() error {
	if d.Store == nil || d.Connections == nil || d.Sealer == nil || d.Tenants == nil || d.Alert == nil || d.Journal == nil || d.Now == nil || d.Log == nil {
		return errors.New("rewrap: every part is required")
	}
	return d.Root.Check()
}

// Step is what one batch led to.
type Step struct {
	KeyID     string // the newest
	Table     Table  // of the rows; empty: there were none any more
	Rewrapped int64
	Moved     int64 // replaced by somebody else meanwhile, with the newest key
	Failed    int64 // they stay as they are
	Next      string
}

const connections Table = "connections"

// Step moves one batch behind a place, "" for the beginning. An empty Next is the end.
func (d Desk) Step(ctx context.Context, after string, batch int, by audit.Principal, trace string) (Step, error) {
	if batch < 1 || batch > MaxBatch {
		return Step{}, ErrBatch
	}
	from, err := parsePlace(after)
	if err != nil {
		return Step{}, err
	}
	newest, prefix, err := d.newest(ctx)
	if err != nil {
		return Step{}, err
	}
	tenants, err := d.Tenants(ctx)
	if err != nil {
		return Step{}, err
	}
	for _, t := range tenants {
		if t.String() < from.tenant {
			continue
		}
		for i, table := range append(d.Store.Tables(t == d.Root), connections) {
			row := ""
			if t.String() == from.tenant {
				if i < from.table {
					continue
				}
				if i == from.table {
					row = from.row
				}
			}
			s := Step{KeyID: newest, Table: table}
			last, err := d.move(ctx, t, table, prefix, row, batch, &s)
			if err != nil {
				return s, err
			}
			if last != "" {
				s.Next = place{t.String(), i, last}.String()
				return s, d.record(ctx, t, s, by, trace)
			}
		}
	}
	return Step{KeyID: newest}, nil
}

func (d Desk) newest(ctx context.Context) (keyID string, prefix []byte, err error) {
	blob, err := d.Sealer.Seal(ctx, []byte("which key"), vault.AAD{Tenant: vault.Installation, Table: "none", UID: "none", Column: "key"})
	if err != nil {
		return "", nil, err
	}
	b, err := vault.Parse(blob)
	if err != nil {
		return "", nil, err
	}
	prefix, err = vault.Prefix(b.Scheme, b.KeyID)
	return b.KeyID, prefix, err
}

// move handles one batch, and tells the last row of it; empty where there was none.
func (d Desk) move(ctx context.Context, t tenant.UID, table Table, prefix []byte, after string, batch int, s *Step) (last string, err error) {
	if table == connections {
		r := connection.Rewrapper{Store: d.Connections, Sealer: d.Sealer, Alert: d.Alert, Now: d.Now}
		p, n, err := r.Batch(ctx, t.String(), s.KeyID, after, batch)
		s.Rewrapped, s.Moved, s.Failed = p.Rewrapped, p.Moved, p.Failed
		if err != nil || n == 0 {
			return "", err
		}
		return p.After, nil
	}
	rows, err := d.Store.Next(ctx, t, table, prefix, after, batch)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	all := make([]vault.Stood, len(rows))
	for i, row := range rows {
		all[i] = row.Stood
	}
	moved, err := vault.Reseal(ctx, d.Sealer, all)
	if err != nil {
		return "", err
	}
	for i, row := range rows {
		err := moved[i].Err
		if err == nil {
			err = d.Store.Replace(ctx, t, table, row, moved[i].Blob)
		}
		switch {
		case err == nil:
			s.Rewrapped++
		case errors.Is(err, ErrMoved):
			s.Moved++
		case moved[i].Err != nil: // it stays, and stops no other
			s.Failed++
			d.Log.ErrorContext(ctx, "rewrap: a sealed row does not open in its place", "tenant", t.String(), "table", string(table), "id", row.ID, "error", err)
		default:
			return "", err
		}
	}
	return rows[len(rows)-1].ID, nil
}

func (d Desk) record(ctx context.Context, t tenant.UID, s Step, by audit.Principal, trace string) error {
	now := d.Now()
	return d.Journal.Commit(ctx, ledger.Entry{Tenant: t, Event: audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: trace, Type: audit.TypeSecretsRewrapped, Outcome: audit.Changed, Principal: by,
		Detail: map[string]string{
			"key": s.KeyID, "table": string(s.Table), "rewrapped": strconv.FormatInt(s.Rewrapped, 10), "failed": strconv.FormatInt(s.Failed, 10),
		},
	}})
}

// place is where a rewrap stopped.
type place struct {
	tenant string
	table  int
	row    string
}

// String writes the place: tenant/table/row.
func (p place) String() string { return p.tenant + "/" + strconv.Itoa(p.table) + "/" + p.row }

func parsePlace(text string) (place, error) {
	if text == "" {
		return place{}, nil
	}
	parts := strings.SplitN(text, "/", 3)
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" || len(text) > 512 {
		return place{}, ErrCursor
	}
	table, err := strconv.Atoi(parts[1])
	if err != nil || table < 0 || table > 100 {
		return place{}, ErrCursor
	}
	return place{parts[0], table, parts[2]}, nil
}

package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// settled is how long after its sealing a writer is still looked at: the commit
// that sealed it may have become visible later than the time it wrote.
const settled = 5 * time.Minute

// position is how far a tail has read each writer. Times cannot serve: commits
// become visible in another order than that of their events' times.
type position struct {
	At    int64            `json:"at"` // of the reading, by the database's clock
	Heads map[string]int64 `json:"heads"`
}

// Tail returns a tenant's events after a position, writer by writer, and the position behind them. With
// no position it returns no events and the position of now.
func (a *Audit) Tail(ctx context.Context, t tenant.UID, after string, limit int) ([]AuditRow, string, error) {
	if err := t.Check(); err != nil {
		return nil, "", err
	}
	return a.tail(ctx, t, after, limit)
}

// TailAll is Tail over every tenant; sinks read with it.
func (a *Audit) TailAll(ctx context.Context, after string, limit int) ([]AuditRow, string, error) {
	return a.tail(ctx, tenant.UID{}, after, limit)
}

func (a *Audit) tail(ctx context.Context, t tenant.UID, after string, limit int) ([]AuditRow, string, error) {
	if limit <= 0 || limit > pageLimit {
		limit = pageLimit
	}
	from, err := parsePosition(after)
	if err != nil {
		return nil, "", err
	}
	now, heads, err := a.openHeads(ctx, from.At)
	if err != nil {
		return nil, "", err
	}
	if after == "" {
		return nil, position{At: now, Heads: heads}.String(), nil
	}
	next := position{At: now, Heads: map[string]int64{}}
	var found []AuditRow
	for _, writer := range slices.Sorted(maps.Keys(heads)) {
		seq := from.Heads[writer] // 0 for a writer that began since
		if seq < heads[writer] && len(found) < limit {
			var rows []AuditRow
			if rows, seq, err = a.follow(ctx, t, writer, seq, heads[writer], limit-len(found)); err != nil {
				return nil, "", err
			}
			found = append(found, rows...)
		}
		next.Heads[writer] = seq
		if seq < heads[writer] {
			next.At = from.At // not all was read: this writer must be looked at again
		}
	}
	return found, next.String(), nil
}

// follow reads one writer. The new place is behind the last row, or behind all if a whole page was not filled.
func (a *Audit) follow(ctx context.Context, t tenant.UID, writer string, after, head int64, limit int) ([]AuditRow, int64, error) {
	w := &where{}
	w.add("writer = ? and seq > ? and seq <= ?", writer, after, head)
	if !t.IsZero() {
		w.add("tenant_uid = ?", t.String())
	}
	query := "select " + auditColumns + " from audit_events" + w.sql() + " order by seq limit " + strconv.Itoa(limit)
	rows, err := a.rowsOf(ctx, query, w.args...)
	if err != nil {
		return nil, 0, err
	}
	if len(rows) < limit {
		return rows, head, nil
	}
	return rows, rows[len(rows)-1].Seq, nil
}

// openHeads returns the heads of the writers that may have something new since a time.
func (a *Audit) openHeads(ctx context.Context, since int64) (int64, map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	var now int64
	if err := a.read.QueryRowContext(ctx, "select "+a.clock()).Scan(&now); err != nil {
		return 0, nil, withoutURL(err)
	}
	if since == 0 {
		since = now
	}
	rows, err := a.read.QueryContext(ctx, "select id, seq from audit_writers where sealed_at is null or sealed_at > $1",
		since-settled.Microseconds())
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	defer rows.Close()
	heads := map[string]int64{}
	for rows.Next() {
		var writer string
		var seq int64
		if err := rows.Scan(&writer, &seq); err != nil {
			return 0, nil, err
		}
		heads[writer] = seq
	}
	return now, heads, withoutURL(rows.Err())
}

// String is the position as it is handed out.
func (p position) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePosition(s string) (position, error) {
	var p position
	if s == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || json.Unmarshal(b, &p) != nil || p.At <= 0 {
		return position{}, ErrCursor
	}
	return p, nil
}

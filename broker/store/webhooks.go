package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
)

// Webhooks keeps what companies are told, until it was delivered.
type Webhooks struct{ store *Store }

var (
	_ webhook.Store   = (*Webhooks)(nil)
	_ webhook.Records = (*Webhooks)(nil)
)

// Webhooks opens them.
func (s *Store) Webhooks() *Webhooks { return &Webhooks{store: s} }

const (
	beginReading = "insert into webhook_reading (name, position) values ('audit', '') on conflict do nothing"

	holdReading = "update webhook_reading set held_by = $1, held_until = @now + $2 where name = 'audit' and (held_by = $1 or held_until <= @now) returning position"

	advanceReading = "update webhook_reading set position = $3 where name = 'audit' and held_by = $1 and position = $2"

	queueMessage = `insert into webhook_messages (tenant_uid, id, event_id, endpoint, type, body, state, next_at, created_at)
values ($1, $2, $3, $4, $5, $6, 'pending', @now, @now) on conflict do nothing`

	takeMessages = `update webhook_messages set held_until = @now + $3 where tenant_uid = $1 and state = 'pending' and next_at <= @now and held_until <= @now and id in (
select id from webhook_messages where tenant_uid = $1 and state = 'pending' and next_at <= @now and held_until <= @now order by next_at, id limit $2)
returning id, event_id, endpoint, type, body, attempts, created_at`

	messageDelivered = `update webhook_messages set state = 'delivered', attempts = attempts + 1, held_until = 0, outcome = $3, delivered_at = @now
where tenant_uid = $1 and id = $2 and state = 'pending'`

	messageFailed = `update webhook_messages set attempts = attempts + 1, held_until = 0, outcome = $3, next_at = @now + $4,
state = case when $4 = 0 then 'given_up' else state end where tenant_uid = $1 and id = $2 and state = 'pending'`

	// The others for the same address wait for a moment too: one at a time finds out whether it answers again.
	restAddress = `update webhook_messages set next_at = @now + $4 where tenant_uid = $1 and endpoint = $3 and id <> $2 and state = 'pending' and next_at < @now + $4`

	listMessages = `select id, event_id, endpoint, type, state, attempts, outcome, created_at, next_at, delivered_at from webhook_messages
where tenant_uid = $1 and ($2 = '' or id < $2) and ($3 = '' or state = $3) and ($4 = '' or endpoint = $4) order by id desc limit $5`

	replayMessages = `update webhook_messages set state = 'pending', attempts = 0, next_at = @now, held_until = 0, outcome = ''
where tenant_uid = $1 and created_at >= $2 and ($3 = '' or endpoint = $3) and state <> 'pending'`

	purgeMessages = `delete from webhook_messages where tenant_uid = $1 and id in (
select id from webhook_messages where tenant_uid = $1 and created_at < @now - $2 and state <> 'pending' limit $3)`
)

// HoldReading implements webhook.Store.
func (w *Webhooks) HoldReading(ctx context.Context, replica string, span time.Duration) (position string, held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.store.limit)
	defer cancel()
	err = w.store.write.QueryRowContext(ctx, w.store.withClock(holdReading), replica, span.Microseconds()).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) { // another one holds it, or nobody has begun
		if _, err = w.store.write.ExecContext(ctx, beginReading); err != nil {
			return "", false, withoutURL(err)
		}
		err = w.store.write.QueryRowContext(ctx, w.store.withClock(holdReading), replica, span.Microseconds()).Scan(&position)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return position, err == nil, withoutURL(err)
}

// errNotHeld says that another replica reads by now.
var errNotHeld = errors.New("another replica reads for webhooks by now")

// Advance implements webhook.Store.
func (w *Webhooks) Advance(ctx context.Context, replica, from, to string) error {
	ctx, cancel := context.WithTimeout(ctx, w.store.limit)
	defer cancel()
	done, err := w.store.write.ExecContext(ctx, advanceReading, replica, from, to)
	if err != nil {
		return withoutURL(err)
	}
	return onlyOne(done, errNotHeld)
}

// Queue implements webhook.Store.
func (w *Webhooks) Queue(ctx context.Context, t tenant.UID, messages []webhook.Message) error {
	return w.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		for _, m := range messages {
			if _, err := tx.ExecContext(ctx, w.store.withClock(queueMessage), t.String(), m.ID, m.EventID, m.Endpoint, m.Type, string(m.Body)); err != nil {
				return err
			}
		}
		return nil
	})
}

// TakeDue implements webhook.Store.
func (w *Webhooks) TakeDue(ctx context.Context, t tenant.UID, limit int, span time.Duration) (due []webhook.Message, err error) {
	err = w.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, w.store.withClock(takeMessages), t.String(), limit, span.Microseconds())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			m := webhook.Message{Tenant: t}
			var body string
			var created int64
			if err := rows.Scan(&m.ID, &m.EventID, &m.Endpoint, &m.Type, &body, &m.Attempts, &created); err != nil {
				return err
			}
			m.Body, m.CreatedAt = []byte(body), fromMicros(created)
			due = append(due, m)
		}
		return rows.Err()
	})
	return due, err
}

// Delivered implements webhook.Store.
func (w *Webhooks) Delivered(ctx context.Context, m webhook.Message, outcome string) error {
	return w.settle(ctx, m, messageDelivered, outcome)
}

// Failed implements webhook.Store.
func (w *Webhooks) Failed(ctx context.Context, m webhook.Message, outcome string, rest time.Duration) error {
	if err := w.settle(ctx, m, messageFailed, outcome, rest.Microseconds()); err != nil || rest <= 0 {
		return err
	}
	return w.store.writeOf(ctx, m.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, w.store.withClock(restAddress), m.Tenant.String(), m.ID, m.Endpoint, min(rest, longestRest).Microseconds())
		return err
	})
}

// longestRest is how long other messages for an address that failed wait.
const longestRest = time.Minute

const maxOutcome = 255

// settle writes what became of an attempt. One that another replica settled meanwhile stays as it is.
func (w *Webhooks) settle(ctx context.Context, m webhook.Message, statement, outcome string, more ...any) error {
	if len(outcome) > maxOutcome {
		outcome = strings.ToValidUTF8(outcome[:maxOutcome], "")
	}
	args := append([]any{m.Tenant.String(), m.ID, outcome}, more...)
	return w.store.writeOf(ctx, m.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, w.store.withClock(statement), args...)
		return err
	})
}

// List implements webhook.Records.
func (w *Webhooks) List(ctx context.Context, t tenant.UID, f webhook.Filter) (all []webhook.Record, err error) {
	err = w.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, listMessages, t.String(), f.Before, f.State, f.Endpoint, max(1, min(f.Limit, maxRecords)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r webhook.Record
			var created, next int64
			var delivered sql.NullInt64
			if err := rows.Scan(&r.ID, &r.EventID, &r.Endpoint, &r.Type, &r.State, &r.Attempts, &r.Outcome, &created, &next, &delivered); err != nil {
				return err
			}
			r.CreatedAt = fromMicros(created)
			if at := fromMicros(next); r.State == webhook.Pending {
				r.NextAt = &at
			}
			if at := fromMicros(delivered.Int64); delivered.Valid && r.State == webhook.Delivered {
				r.DeliveredAt = &at
			}
			all = append(all, r)
		}
		return rows.Err()
	})
	return all, err
}

// maxRecords bounds a page.
const maxRecords = 1000

// Replay implements webhook.Records.
func (w *Webhooks) Replay(ctx context.Context, t tenant.UID, since time.Time, endpoint string) (n int64, err error) {
	err = w.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, w.store.withClock(replayMessages), t.String(), since.UnixMicro(), endpoint)
		if err != nil {
			return err
		}
		n, err = done.RowsAffected()
		return err
	})
	return n, err
}

// Purge implements webhook.Store.
func (w *Webhooks) Purge(ctx context.Context, t tenant.UID, older time.Duration, limit int) error {
	return w.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, w.store.withClock(purgeMessages), t.String(), older.Microseconds(), limit)
		return err
	})
}

// Follow implements webhook.Log: Tail over every tenant, of some types alone.
func (a *Audit) Follow(ctx context.Context, types []audit.Type, after string, limit int) ([]audit.Event, string, error) {
	limit = max(1, min(limit, pageLimit))
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
	var events []audit.Event
	for _, writer := range slices.Sorted(maps.Keys(heads)) {
		seq := from.Heads[writer]
		if seq < heads[writer] && len(events) < limit {
			rows, err := a.rowsOfTypes(ctx, types, writer, seq, heads[writer], limit-len(events))
			if err != nil {
				return nil, "", err
			}
			if seq = heads[writer]; len(rows) == limit-len(events) {
				seq = rows[len(rows)-1].Seq
			}
			for _, r := range rows {
				if r.Body != nil { // of an erased one nothing is left to tell
					events = append(events, r.Event)
				}
			}
		}
		next.Heads[writer] = seq
		if seq < heads[writer] {
			next.At = from.At
		}
	}
	return events, next.String(), nil
}

func (a *Audit) rowsOfTypes(ctx context.Context, types []audit.Type, writer string, after, head int64, limit int) ([]AuditRow, error) {
	w := &where{}
	w.add("writer = ? and seq > ? and seq <= ?", writer, after, head)
	names := make([]any, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	w.add("type in ("+strings.Repeat(", ?", len(types))[2:]+")", names...)
	return a.rowsOf(ctx, "select "+auditColumns+" from audit_events"+w.sql()+" order by seq limit "+strconv.Itoa(limit), w.args...)
}

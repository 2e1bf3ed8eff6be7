package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/shadow"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Shadows keeps which drafts run beside the live policies, and what was seen.
type Shadows struct{ store *Store }

var _ shadow.Store = (*Shadows)(nil)

// Shadows opens them.
func (s *Store) Shadows() *Shadows { return &Shadows{store: s} }

// Runs implements shadow.Store.
func (h *Shadows) Runs(ctx context.Context, now time.Time, most int) ([]shadow.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, h.store.limit)
	defer cancel()
	rows, err := h.store.read.QueryContext(ctx, "select tenant_uid, proposal, hash, until from shadow_runs where until > $1 order by tenant_uid, proposal desc limit $2", now.UnixMicro(), most)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer rows.Close()
	var all []shadow.Run
	for rows.Next() {
		var one shadow.Run
		var uid string
		var until int64
		if err := rows.Scan(&uid, &one.Proposal, &one.Hash, &until); err != nil {
			return nil, withoutURL(err)
		}
		if one.Tenant, err = tenant.ParseUID(uid); err != nil {
			return nil, fmt.Errorf("runs: %w", err)
		}
		one.Until = fromMicros(until)
		all = append(all, one)
	}
	return all, withoutURL(rows.Err())
}

// Save implements shadow.Store.
func (h *Shadows) Save(ctx context.Context, r shadow.Run, replica string, c shadow.Counts, at time.Time) error {
	counts, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return h.store.writeOf(ctx, r.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into shadow_counts (tenant_uid, proposal, hash, replica, counts, at) values ($1, $2, $3, $4, $5, $6)
on conflict (tenant_uid, proposal, hash, replica) do update set counts = excluded.counts, at = excluded.at`, r.Tenant.String(), r.Proposal, r.Hash, replica, string(counts), at.UnixMicro())
		return err
	})
}

// Counted implements shadow.Store.
func (h *Shadows) Counted(ctx context.Context, t tenant.UID, proposal, hash string) ([]shadow.Counts, error) {
	var all []shadow.Counts
	err := h.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "select counts from shadow_counts where tenant_uid = $1 and proposal = $2 and hash = $3", t.String(), proposal, hash)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			var c shadow.Counts
			if err := json.Unmarshal([]byte(text), &c); err != nil {
				return fmt.Errorf("counts: %w", err)
			}
			all = append(all, c)
		}
		return rows.Err()
	})
	return all, err
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Replicas keeps what replicas tell of themselves.
type Replicas struct{ store *Store }

var _ revision.Reports = (*Replicas)(nil)

// Replicas opens them.
func (s *Store) Replicas() *Replicas { return &Replicas{store: s} }

// replicaKept is how long one is remembered that is gone.
const replicaKept = 24 * time.Hour

// Beat implements revision.Reports.
func (r *Replicas) Beat(ctx context.Context, replica string, started, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, r.store.limit)
	defer cancel()
	_, err := r.store.write.ExecContext(ctx, "insert into replicas (id, started_at, seen_at) values ($1, $2, $3) on conflict (id) do update set seen_at = excluded.seen_at",
		replica, started.UnixMicro(), now.UnixMicro())
	if err != nil {
		return withoutURL(err)
	}
	_, err = r.store.write.ExecContext(ctx, "delete from replicas where seen_at < $1", now.Add(-replicaKept).UnixMicro())
	return withoutURL(err)
}

// Leave implements revision.Reports.
func (r *Replicas) Leave(ctx context.Context, replica string) error {
	ctx, cancel := context.WithTimeout(ctx, r.store.limit)
	defer cancel()
	_, err := r.store.write.ExecContext(ctx, "delete from replicas where id = $1", replica)
	return withoutURL(err)
}

// Report implements revision.Reports. What replicas told that are gone goes with it.
func (r *Replicas) Report(ctx context.Context, t tenant.UID, one revision.Running) error {
	policies, err := json.Marshal(one.Policies)
	if err != nil {
		return err
	}
	return r.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "delete from replica_reports where tenant_uid = $1 and (replica = $2 or replica not in (select id from replicas))", t.String(), one.Replica)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "insert into replica_reports (tenant_uid, replica, version, policies, at) values ($1, $2, $3, $4, $5)",
			t.String(), one.Replica, one.Version, string(policies), one.At.UnixMicro())
		return err
	})
}

// Running implements revision.Reports.
func (r *Replicas) Running(ctx context.Context, t tenant.UID, since time.Time) ([]revision.Running, error) {
	var all []revision.Running
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `select p.replica, p.version, p.policies, p.at, r.seen_at from replica_reports p join replicas r on r.id = p.replica
where p.tenant_uid = $1 and r.seen_at >= $2 order by p.replica`, t.String(), since.UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one revision.Running
			var policies string
			var at, seen int64
			if err := rows.Scan(&one.Replica, &one.Version, &policies, &at, &seen); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(policies), &one.Policies); err != nil {
				return fmt.Errorf("report of %s: %w", one.Replica, err)
			}
			one.At, one.SeenAt = fromMicros(at), fromMicros(seen)
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

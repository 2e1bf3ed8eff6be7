package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Purge removes a tenant's decisions that were made before a time, of one person or, with none, of everybody, and records
// that it was done, by whom, before the first one goes: what was removed when the database went away in the middle is known
// to be asked for. The audit log keeps their hashes and what they said. Those of the last day stay.
func (d *Decisions) Purge(ctx context.Context, applier Applier, t tenant.UID, before time.Time, user string, e audit.Event) (int64, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	if e.Tenant != t || before.IsZero() {
		return 0, errIncomplete
	}
	now, err := d.store.Now(ctx)
	if err != nil {
		return 0, err
	}
	if before.After(now.Add(-ownersDay)) {
		return 0, decision.ErrRecent
	}
	nothing := func(context.Context, *sql.Tx) error { return nil }
	if err := d.store.change(ctx, applier, t, []audit.Event{e}, nothing); err != nil {
		return 0, err
	}
	var gone int64
	for {
		n, err := d.purgeOnce(ctx, t, before, user)
		gone += n
		if err != nil || n < sweepBatch {
			return gone, errors.Join(err)
		}
	}
}

func (d *Decisions) purgeOnce(ctx context.Context, t tenant.UID, before time.Time, user string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.store.limit)
	defer cancel()
	if d.store.dialect == Postgres {
		err = d.store.write.QueryRowContext(ctx, "select chancery_purge_decisions($1, $2, $3, $4)", t.String(), before.UnixMicro(), user, sweepBatch).Scan(&n)
		return n, withoutURL(err)
	}
	done, err := d.store.write.ExecContext(ctx, "delete from decisions where rowid in (select rowid from decisions where tenant_uid = $1 and at < $2 "+
		"and ($3 = '' or json_extract(input, '$.user.id') = $3) order by at, id limit $4)", t.String(), before.UnixMicro(), user, sweepBatch)
	if err != nil {
		return 0, withoutURL(err)
	}
	return done.RowsAffected()
}

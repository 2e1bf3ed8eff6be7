package store

import (
	"context"
	"time"
)

// changesKept is how long it is remembered what a version changed. Replicas ask
// every half second; one that did not for longer drops all that it holds of the tenant.
const changesKept = time.Hour

// sweepChanges removes what is known of old versions, whole versions from the
// first on and never the newest: of a version of which a part were left, Changes
// would tell the part as if it were all.
func sweepChanges(ctx context.Context, db execer, before time.Time) (int64, error) {
	upTo, err := oldVersions(ctx, db, before)
	if err != nil {
		return 0, err
	}
	var gone int64
	for uid, version := range upTo {
		done, err := db.ExecContext(ctx, "delete from tenant_changes where tenant_uid = $1 and version <= $2", uid, version)
		if err != nil {
			return gone, err
		}
		n, err := done.RowsAffected()
		gone += n
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// oldVersions is, for each tenant, the newest version that is old and not its newest.
func oldVersions(ctx context.Context, db execer, before time.Time) (map[string]int64, error) {
	rows, err := db.QueryContext(ctx, "select c.tenant_uid, max(c.version) from tenant_changes c "+
		"join tenant_versions v on v.tenant_uid = c.tenant_uid and c.version < v.version where c.at < $1 group by c.tenant_uid", before.UnixMicro())
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	upTo := map[string]int64{}
	for rows.Next() {
		var uid string
		var version int64
		if err := rows.Scan(&uid, &version); err != nil {
			return nil, err
		}
		upTo[uid] = version
	}
	return upTo, rows.Err()
}

package store

import (
	"context"
	"fmt"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Versions reads every tenant's version at once: the half-second poll.
func (s *Store) Versions(ctx context.Context) (map[tenant.UID]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	rows, err := s.read.QueryContext(ctx, "select tenant_uid, version from tenant_versions")
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = rows.Close() }()
	versions := map[tenant.UID]int64{}
	for rows.Next() {
		var id string
		var version int64
		if err := rows.Scan(&id, &version); err != nil {
			return nil, fmt.Errorf("read versions: %w", err)
		}
		uid, err := tenant.ParseUID(id)
		if err != nil {
			return nil, fmt.Errorf("read versions: %w", err)
		}
		versions[uid] = version
	}
	return versions, withoutURL(rows.Err())
}

// Version reads one tenant's version, 0 if there is no such tenant.
func (s *Store) Version(ctx context.Context, t tenant.UID) (int64, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var version int64
	err := s.read.QueryRowContext(ctx, "select coalesce(max(version), 0) from tenant_versions where tenant_uid = $1", t.String()).Scan(&version)
	return version, withoutURL(err)
}

// Changes lists what the versions after the given one have changed, up to the
// version that it returns. complete is false if it is not known of every version
// in between: the caller then drops all that it holds of the tenant.
func (s *Store) Changes(ctx context.Context, t tenant.UID, after int64) (changed []ledger.ChangedObject, upTo int64, complete bool, err error) {
	if err := t.Check(); err != nil {
		return nil, 0, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	rows, err := s.read.QueryContext(ctx, "select version, kind, uid from tenant_changes where tenant_uid = $1 and version > $2 order by version",
		t.String(), after)
	if err != nil {
		return nil, 0, false, withoutURL(err)
	}
	defer func() { _ = rows.Close() }()
	upTo, complete = after, true
	for rows.Next() {
		var version int64
		var c ledger.ChangedObject
		if err := rows.Scan(&version, &c.Kind, &c.UID); err != nil {
			return nil, 0, false, fmt.Errorf("read changes: %w", err)
		}
		complete = complete && version <= upTo+1 // each version names at least one object; a gap was swept
		upTo = version
		changed = append(changed, c)
	}
	return changed, upTo, complete, withoutURL(rows.Err())
}

package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// What a request reads the first time that it meets a client or a user goes to
// PostgreSQL in one round trip, where a transaction takes five. The statements of
// a batch are one transaction, so that set_config holds for those after it; if
// they were not, row-level security would show nothing.
const (
	nameTenantPostgres = `select set_config('chancery.tenant', $1, true)`

	findByKeyPostgres = `select o.tenant_uid, o.uid, o.kind, o.name, o.revision, o.managed_by, o.labels, o.spec, o.created_at, o.updated_at
from object_keys k join objects o on o.tenant_uid = k.tenant_uid and o.uid = k.object_uid
where k.tenant_uid = $1 and k.space = $2 and k.key = $3 and o.deleted_at is null order by o.name`

	keysByKeyPostgres = `select h.object_uid, h.space, h.key, h.exclusive
from object_keys k join object_keys h on h.tenant_uid = k.tenant_uid and h.object_uid = k.object_uid
where k.tenant_uid = $1 and k.space = $2 and k.key = $3 order by h.space, h.key`
)

// findByKeyAtOnce is FindByKey on PostgreSQL.
func (o *Objects) findByKeyAtOnce(ctx context.Context, t tenant.UID, space, value string) ([]object.Stored, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.store.limit)
	defer cancel()
	var rows []objectRow
	var keys []keyRow
	batch := &pgx.Batch{}
	batch.Queue(nameTenantPostgres, t.String())
	batch.Queue(findByKeyPostgres, t.String(), space, value).Query(func(found pgx.Rows) error {
		var r objectRow
		_, err := pgx.ForEachRow(found, []any{
			&r.TenantUID, &r.UID, &r.Kind, &r.Name, &r.Revision, &r.ManagedBy, &r.Labels, &r.Spec, &r.CreatedAt, &r.UpdatedAt,
		}, func() error { rows = append(rows, r); return nil })
		return err
	})
	batch.Queue(keysByKeyPostgres, t.String(), space, value).Query(func(found pgx.Rows) error {
		var k keyRow
		_, err := pgx.ForEachRow(found, []any{&k.ObjectUID, &k.Space, &k.Key, &k.Exclusive}, func() error { keys = append(keys, k); return nil })
		return err
	})
	if err := o.store.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, withoutURL(err)
	}
	return storedOf(rows, keys)
}

func storedOf(rows []objectRow, keys []keyRow) ([]object.Stored, error) {
	stored := make([]object.Stored, 0, len(rows))
	for _, row := range rows {
		s, err := row.stored(keys)
		if err != nil {
			return nil, err
		}
		stored = append(stored, s)
	}
	return stored, nil
}

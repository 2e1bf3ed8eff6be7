package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/tenant"
)

const secretsPostgres = `select tenant_uid, id, client_uid, scheme, digest, created_at from client_secrets
where tenant_uid = $1 and client_uid = $2 and revoked_at is null order by created_at, id`

// findSecrets reads live secrets, on PostgreSQL in one round trip as findByKeyAtOnce does.
func (o *Objects) findSecrets(ctx context.Context, t tenant.UID, clientUID string) (rows []secretRow, err error) {
	if o.store.dialect != Postgres {
		err = o.store.readIn(ctx, o.db, t, func(tx *gorm.DB) error { return liveSecrets(tx, t, clientUID, &rows) })
		return rows, err
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.store.limit)
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue(nameTenantPostgres, t.String())
	batch.Queue(secretsPostgres, t.String(), clientUID).Query(func(found pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (r secretRow, err error) {
			err = row.Scan(&r.TenantUID, &r.ID, &r.ClientUID, &r.Scheme, &r.Digest, &r.CreatedAt)
			return r, err
		})
		return err
	})
	if err := o.store.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, withoutURL(err)
	}
	return rows, nil
}

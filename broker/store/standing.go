package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	// The version is read by a statement before the tokens: what is read of them is never older than it.
	versionPostgres = `select set_config('chancery.tenant', $1, true),
coalesce((select version from tenant_versions where tenant_uid = $1), 0)`

	versionSQLite = "select coalesce(max(version), 0) from tenant_versions where tenant_uid = $1"

	knownColumns = `t.client_uid, t.subject, t.idp_uid, t.resource_uid, t.audience, t.expires_at, `

	knownPostgres = `select q.n, ` + knownColumns + `exists (select 1 from redemptions r where ` + ownRevocation + `q.k) or ` + revokedByMark + `
from unnest($2::bigint[], $3::text[], $4::bytea[]) with ordinality as q (at, j, k, n)
join issued_tokens t on t.tenant_uid = $1 and t.issued_at = q.at and t.jti = q.j`

	knownSQLite = `select ` + knownColumns + `exists (select 1 from redemptions r where ` + ownRevocation + `$4) or ` + revokedByMark + `
from issued_tokens t where t.tenant_uid = $1 and t.issued_at = $2 and t.jti = $3`
)

// Standing implements introspect.Records: one question for many tokens of a
// tenant, read by their keys, in one round trip on PostgreSQL.
func (k *Tokens) Standing(ctx context.Context, t tenant.UID, refs []lifecycle.Ref) (lifecycle.Standing, error) {
	if err := t.Check(); err != nil {
		return lifecycle.Standing{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, k.store.limit)
	defer cancel()
	standing := lifecycle.Standing{Known: make([]*lifecycle.Known, len(refs))}
	if k.store.dialect == Postgres {
		err := k.standingPostgres(ctx, t, refs, &standing)
		return standing, withoutURL(err)
	}
	version, err := k.store.prepared(ctx, versionSQLite) // before the transaction: it may need a connection of its own
	if err != nil {
		return standing, err
	}
	known, err := k.store.prepared(ctx, knownSQLite)
	if err != nil {
		return standing, err
	}
	err = k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return standingSQLite(ctx, tx.StmtContext(ctx, version), tx.StmtContext(ctx, known), t, refs, &standing)
	})
	return standing, err
}

func (k *Tokens) standingPostgres(ctx context.Context, t tenant.UID, refs []lifecycle.Ref, standing *lifecycle.Standing) error {
	batch := &pgx.Batch{}
	batch.Queue(versionPostgres, t.String()).QueryRow(func(row pgx.Row) error {
		var named string
		return row.Scan(&named, &standing.Version)
	})
	if len(refs) > 0 {
		times, ids, keys := make([]int64, len(refs)), make([]string, len(refs)), make([][]byte, len(refs))
		for i, r := range refs {
			key, _ := ledger.RevocationKey(r.ID) // of an id that is none of ours there is no record either
			times[i], ids[i], keys[i] = r.IssuedAt.UnixMicro(), r.ID, key[:]
		}
		batch.Queue(knownPostgres, t.String(), times, ids, keys).Query(func(rows pgx.Rows) error { return readKnown(rows, standing.Known) })
	}
	return k.store.standing.SendBatch(ctx, batch).Close()
}

func readKnown(rows pgx.Rows, known []*lifecycle.Known) error {
	var n, expires int64
	var one lifecycle.Known
	_, err := pgx.ForEachRow(rows, []any{
		&n, &one.ClientUID, &one.Subject, &one.IdPUID, &one.ResourceUID, &one.Audience, &expires, &one.Revoked,
	}, func() error {
		if n < 1 || n > int64(len(known)) {
			return errors.New("a token was read that nobody asked for")
		}
		found := one
		found.ExpiresAt = fromMicros(expires)
		known[n-1] = &found
		return nil
	})
	return err
}

func standingSQLite(ctx context.Context, version, find *sql.Stmt, t tenant.UID, refs []lifecycle.Ref, standing *lifecycle.Standing) error {
	if err := version.QueryRowContext(ctx, t.String()).Scan(&standing.Version); err != nil {
		return err
	}
	for i, r := range refs {
		key, _ := ledger.RevocationKey(r.ID)
		var one lifecycle.Known
		var expires int64
		err := find.QueryRowContext(ctx, t.String(), r.IssuedAt.UnixMicro(), r.ID, key[:]).
			Scan(&one.ClientUID, &one.Subject, &one.IdPUID, &one.ResourceUID, &one.Audience, &expires, &one.Revoked)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		default:
			one.ExpiresAt = fromMicros(expires)
			standing.Known[i] = &one
		}
	}
	return nil
}

package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Nearly every batch is clear: all its pictures are the newest, nothing in it
// was redeemed before, and its families are where they were seen. Such a batch takes one round trip. What it is assumed to
// find is checked by the database within the transaction, and a division by zero
// ends the transaction where it is not so; the batch then takes two trips, on
// which the truth is read.

// cautious is how many batches go the two trips after one that was not clear, so
// that a replay costs those around it little.
const cautious = 32

// errNotClear: the assumption did not hold; nothing was written.
var errNotClear = errors.New("the batch is not clear")

const (
	guardStandingPostgres = `select 1 / (case when $4::bigint >= ` + clockPostgres + ` - $3::bigint and cardinality($1::text[]) = (
select count(*) from unnest($1::text[], $2::bigint[]) as p (t, v)
where (select n.version from tenant_versions n where n.tenant_uid = p.t) = p.v
) then 1 else 0 end)`

	guardClaimsPostgres = `with made as (` + insertClaimsPostgres + ` returning 1)
select 1 / (case when count(*) = $6::bigint then 1 else 0 end) from made`
)

// assume is the standing of a clear batch; false if no standing can be one, as
// when two entries were decided on different versions.
func assume(b ledger.Batch) (ledger.Standing, bool) {
	standing := ledger.Standing{Versions: make(map[tenant.UID]int64, len(b.Pictures)), Fresh: make([]bool, len(b.Claims))}
	for i := range standing.Fresh {
		standing.Fresh[i] = true
	}
	for _, p := range b.Pictures {
		if _, twice := standing.Versions[p.Tenant]; twice {
			return ledger.Standing{}, false
		}
		standing.Versions[p.Tenant] = p.Version
	}
	for _, f := range b.Families {
		standing.Families = append(standing.Families, ledger.FamilyStanding{Alive: true, Generation: f.From})
	}
	// The clock is the database's to compare: by a zero time no redemption is too old.
	return standing, true
}

// writeClear tries the one trip.
func writeClear(ctx context.Context, conn *pgxpool.Conn, b ledger.Batch, page ledger.Page) error {
	tenants, versions := make([]string, len(b.Pictures)), make([]int64, len(b.Pictures))
	for i, p := range b.Pictures {
		tenants[i], versions[i] = p.Tenant.String(), p.Version
	}
	oldest := int64(1<<63 - 1)
	for i := range b.Claims {
		oldest = min(oldest, b.Claims[i].ExpiresAt.UnixMicro())
	}
	clear := false
	cleared := func(pgconn.CommandTag) error {
		clear = true
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level read committed")
	batch.Queue(lockSharedPostgres, tenants)
	guard := batch.Queue(guardStandingPostgres, tenants, versions, (ledger.Margin / 2).Microseconds(), oldest)
	if len(b.Claims) > 0 {
		guard = batch.Queue(guardClaimsPostgres, append(claimColumns(b.Claims), len(b.Claims))...)
	}
	if len(b.Families) > 0 {
		batch.Queue(nameTenantsPostgres, tenantNames(tenants))
		guard = batch.Queue(guardFamiliesPostgres, append(familyColumns(b.Families), len(b.Families))...)
	}
	guard.Exec(cleared)
	err := finish(ctx, conn, batch, page)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && !clear && refused.Code == divisionByZero {
		return errNotClear
	}
	return err
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/chancery-dev/chancery/broker/ledger"
)

// What a batch does to families of refresh tokens. Those that move, or must stand
// still, are read first and held until the transaction ends, in the order that all
// replicas share; then the page says what becomes of them. A batch without any has
// no statement more.

const (
	// A batch is of several tenants; row-level security shows it those.
	nameTenantsPostgres = `select set_config('chancery.tenants', $1, true)`

	holdFamiliesPostgres = `select w.n, f.ended_at is null, f.generation
from unnest($1::text[], $2::text[]) with ordinality as w (t, i, n)
join refresh_families f on f.tenant_uid = w.t and f.id = w.i order by w.n for update of f`

	// That a family has not ended is said in a way that no index is made for: a table whose statistics are still those of an
	// empty one would be searched by another index of the tenant's living families, all of them, rather than by its key.
	guardFamiliesPostgres = `with held as (select 1 from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as w (t, i, g, n)
join refresh_families f on f.tenant_uid = w.t and f.id = w.i
where f.generation = w.g and coalesce(f.ended_at, 0) = 0 order by w.n for update of f)
select 1 / (case when count(*) = $4::bigint then 1 else 0 end) from held`

	beginFamiliesPostgres = `insert into refresh_families
(tenant_uid, id, origin, user_uid, client_uid, idp_uid, issuer, session, offline, resources, identity, acr, amr, auth_time, jkt, version,
generation, began_at, rotated_at, idle_until, expires_at)
select w.t, w.i, w.o, w.u, w.cl, w.idp, w.iss, w.s, w.off, w.res, w.idn, w.acr, w.amr, w.at, w.jkt, w.v,
1, c.now, c.now, c.now + least(w.idle, w.absolute), c.now + w.absolute
from (select ` + clockPostgres + ` as now) c,
unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::boolean[], $10::text[], $11::text[],
$12::text[], $13::text[], $14::bigint[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[])
as w (t, i, o, u, cl, idp, iss, s, off, res, idn, acr, amr, at, jkt, v, idle, absolute)`

	moveFamiliesPostgres = `update refresh_families f set generation = w.g + 1, rotated_at = c.now, idle_until = least(c.now + w.idle, f.expires_at)
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as w (t, i, g, idle), (select ` + clockPostgres + ` as now) c
where f.tenant_uid = w.t and f.id = w.i and f.generation = w.g and coalesce(f.ended_at, 0) = 0`

	endFamiliesPostgres = `with held as (select f.tenant_uid, f.id, w.why from unnest($1::text[], $2::text[], $3::text[]) as w (t, o, why)
join refresh_families f on f.tenant_uid = w.t and f.origin = w.o where coalesce(f.ended_at, 0) = 0 order by f.tenant_uid, f.id for update of f)
update refresh_families f set ended_at = ` + clockPostgres + `, ended_why = held.why from held
where f.tenant_uid = held.tenant_uid and f.id = held.id and coalesce(f.ended_at, 0) = 0`

	// After the families: a rotation that was under way in another replica has committed its token then, or never will. The time is
	// the transaction's, so that the index leads to what is alive.
	endTokensPostgres = `insert into redemptions (tenant_uid, space, key, entry, expires_at)
select t.tenant_uid, 'revoked_token', convert_to(t.jti, 'UTF8') || '\x0000'::bytea, w.event, t.expires_at
from unnest($1::text[], $2::text[], $3::text[]) as w (t, o, event)
join issued_tokens t on t.tenant_uid = w.t and t.origin = w.o where t.expires_at > (extract(epoch from now()) * 1000000)::bigint - $4::bigint
order by 1, 3 on conflict do nothing`
)

func tenantNames(tenants []string) string { return strings.Join(tenants, " ") }

func familyColumns(families []ledger.FamilyClaim) []any {
	n := len(families)
	tenants, ids, generations := make([]string, n), make([]string, n), make([]int64, n)
	for i, f := range families {
		tenants[i], ids[i], generations[i] = f.Tenant.String(), f.ID, f.From
	}
	return []any{tenants, ids, generations}
}

// readFamilies leaves what is not there at its zero value, which is not alive.
func readFamilies(rows pgx.Rows, families []ledger.FamilyStanding) error {
	var n int64
	var one ledger.FamilyStanding
	_, err := pgx.ForEachRow(rows, []any{&n, &one.Alive, &one.Generation}, func() error {
		if n < 1 || n > int64(len(families)) {
			return errors.New("a family was read that nobody asked for")
		}
		families[n-1] = one
		return nil
	})
	return err
}

// pageTenants are those whose families a page touches.
func pageTenants(p ledger.Page) string {
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, f := range p.Families {
		add(f.Tenant.String())
	}
	for _, m := range p.Moved {
		add(m.Tenant.String())
	}
	for _, e := range p.Ended {
		add(e.Tenant.String())
	}
	return tenantNames(names)
}

func queueFamilies(batch *pgx.Batch, p ledger.Page) error {
	if len(p.Families)+len(p.Moved)+len(p.Ended) == 0 {
		return nil
	}
	batch.Queue(nameTenantsPostgres, pageTenants(p))
	if n := len(p.Families); n > 0 {
		columns, err := beginColumns(p.Families)
		if err != nil {
			return err
		}
		batch.Queue(beginFamiliesPostgres, columns...)
	}
	if n := len(p.Moved); n > 0 {
		tenants, ids, from, idle := make([]string, n), make([]string, n), make([]int64, n), make([]int64, n)
		for i, m := range p.Moved {
			tenants[i], ids[i], from[i], idle[i] = m.Tenant.String(), m.Family, m.From, m.Idle.Microseconds()
		}
		batch.Queue(moveFamiliesPostgres, tenants, ids, from, idle)
	}
	if n := len(p.Ended); n > 0 {
		tenants, origins, why, events := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		for i, e := range p.Ended {
			tenants[i], origins[i], why[i], events[i] = e.Tenant.String(), e.Origin, e.Why, e.Event
		}
		batch.Queue(endFamiliesPostgres, tenants, origins, why)
		batch.Queue(endTokensPostgres, tenants, origins, events, ledger.Margin.Microseconds())
	}
	return nil
}

// familyTexts are a family's lists as they rest.
func familyTexts(f *ledger.Family) (resources, identity, amr string, err error) {
	for _, list := range []struct {
		of   any
		into *string
	}{{f.Resources, &resources}, {append([]string{}, f.Identity...), &identity}, {append([]string{}, f.AMR...), &amr}} {
		text, err := json.Marshal(list.of)
		if err != nil {
			return "", "", "", err
		}
		*list.into = string(text)
	}
	return resources, identity, amr, nil
}

func authTime(f *ledger.Family) sql.NullInt64 {
	return sql.NullInt64{Int64: f.AuthTime.UnixMicro(), Valid: !f.AuthTime.IsZero()}
}

func beginColumns(families []*ledger.Family) ([]any, error) {
	n := len(families)
	texts := make([][]string, 12)
	for i := range texts {
		texts[i] = make([]string, n)
	}
	sessions, offline, at := make([][]byte, n), make([]bool, n), make([]*int64, n)
	versions, idle, absolute := make([]int64, n), make([]int64, n), make([]int64, n)
	for i, f := range families {
		resources, identity, amr, err := familyTexts(f)
		if err != nil {
			return nil, err
		}
		sessions[i], offline[i], versions[i] = f.Session[:], f.Offline, f.Version
		idle[i], absolute[i] = f.Idle.Microseconds(), f.Absolute.Microseconds()
		if t := authTime(f); t.Valid {
			at[i] = &t.Int64
		}
		for c, text := range []string{
			f.Tenant.String(), f.ID, f.Origin, f.UserUID, f.ClientUID, f.IdPUID, f.Issuer, resources, identity, f.ACR, amr, f.Thumbprint,
		} {
			texts[c][i] = text
		}
	}
	return []any{
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], sessions, offline, texts[7], texts[8], texts[9], texts[10], at, texts[11],
		versions, idle, absolute,
	}, nil
}

// familiesSQLite reads families; nobody else writes until the transaction ends.
func familiesSQLite(ctx context.Context, tx *sql.Tx, families []ledger.FamilyClaim) ([]ledger.FamilyStanding, error) {
	if len(families) == 0 {
		return nil, nil
	}
	standing := make([]ledger.FamilyStanding, len(families))
	for i, f := range families {
		err := tx.QueryRowContext(ctx, "select ended_at is null, generation from refresh_families where tenant_uid = ? and id = ?",
			f.Tenant.String(), f.ID).Scan(&standing[i].Alive, &standing[i].Generation)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
	}
	return standing, nil
}

const (
	beginFamilySQLite = `insert into refresh_families
(tenant_uid, id, origin, user_uid, client_uid, idp_uid, issuer, session, offline, resources, identity, acr, amr, auth_time, jkt, version,
generation, began_at, rotated_at, idle_until, expires_at)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1, c.now, c.now, c.now + min($17, $18), c.now + $18
from (select ` + clockSQLite + ` as now) c`

	moveFamilySQLite = `update refresh_families set generation = generation + 1, rotated_at = ` + clockSQLite + `,
idle_until = min(` + clockSQLite + ` + $4, expires_at) where tenant_uid = $1 and id = $2 and generation = $3 and ended_at is null`

	endFamilySQLite = `update refresh_families set ended_at = ` + clockSQLite + `, ended_why = $3
where tenant_uid = $1 and origin = $2 and ended_at is null`

	endTokensSQLite = `insert into redemptions (tenant_uid, space, key, entry, expires_at)
select t.tenant_uid, 'revoked_token', cast(t.jti || x'0000' as blob), $3, t.expires_at from issued_tokens t
where t.tenant_uid = $1 and t.origin = $2 and t.expires_at > ` + clockSQLite + ` - $4 on conflict do nothing`
)

// writeFamilies is queueFamilies on SQLite.
func writeFamilies(ctx context.Context, tx *sql.Tx, p ledger.Page) error {
	for _, f := range p.Families {
		resources, identity, amr, err := familyTexts(f)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, beginFamilySQLite, f.Tenant.String(), f.ID, f.Origin, f.UserUID, f.ClientUID, f.IdPUID, f.Issuer, f.Session[:],
			f.Offline, resources, identity, f.ACR, amr, authTime(f), f.Thumbprint, f.Version, f.Idle.Microseconds(), f.Absolute.Microseconds()); err != nil {
			return err
		}
	}
	for _, m := range p.Moved {
		if _, err := tx.ExecContext(ctx, moveFamilySQLite, m.Tenant.String(), m.Family, m.From, m.Idle.Microseconds()); err != nil {
			return err
		}
	}
	for _, e := range p.Ended {
		if _, err := tx.ExecContext(ctx, endFamilySQLite, e.Tenant.String(), e.Origin, e.Why); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, endTokensSQLite, e.Tenant.String(), e.Origin, e.Event, ledger.Margin.Microseconds()); err != nil {
			return err
		}
	}
	return nil
}

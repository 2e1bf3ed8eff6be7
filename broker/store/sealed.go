package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/rewrap"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
)

// Sealed finds what rests sealed, in every table that holds such a thing. A table that begins to do so belongs into lasting
// or passing; a test compares them with the schema.
type Sealed struct{ store *Store }

var _ rewrap.Store = Sealed{}

// Sealed opens them.
func (s *Store) Sealed() Sealed { return Sealed{s} }

// lastingTable holds blobs that stay: they are moved to a newer key.
type lastingTable struct {
	name, id, extra string // columns; extra is '' where the place needs no more
	installation    bool   // it belongs to no tenant
	place           func(t tenant.UID, id, extra string) (vault.AAD, error)
}

var lasting = []lastingTable{
	{"signing_keys", "kid", "''", false, func(t tenant.UID, id, _ string) (vault.AAD, error) { return keys.SigningPlace(t, id), nil }},
	{"service_provider_keys", "kid", "purpose", false, func(t tenant.UID, id, purpose string) (vault.AAD, error) {
		return keys.ServiceProviderPlace(t, id, keys.Purpose(purpose)), nil
	}},
	{"checkpoint_keys", "kid", "''", true, func(_ tenant.UID, id, _ string) (vault.AAD, error) { return keys.CheckpointPlace(id), nil }},
	{"installation_secrets", "version", "''", true, func(_ tenant.UID, id, _ string) (vault.AAD, error) {
		version, err := strconv.Atoi(id)
		return keys.SecretPlace(version), err
	}},
}

// passing are blobs that go by themselves, with what they belong to: a session's end, minutes, hours.
var passing = []struct{ table, column string }{
	{"sessions", "hint"},
	{"departures", "sealed"},
	{"interactions", "sealed"},
	{"idp_captures", "record"},
	{"connect_links", "sealed"},
	{"connect_trips", "sealed"},
}

// Tables implements rewrap.Store.
func (s Sealed) Tables(root bool) []rewrap.Table {
	var all []rewrap.Table
	for _, l := range lasting {
		if root || !l.installation {
			all = append(all, rewrap.Table(l.name))
		}
	}
	return all
}

func lastingOf(table rewrap.Table) (lastingTable, error) {
	for _, l := range lasting {
		if l.name == string(table) {
			return l, nil
		}
	}
	return lastingTable{}, fmt.Errorf("store: nothing of table %q is moved", table)
}

// whose limits a statement to a tenant's rows; the installation's belong to whoever asks for them.
func (l lastingTable) whose() string {
	if l.installation {
		return "cast($1 as text) is not null"
	}
	return "tenant_uid = $1"
}

// Next implements rewrap.Store.
func (s Sealed) Next(ctx context.Context, t tenant.UID, table rewrap.Table, prefix []byte, after string, limit int) ([]rewrap.Row, error) {
	l, err := lastingOf(table)
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf("select cast(%[1]s as text), %[2]s, sealed from %[3]s where %[4]s and substr(sealed, 1, %[5]d) <> $2 and cast(%[1]s as text) > $3 order by cast(%[1]s as text) limit $4", //nolint:gosec // names of the program's own
		l.id, l.extra, l.name, l.whose(), len(prefix))
	var all []rewrap.Row
	err = s.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, t.String(), prefix, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var row rewrap.Row
			var extra string
			if err := rows.Scan(&row.ID, &extra, &row.Blob); err != nil {
				return err
			}
			if row.Place, err = l.place(t, row.ID, extra); err != nil {
				return err
			}
			all = append(all, row)
		}
		return rows.Err()
	})
	return all, err
}

// Replace implements rewrap.Store.
func (s Sealed) Replace(ctx context.Context, t tenant.UID, table rewrap.Table, row rewrap.Row, blob []byte) error {
	l, err := lastingOf(table)
	if err != nil {
		return err
	}
	query := fmt.Sprintf("update %s set sealed = $4 where %s and cast(%s as text) = $2 and sealed = $3", l.name, l.whose(), l.id) //nolint:gosec // names of the program's own
	return s.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, query, t.String(), row.ID, row.Blob, blob)
		if err != nil {
			return err
		}
		return onlyOne(done, rewrap.ErrMoved)
	})
}

// Count implements rewrap.Store.
func (s Sealed) Count(ctx context.Context, t tenant.UID, root bool, prefixes [][]byte) ([]rewrap.Count, error) {
	var counts []rewrap.Count
	err := s.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		count := func(table, column, whose string, soon bool) error {
			c := rewrap.Count{Table: table, Soon: soon, By: make([]int64, len(prefixes))}
			sums, args, into := []string{"count(*)"}, []any{t.String()}, []any{&c.All}
			for i, prefix := range prefixes {
				args = append(args, prefix)
				sums = append(sums, fmt.Sprintf("coalesce(sum(case when substr(%s, 1, %d) = $%d then 1 else 0 end), 0)", column, len(prefix), len(args)))
				into = append(into, &c.By[i])
			}
			query := fmt.Sprintf("select %s from %s where %s and %s is not null", strings.Join(sums, ", "), table, whose, column) //nolint:gosec // names of the program's own
			if err := tx.QueryRowContext(ctx, query, args...).Scan(into...); err != nil {
				return err
			}
			counts = append(counts, c)
			return nil
		}
		for _, l := range lasting {
			if l.installation && !root {
				continue
			}
			if err := count(l.name, "sealed", l.whose(), false); err != nil {
				return err
			}
		}
		if err := count("connections", "credential", "tenant_uid = $1", false); err != nil {
			return err
		}
		for _, p := range passing {
			if err := count(p.table, p.column, "tenant_uid = $1", true); err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// sqliteJournal writes a batch on the one write connection. Nobody else writes
// meanwhile, so the shared and the exclusive lock are the database's own.
type sqliteJournal struct{ *Store }

func (j *sqliteJournal) Start(ctx context.Context, writer string) (audit.Head, error) {
	// Only one process has the file, so every other writer of it is gone.
	_, err := j.write.ExecContext(ctx, "update audit_writers set sealed_at = "+clockSQLite+" where sealed_at is null")
	if err != nil {
		return audit.Head{}, err
	}
	return j.startWriter(ctx, writer)
}

func (j *sqliteJournal) Head(ctx context.Context, writer string) (audit.Head, error) {
	return j.writerHead(ctx, writer)
}

// closeConn gives a connection back without a transaction: a commit that failed leaves one open.
func closeConn(conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = conn.ExecContext(ctx, "rollback") // refused when there is none, as nearly always
	_ = conn.Close()
}

// Write implements ledger.Journal.
func (j *sqliteJournal) Write(ctx context.Context, b ledger.Batch) error {
	conn, err := j.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return classifySQLite(err)
	}
	defer func() { _ = tx.Rollback() }()
	standing, err := claimSQLite(ctx, tx, b)
	if err != nil {
		return classifySQLite(err)
	}
	page := b.Settle(standing)
	if len(page.Rows) == 0 {
		return tx.Rollback()
	}
	if err := takeBack(ctx, tx, page); err != nil {
		return classifySQLite(err)
	}
	if err := writePage(ctx, tx, page); err != nil {
		return classifySQLite(err)
	}
	if err := tx.Commit(); err != nil {
		return unknownSQLite(err)
	}
	return nil
}

func claimSQLite(ctx context.Context, tx *sql.Tx, b ledger.Batch) (ledger.Standing, error) {
	standing := ledger.Standing{Versions: map[tenant.UID]int64{}, Fresh: make([]bool, len(b.Claims))}
	var now int64
	if err := tx.QueryRowContext(ctx, "select "+clockSQLite).Scan(&now); err != nil {
		return standing, err
	}
	standing.Now = time.UnixMicro(now)
	for i, p := range b.Pictures {
		if i > 0 && b.Pictures[i-1].Tenant == p.Tenant {
			continue
		}
		var version int64
		err := tx.QueryRowContext(ctx, "select version from tenant_versions where tenant_uid = ?", p.Tenant.String()).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return standing, err
		}
		standing.Versions[p.Tenant] = version
	}
	if err := insertClaims(ctx, tx, b.Claims, standing.Fresh); err != nil {
		return standing, err
	}
	var err error
	standing.Families, err = familiesSQLite(ctx, tx, b.Families)
	return standing, err
}

// insertClaims tells which claims were not there before; fresh may be nil.
func insertClaims(ctx context.Context, tx *sql.Tx, claims []ledger.Claim, fresh []bool) error {
	if len(claims) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, "insert into redemptions (tenant_uid, space, key, entry, expires_at) "+
		"values (?, ?, ?, ?, ?) on conflict do nothing")
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range claims {
		c := &claims[i]
		done, err := insert.ExecContext(ctx, c.Tenant.String(), string(c.Space), c.Key[:], c.Entry, c.ExpiresAt.UnixMicro())
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		if fresh != nil {
			fresh[i] = n == 1
		}
	}
	return nil
}

func takeBack(ctx context.Context, tx *sql.Tx, p ledger.Page) error {
	for i := range p.Remove {
		c := &p.Remove[i]
		_, err := tx.ExecContext(ctx, "delete from redemptions where tenant_uid = ? and space = ? and key = ?",
			c.Tenant.String(), string(c.Space), c.Key[:])
		if err != nil {
			return err
		}
	}
	return insertClaims(ctx, tx, p.Insert, nil)
}

// writePage writes what follows the claims.
func writePage(ctx context.Context, tx *sql.Tx, p ledger.Page) error {
	if err := insertRows(ctx, tx, "audit_events",
		"writer, seq, at, tenant_uid, id, trace, type, outcome, code, body, leaf, link", len(p.Rows), func(i int) ([]any, error) {
			r := &p.Rows[i]
			e := &r.Event
			return []any{
				r.Writer, r.Seq, e.At.UnixMicro(), e.Tenant.String(), audit.Clean(e.ID), audit.Clean(e.Trace), string(e.Type),
				string(e.Outcome), audit.Clean(e.Code), string(r.Body), r.Leaf[:], r.Link[:],
			}, nil
		}); err != nil {
		return err
	}
	if err := insertRows(ctx, tx, "decisions",
		"tenant_uid, id, at, trace, action, allow, code, policies, input_hash, input, result", len(p.Decisions), func(i int) ([]any, error) {
			d := p.Decisions[i]
			policies, err := policiesJSON(d.Policies)
			return []any{
				d.Tenant.String(), d.ID, d.At.UnixMicro(), d.Trace, d.Action, d.Allow, d.Code, policies, d.InputHash[:],
				string(d.Input), string(d.Result),
			}, err
		}); err != nil {
		return err
	}
	if err := insertRows(ctx, tx, "issued_tokens",
		"tenant_uid, jti, issued_at, expires_at, kid, grant_type, client_uid, subject, idp_uid, resource_uid, audience, scope, "+
			"jkt, decision_id, trace, version, origin", len(p.Tokens), func(i int) ([]any, error) {
			t := p.Tokens[i]
			return []any{
				t.Tenant.String(), t.ID, t.IssuedAt.UnixMicro(), t.ExpiresAt.UnixMicro(), t.KeyID, t.GrantType, t.ClientUID,
				t.Subject, t.IdPUID, t.ResourceID, t.Audience, t.Scope, t.Thumbprint, t.DecisionID, t.Trace, t.Version,
				sql.NullString{String: t.Origin, Valid: t.Origin != ""},
			}, nil
		}); err != nil {
		return err
	}
	if err := writeFamilies(ctx, tx, p); err != nil {
		return err
	}
	moved, err := tx.ExecContext(ctx, "update audit_writers set seq = ?, link = ?, seen_at = "+clockSQLite+
		" where id = ? and seq = ? and link = ? and sealed_at is null",
		p.To.Seq, p.To.Link[:], p.From.Writer, p.From.Seq, p.From.Link[:])
	if err != nil {
		return err
	}
	if n, err := moved.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ledger.ErrHead, err)
	}
	return nil
}

func insertRows(ctx context.Context, tx *sql.Tx, table, columns string, n int, row func(int) ([]any, error)) error {
	if n == 0 {
		return nil
	}
	marks := strings.Repeat(", ?", strings.Count(columns, ",")+1)[2:]
	insert, err := tx.PrepareContext(ctx, "insert into "+table+" ("+columns+") values ("+marks+")") //nolint:gosec // names of this file only
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range n {
		values, err := row(i)
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	return nil
}

// classifySQLite tells a journal's errors apart.
func classifySQLite(err error) error {
	refused, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch refused.Code() & 0xff { // the rest is detail
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return fmt.Errorf("%w (%d)", ledger.ErrUnfit, refused.Code())
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w (%d)", ledger.ErrContended, refused.Code())
	default:
		return err
	}
}

// unknownSQLite is for a commit that failed: the head tells what became of it.
func unknownSQLite(err error) error { return fmt.Errorf("%w: %w", ledger.ErrUnknown, err) }

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Audit reads the log.
type Audit struct{ *Store }

// Audit is the reading side of the audit log.
func (s *Store) Audit() *Audit { return &Audit{s} }

// Export writes the whole log of one tenant, with the others' leaves bare.
func (a *Audit) Export(ctx context.Context, w io.Writer, t tenant.UID) error {
	if err := t.Check(); err != nil {
		return err
	}
	return a.export(ctx, w, t)
}

// ExportAll writes the whole log of every tenant.
func (a *Audit) ExportAll(ctx context.Context, w io.Writer) error {
	return a.export(ctx, w, tenant.UID{})
}

// export reads everything in one snapshot, or checkpoints could name events that were read too early.
func (a *Audit) export(ctx context.Context, w io.Writer, only tenant.UID) error {
	tx, err := a.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if a.dialect == SQLite { // a read transaction of SQLite is a snapshot by itself
		tx, err = a.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	}
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }()
	if a.dialect == Postgres { // a log of years takes longer than a request may
		if _, err := tx.ExecContext(ctx, "set local statement_timeout = 0"); err != nil {
			return withoutURL(err)
		}
		if _, err := tx.ExecContext(ctx, "set local idle_in_transaction_session_timeout = 0"); err != nil {
			return withoutURL(err)
		}
	}
	var micros int64
	if err := tx.QueryRowContext(ctx, "select "+a.clock()).Scan(&micros); err != nil {
		return withoutURL(err)
	}
	return audit.Export(ctx, w, book{tx}, only, time.UnixMicro(micros))
}

// book implements audit.Book.
type book struct{ tx *sql.Tx }

func (b book) each(ctx context.Context, query string, row func(*sql.Rows) error) error {
	rows, err := b.tx.QueryContext(ctx, query)
	if err != nil {
		return withoutURL(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return withoutURL(rows.Err())
}

// Writers implements audit.Book.
func (b book) Writers(ctx context.Context, yield func(audit.Writer) error) error {
	return b.each(ctx, "select id, anchor, started_at from audit_writers where seq > 0 order by id", func(rows *sql.Rows) error {
		var w audit.Writer
		var anchor []byte
		var at int64
		if err := rows.Scan(&w.ID, &anchor, &at); err != nil {
			return err
		}
		w.StartedAt = time.UnixMicro(at)
		if err := digest(&w.Anchor, anchor); err != nil {
			return fmt.Errorf("writer %s: %w", w.ID, err)
		}
		return yield(w)
	})
}

// Keys implements audit.Book.
func (b book) Keys(ctx context.Context, yield func(audit.PublicKey) error) error {
	return b.each(ctx, "select public_jwk from checkpoint_keys order by created_at, kid", func(rows *sql.Rows) error {
		var jwk string
		if err := rows.Scan(&jwk); err != nil {
			return err
		}
		key, err := audit.ParseJWK([]byte(jwk))
		if err != nil {
			return err
		}
		return yield(key)
	})
}

// Checkpoints implements audit.Book. They are exported as they are, changed or not: to judge is the verifier's.
func (b book) Checkpoints(ctx context.Context, yield func(audit.SignedCheckpoint) error) error {
	return b.each(ctx, "select body, signature from audit_checkpoints order by number", func(rows *sql.Rows) error {
		var c audit.SignedCheckpoint
		if err := rows.Scan(&c.Body, &c.Signature); err != nil {
			return err
		}
		return yield(c)
	})
}

// Events implements audit.Book.
func (b book) Events(ctx context.Context, yield func(audit.Exported) error) error {
	const query = "select writer, seq, tenant_uid, body, leaf, link from audit_events order by writer, seq"
	return b.each(ctx, query, func(rows *sql.Rows) error {
		var e audit.Exported
		var body sql.NullString
		var leaf, link []byte
		if err := rows.Scan(&e.Writer, &e.Seq, &e.Tenant, &body, &leaf, &link); err != nil {
			return err
		}
		if body.Valid {
			e.Body = []byte(body.String)
		}
		if err := digest(&e.Leaf, leaf); err != nil {
			return fmt.Errorf("writer %s, event %d: %w", e.Writer, e.Seq, err)
		}
		if err := digest(&e.Link, link); err != nil {
			return fmt.Errorf("writer %s, event %d: %w", e.Writer, e.Seq, err)
		}
		return yield(e)
	})
}

func digest(into *audit.Digest, from []byte) error {
	if len(from) != sha256.Size {
		return fmt.Errorf("a digest of %d bytes", len(from))
	}
	copy(into[:], from)
	return nil
}

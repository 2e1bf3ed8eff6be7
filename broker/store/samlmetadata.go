package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// SAMLMetadata keeps what SAML IdPs say of themselves. What counts changes through the ledger; when an IdP was asked is
// written by itself.
type SAMLMetadata struct {
	store  *Store
	ledger Applier
}

var _ samlmetadata.Store = (*SAMLMetadata)(nil)

// SAMLMetadata opens it.
func (s *Store) SAMLMetadata(ledger Applier) *SAMLMetadata {
	return &SAMLMetadata{store: s, ledger: ledger}
}

const samlColumns = "idp_uid, source, document, digest, accepted_at, pending, pending_digest, pending_since, checked_at, due_at, failure"

func scanSAML(scan func(...any) error) (samlmetadata.Row, error) {
	var r samlmetadata.Row
	var accepted, since, checked *int64
	var due int64
	if err := scan(&r.IdPUID, &r.Source, &r.Document, &r.Digest, &accepted, &r.Pending, &r.PendingDigest, &since, &checked, &due, &r.Failure); err != nil {
		return samlmetadata.Row{}, err
	}
	r.AcceptedAt, r.PendingSince, r.CheckedAt, r.DueAt = fromMicrosPtr(accepted), fromMicrosPtr(since), fromMicrosPtr(checked), fromMicros(due)
	return r, nil
}

// Metadata implements samlmetadata.Store.
func (m *SAMLMetadata) Metadata(ctx context.Context, t tenant.UID, idpUID string) (samlmetadata.Row, error) {
	var row samlmetadata.Row
	err := m.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) (err error) {
		row, err = scanSAML(tx.QueryRowContext(ctx, "select "+samlColumns+" from saml_metadata where tenant_uid = $1 and idp_uid = $2", t.String(), idpUID).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return samlmetadata.Row{}, samlmetadata.ErrNone
	}
	return row, err
}

// ListMetadata implements samlmetadata.Store.
func (m *SAMLMetadata) ListMetadata(ctx context.Context, t tenant.UID) ([]samlmetadata.Row, error) {
	var list []samlmetadata.Row
	err := m.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "select "+samlColumns+" from saml_metadata where tenant_uid = $1 order by idp_uid", t.String())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			row, err := scanSAML(rows.Scan)
			if err != nil {
				return err
			}
			list = append(list, row)
		}
		return rows.Err()
	})
	return list, err
}

// ClaimMetadata implements samlmetadata.Store.
func (m *SAMLMetadata) ClaimMetadata(ctx context.Context, t tenant.UID, idpUID, source string, hold time.Duration) (bool, error) {
	if err := t.Check(); err != nil {
		return false, err
	}
	if idpUID == "" || source == "" || hold <= 0 {
		return false, fmt.Errorf("%w: a claim needs an IdP, an address and a time", errIncomplete)
	}
	mine := false
	err := m.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range []string{
			"insert into saml_metadata (tenant_uid, idp_uid, source, due_at) values ($1, $2, $3, @now + $4) on conflict do nothing",
			"update saml_metadata set due_at = @now + $4 where tenant_uid = $1 and idp_uid = $2 and source = $3 and due_at <= @now",
		} {
			done, err := tx.ExecContext(ctx, m.store.withClock(statement), t.String(), idpUID, source, hold.Microseconds())
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			if err != nil {
				return err
			}
			if mine = n == 1; mine {
				return nil
			}
		}
		return nil
	})
	return mine && err == nil, err
}

// NoteMetadata implements samlmetadata.Store.
func (m *SAMLMetadata) NoteMetadata(ctx context.Context, t tenant.UID, row samlmetadata.Row) error {
	return m.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update saml_metadata set checked_at = $4, due_at = $5, failure = $6 where tenant_uid = $1 and idp_uid = $2 and source = $3",
			t.String(), row.IdPUID, row.Source, microsPtr(row.CheckedAt), row.DueAt.UnixMicro(), row.Failure)
		return err
	})
}

// ChangeMetadata implements samlmetadata.Store. All changes of a tenant run one after the other.
func (m *SAMLMetadata) ChangeMetadata(ctx context.Context, c samlmetadata.Change) error {
	if err := c.Tenant.Check(); err != nil {
		return err
	}
	var raise []ledger.ChangedObject
	if c.Raise {
		raise = []ledger.ChangedObject{{Kind: object.ChangedSAMLMetadata, UID: c.Row.IdPUID}}
	}
	_, err := m.ledger.Apply(ctx, ledger.Change{
		Tenant: c.Tenant, Raise: raise, Events: c.Events,
		Write: m.store.writeRaw(c.Tenant, raise, func(ctx context.Context, tx *sql.Tx) error { return writeSAML(ctx, tx, c) }),
	})
	return withoutURL(err)
}

func writeSAML(ctx context.Context, tx *sql.Tx, c samlmetadata.Change) error {
	const where = " where tenant_uid = $1 and idp_uid = $2 and source = $3 and digest = $4 and pending_digest = $5"
	args := []any{c.Tenant.String(), c.Row.IdPUID, c.Before.Source, c.Before.Digest, c.Before.PendingDigest}
	statement := "delete from saml_metadata" + where
	if !c.Delete {
		statement = "update saml_metadata set document = $6, digest = $7, accepted_at = $8, pending = $9, pending_digest = $10, pending_since = $11, " +
			"checked_at = $12, due_at = $13, failure = $14" + where
		r := c.Row
		args = append(args, orNull(r.Document), r.Digest, microsPtr(r.AcceptedAt), orNull(r.Pending), r.PendingDigest, microsPtr(r.PendingSince),
			microsPtr(r.CheckedAt), r.DueAt.UnixMicro(), r.Failure)
	}
	done, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n != 1 {
		return samlmetadata.ErrConflict
	}
	return err
}

// writeOf runs writes of one tenant that are no changes of what counts, in a transaction of their own.
func (m *SAMLMetadata) writeOf(ctx context.Context, t tenant.UID, write func(context.Context, *sql.Tx) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.store.limit)
	defer cancel()
	tx, err := m.store.write.BeginTx(ctx, nil)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if m.store.dialect == Postgres {
		if _, err := tx.ExecContext(ctx, nameTenantPostgres, t.String()); err != nil {
			return withoutURL(err)
		}
	}
	if err := write(ctx, tx); err != nil {
		return withoutURL(err)
	}
	return withoutURL(tx.Commit())
}

// writeRaw is writeIn for statements that are written out.
func (s *Store) writeRaw(t tenant.UID, raise []ledger.ChangedObject, write func(context.Context, *sql.Tx) error) func(context.Context, ledger.Tx) error {
	return func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		if err := write(ctx, conn); err != nil {
			return err
		}
		if s.dialect != Postgres || len(raise) == 0 {
			return nil
		}
		_, err = conn.ExecContext(ctx, "select pg_notify('"+channel+"', $1)", t.String())
		return err
	}
}

// orNull: an absent document is no empty one, on either engine.
func orNull(document []byte) any {
	if document == nil {
		return nil
	}
	return document
}

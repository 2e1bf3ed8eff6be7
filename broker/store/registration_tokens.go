package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// AddInitial implements registration.Store.
func (r *Registrations) AddInitial(ctx context.Context, i registration.Initial, e audit.Event) error {
	if err := i.Tenant.Check(); err != nil {
		return err
	}
	if i.ID == "" || i.Digest == (registration.Digest{}) || i.Uses < 1 || i.UsesLeft != i.Uses || i.ExpiresAt.IsZero() {
		return fmt.Errorf("%w: an initial access token needs an id, a digest, uses and an end", errIncomplete)
	}
	_, err := r.change(ctx, i.Tenant, nil, e, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into registration_tokens (tenant_uid, id, digest, note, created_by, created_at, expires_at, uses, uses_left) "+
			"values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			i.Tenant.String(), i.ID, i.Digest[:], i.Note, i.CreatedBy, i.CreatedAt.UnixMicro(), i.ExpiresAt.UnixMicro(), i.Uses, i.UsesLeft)
		return err
	})
	return err
}

// Initials implements registration.Store. Digests stay where they are.
func (r *Registrations) Initials(ctx context.Context, t tenant.UID) ([]registration.Initial, error) {
	var all []registration.Initial
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "select id, note, created_by, created_at, expires_at, uses, uses_left from registration_tokens where tenant_uid = $1 order by id", t.String())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one := registration.Initial{Tenant: t}
			var created, expires int64
			if err := rows.Scan(&one.ID, &one.Note, &one.CreatedBy, &created, &expires, &one.Uses, &one.UsesLeft); err != nil {
				return err
			}
			one.CreatedAt, one.ExpiresAt = fromMicros(created), fromMicros(expires)
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

// RemoveInitial implements registration.Store.
func (r *Registrations) RemoveInitial(ctx context.Context, t tenant.UID, id string, e audit.Event) error {
	if err := t.Check(); err != nil {
		return err
	}
	_, err := r.change(ctx, t, nil, e, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "delete from registration_tokens where tenant_uid = $1 and id = $2", t.String(), id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(registration.ErrUnknown, err)
		}
		return nil
	})
	return err
}

// DropInitials implements registration.Store.
func (r *Registrations) DropInitials(ctx context.Context, t tenant.UID, before time.Time) error {
	return r.aside(ctx, t, "delete from registration_tokens where tenant_uid = $1 and expires_at < $2", t.String(), before.UnixMicro())
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// One statement decides who begins, so that it is the row's lock that lets one of many, over all replicas.
const (
	beginRefresh = `update connections set refresh_state = 'in_flight', refresh_attempt = $4, refresh_by = $5, refresh_since = @now,
repeat_until = coalesce(repeat_until, $7)
where tenant_uid = $1 and id = $2 and version = $3 and status = 'connected' and (retry_at is null or retry_at <= @now)
and case when refresh_state = 'in_flight' then refresh_attempt else '' end = $6`

	saveRefresh = `update connections set version = version + 1, credential = $5, key_id = $6, sealed_at = $7, scopes = $8, expires_at = $9, refresh_at = $10,
status = case when refresh_state = 'lost' and status = 'reauthorization_required' then 'connected' else status end,
reason = case when refresh_state = 'lost' and status = 'reauthorization_required' then '' else reason end,
refresh_state = 'saved', failures = 0, failure = '', retry_at = null, repeat_until = null, updated_at = @now
where tenant_uid = $1 and id = $2 and version = $3 and refresh_attempt = $4 and refresh_state in ('in_flight', 'lost')`

	savedAlready = "select version = $3 + 1 and refresh_attempt = $4 and refresh_state = 'saved' from connections where tenant_uid = $1 and id = $2"

	failRefresh = `update connections set refresh_state = $4, failure = $5, failures = failures + $6, retry_at = @now + $7, repeat_until = coalesce(repeat_until, $8),
status = case when $9 = 1 and status = 'connected' then 'reauthorization_required' else status end,
reason = case when $9 = 1 and status = 'connected' then $5 else reason end, updated_at = @now
where tenant_uid = $1 and id = $2 and refresh_attempt = $3 and refresh_state = 'in_flight'`

	touchConnection = "update connections set used_at = $3, used_by = $4 where tenant_uid = $1 and id = $2 and (used_at is null or used_at < $3)"

	sealedOtherwise = " from connections where tenant_uid = $1 and key_id <> $2"

	rewrapNext = "select " + connectionColumns + ", credential" + sealedOtherwise + " and id > $3 order by id limit $4"

	rewrapConnection = "update connections set credential = $5, key_id = $6, sealed_at = $7 where tenant_uid = $1 and id = $2 and version = $3 and credential = $4"
)

// Begin implements connection.Store.
func (c *Connections) Begin(ctx context.Context, a connection.Attempt) error {
	if err := a.Validate(); err != nil {
		return err
	}
	return c.write(ctx, a.Tenant, connection.ErrMoved, beginRefresh, a.Tenant, a.ID, a.Version, a.Name, a.By, a.Over, microsPtr(a.RepeatUntil))
}

// Save implements connection.Store.
func (c *Connections) Save(ctx context.Context, a connection.Attempt, s connection.Successor) error {
	t, err := tenant.ParseUID(a.Tenant)
	if err != nil {
		return err
	}
	if err := errors.Join(a.Validate(), s.Validate()); err != nil {
		return err
	}
	scopes, err := scopeList(s.Scopes)
	if err != nil {
		return err
	}
	return c.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, c.store.withClock(saveRefresh), a.Tenant, a.ID, a.Version, a.Name, s.Blob, s.KeyID, s.SealedAt.UnixMicro(), scopes,
			microsPtr(s.ExpiresAt), microsPtr(s.RefreshAt))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 1 {
			return err
		}
		// The answer to a former try of the same may have been lost.
		var saved bool
		err = tx.QueryRowContext(ctx, savedAlready, a.Tenant, a.ID, a.Version, a.Name).Scan(&saved)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return connection.ErrGone
		case err == nil && !saved:
			return connection.ErrMoved
		default:
			return err
		}
	})
}

// Fail implements connection.Store.
func (c *Connections) Fail(ctx context.Context, a connection.Attempt, f connection.Failure) error {
	if err := a.Validate(); err != nil {
		return err
	}
	state := connection.Idle
	if f.Lost {
		state = connection.Lost
	}
	return c.write(ctx, a.Tenant, connection.ErrMoved, failRefresh, a.Tenant, a.ID, a.Name, string(state), f.Code, oneIf(f.Blame),
		f.RetryIn.Microseconds(), microsPtr(f.RepeatUntil), oneIf(f.Terminal))
}

func oneIf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Touch implements connection.Store. A connection that went is none to note anything of.
func (c *Connections) Touch(ctx context.Context, tenantUID, id, by string, at time.Time) error {
	return c.write(ctx, tenantUID, nil, touchConnection, tenantUID, id, at.UnixMicro(), by)
}

// RewrapNext implements connection.Store.
func (c *Connections) RewrapNext(ctx context.Context, tenantUID, keyID, after string, limit int) ([]connection.Stored, error) {
	return c.query(ctx, tenantUID, rewrapNext, tenantUID, keyID, after, max(1, min(limit, connection.MaxBatch)))
}

// RewrapLeft implements connection.Store.
func (c *Connections) RewrapLeft(ctx context.Context, tenantUID, keyID string) (left int64, err error) {
	t, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return 0, err
	}
	err = c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "select count(*)"+sealedOtherwise, tenantUID, keyID).Scan(&left)
	})
	return left, err
}

// Rewrap implements connection.Store.
func (c *Connections) Rewrap(ctx context.Context, from connection.Stored, s connection.Successor) error {
	if err := s.Validate(); err != nil {
		return err
	}
	return c.write(ctx, from.Tenant, connection.ErrMoved, rewrapConnection, from.Tenant, from.ID, from.Version, from.Blob, s.Blob, s.KeyID, s.SealedAt.UnixMicro())
}

// write runs one statement of one tenant; otherwise is what it says when no row was touched.
func (c *Connections) write(ctx context.Context, tenantUID string, otherwise error, statement string, args ...any) error {
	t, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return err
	}
	return c.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, c.store.withClock(statement), args...)
		if err != nil {
			return err
		}
		return onlyOne(done, otherwise)
	})
}

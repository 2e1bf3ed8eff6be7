package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// PendingRequests keeps authorization requests that wait for their person.
type PendingRequests struct{ store *Store }

var _ authorize.Requests = (*PendingRequests)(nil)

// PendingRequests opens them.
func (s *Store) PendingRequests() *PendingRequests { return &PendingRequests{store: s} }

// MaxRequests is how many one tenant keeps of requests that nobody authenticated for, of those that wait and of those that were
// pushed; and how many of each client that did. As for departures: what strangers fill must not be the disk that everything
// else is on, nor the room of those who are known.
const MaxRequests = 100_000

// whileRequests bounds an insert of a row of provedBy. No more are counted than are needed.
func whileRequests(table, provedBy, most string) string {
	return " where (select count(*) from (select 1 from " + table + " r where r.tenant_uid = $1 and r.proved_by = " + provedBy + " limit " + most + ") many) < " + most
}

// Keep implements authorize.Requests.
func (p *PendingRequests) Keep(ctx context.Context, t tenant.UID, r authorize.Pending) error {
	if r.Parameters == "" || r.CreatedAt.IsZero() || !r.ExpiresAt.After(r.CreatedAt) || r.Browser == [32]byte{} || r.Handle == [32]byte{} {
		return fmt.Errorf("%w: a request of nobody, for nothing, or for ever", errIncomplete)
	}
	progress, err := json.Marshal(r.Progress)
	if err != nil {
		return err
	}
	return p.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "insert into pending_requests (tenant_uid, handle, browser, parameters, progress, turn, created_at, expires_at, proved_by) "+ //nolint:gosec // texts of this package
			"select t.uid, $2, $3, $4, $5, 0, $6, $7, $8 from tenants t"+whileRequests("pending_requests", "$8", "$9")+" and t.uid = $1",
			t.String(), r.Handle[:], r.Browser[:], r.Parameters, string(progress), r.CreatedAt.UnixMicro(), r.ExpiresAt.UnixMicro(), r.ProvedBy, MaxRequests)
		if err != nil {
			return err
		}
		return onlyOne(done, authorize.ErrCrowded)
	})
}

// Find implements authorize.Requests.
func (p *PendingRequests) Find(ctx context.Context, t tenant.UID, handle [32]byte, now time.Time) (authorize.Pending, error) {
	found := authorize.Pending{Handle: handle}
	var browser []byte
	var progress string
	var created, expires int64
	err := p.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "select browser, parameters, progress, turn, created_at, expires_at, proved_by from pending_requests where tenant_uid = $1 and handle = $2 and expires_at > $3",
			t.String(), handle[:], now.UnixMicro()).Scan(&browser, &found.Parameters, &progress, &found.Turn, &created, &expires, &found.ProvedBy)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return authorize.Pending{}, authorize.ErrNotWaiting
	case err != nil:
		return authorize.Pending{}, err
	case len(browser) != len(found.Browser):
		return authorize.Pending{}, errors.New("pending_requests: a digest of another length")
	}
	if err := json.Unmarshal([]byte(progress), &found.Progress); err != nil {
		return authorize.Pending{}, fmt.Errorf("pending_requests: %w", err)
	}
	found.Browser, found.CreatedAt, found.ExpiresAt = [32]byte(browser), time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
	return found, nil
}

// Move implements authorize.Requests.
func (p *PendingRequests) Move(ctx context.Context, t tenant.UID, handle [32]byte, turn int64, to authorize.Progress) error {
	progress, err := json.Marshal(to)
	if err != nil {
		return err
	}
	return p.one(ctx, t, "update pending_requests set progress = $4, turn = turn + 1 where tenant_uid = $1 and handle = $2 and turn = $3",
		t.String(), handle[:], turn, string(progress))
}

// Take implements authorize.Requests.
func (p *PendingRequests) Take(ctx context.Context, t tenant.UID, handle [32]byte, now time.Time) error {
	return p.one(ctx, t, "delete from pending_requests where tenant_uid = $1 and handle = $2 and expires_at > $3", t.String(), handle[:], now.UnixMicro())
}

func (p *PendingRequests) one(ctx context.Context, t tenant.UID, statement string, args ...any) error {
	return p.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return firstOf(err, authorize.ErrNotWaiting)
		}
		return nil
	})
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// PushedRequests keeps authorization requests that clients pushed.
type PushedRequests struct{ store *Store }

var _ authorization.Store = (*PushedRequests)(nil)

// PushedRequests opens them.
func (s *Store) PushedRequests() *PushedRequests { return &PushedRequests{store: s} }

// Push implements authorization.Store.
func (p *PushedRequests) Push(ctx context.Context, t tenant.UID, h authorization.Handle, r authorization.PushedRequest) error {
	if r.ClientUID == "" || r.Parameters == "" || r.ExpiresAt.IsZero() || r.ProvedBy != "" && r.ProvedBy != r.ClientUID {
		return fmt.Errorf("%w: a pushed request of nobody, for nothing, or for ever", errIncomplete)
	}
	return p.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "insert into pushed_requests (tenant_uid, handle, client_uid, parameters, expires_at, proved_by) "+ //nolint:gosec // texts of this package
			"select t.uid, $2, $3, $4, $5, $6 from tenants t"+whileRequests("pushed_requests", "$6", "$7")+" and t.uid = $1",
			t.String(), h[:], r.ClientUID, r.Parameters, r.ExpiresAt.UnixMicro(), r.ProvedBy, MaxRequests)
		if err != nil {
			return err
		}
		return onlyOne(done, authorization.ErrCrowded)
	})
}

// Take implements authorization.Store: one statement finds and removes.
func (p *PushedRequests) Take(ctx context.Context, t tenant.UID, h authorization.Handle, clientUID string, now time.Time) (authorization.PushedRequest, error) {
	taken := authorization.PushedRequest{ClientUID: clientUID}
	var expires int64
	err := p.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "delete from pushed_requests where tenant_uid = $1 and handle = $2 and client_uid = $3 and expires_at > $4 returning parameters, expires_at, proved_by",
			t.String(), h[:], clientUID, now.UnixMicro()).Scan(&taken.Parameters, &expires, &taken.ProvedBy)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return authorization.PushedRequest{}, authorization.ErrNotPushed
	case err != nil:
		return authorization.PushedRequest{}, err
	}
	taken.ExpiresAt = time.UnixMicro(expires).UTC()
	return taken, nil
}

// sweepRequests removes requests, pending and pushed, that have ended.
func (s *Store) sweepRequests(ctx context.Context, db execer) (int64, error) {
	ended := "expires_at < " + s.clock()
	return s.sweepEnded(ctx, db, "chancery_sweep_requests", map[string]string{"pending_requests": ended, "pushed_requests": ended})
}

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/ledger"
)

// Redeemed tells whether r was redeemed, by its key alone. What was not may be a moment later: only the journal, which
// redeems, settles that.
func (s *Store) Redeemed(ctx context.Context, r ledger.Redemption) (bool, error) {
	if err := r.Tenant.Check(); err != nil {
		return false, err
	}
	if r.Space == "" {
		return false, fmt.Errorf("%w: a redemption without a space", errIncomplete)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var redeemed bool
	err := s.read.QueryRowContext(ctx, "select exists (select 1 from redemptions where tenant_uid = $1 and space = $2 and key = $3)",
		r.Tenant.String(), string(r.Space), r.Key[:]).Scan(&redeemed)
	if err != nil {
		return false, errors.Join(ledger.ErrUnavailable, withoutURL(err))
	}
	return redeemed, nil
}

package session

import (
	"context"

	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Lasts is Alive without the idle limit. That limit is against a browser that was left alone; a client to which its person
// gave access within the session comes by itself, sees no page, and has limits of its own. So what was given within a
// session lasts until that ends, by whomever, or reaches its absolute end.
func (k *Keeper) Lasts(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*Session, error) {
	s, err := k.Store.Follow(ctx, t.UID, handle)
	seen := s.SeenAt
	s.SeenAt = k.Now()
	alive, err := k.judge(ctx, t, s, err)
	if alive != nil {
		alive.SeenAt = seen
	}
	return alive, err
}

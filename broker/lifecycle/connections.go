package lifecycle

import (
	"context"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Connections are what users and clients connected at other services. A revocation ends them too, here at once and at the
// provider as soon as it answers: whoever took a person's agent must not go on at the person's accounts.
type Connections interface {
	// CountHeld counts what a user or a client has not ended.
	CountHeld(ctx context.Context, t tenant.UID, kind Kind, uid string) (int64, error)
	// RevokeHeld ends all of it, and tells how many there were.
	RevokeHeld(ctx context.Context, t tenant.UID, kind Kind, uid string, q Request) (int64, error)
}

// holds tells whether a holder can own connections.
func (r *Revoker) holds(kind Kind) bool {
	return r.Connections != nil && (kind == User || kind == Client)
}

func (r *Revoker) countConnections(ctx context.Context, t tenant.UID, h Holder) (int64, error) {
	if !r.holds(h.Kind) {
		return 0, nil
	}
	return r.Connections.CountHeld(ctx, t, h.Kind, h.UID)
}

// endConnections never fails: the tokens are dead. What could not be ended is told, and the caller may ask again.
func (r *Revoker) endConnections(ctx context.Context, t tenant.UID, h Holder, q Request) int64 {
	if !r.holds(h.Kind) {
		return 0
	}
	n, err := r.Connections.RevokeHeld(ctx, t, h.Kind, h.UID, q)
	if err != nil {
		r.Log.Error("what was connected could not all be ended: revoke again", "kind", h.Kind, "uid", h.UID, "error", err)
		return uncounted
	}
	return n
}

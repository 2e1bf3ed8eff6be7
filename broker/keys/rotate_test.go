package keys

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

func TestRotate(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	out, err := r.Rotate(t.Context(), one, ES256, admin)
	if err != nil {
		t.Fatal(err)
	}
	if out.KeyID != first.KeyID() || out.Successor == "" || out.SignsAt.Sub(b.now()) < 2*b.config.JWKSMaxAge {
		t.Fatalf("outcome %+v", out)
	}
	if ids := published(t, ring(t, r, one)); !slices.Contains(ids, out.Successor) {
		t.Fatal("the successor is not published at once")
	}
	b.advance(time.Minute)
	again, err := r.Rotate(t.Context(), one, ES256, admin)
	if err != nil || again.Successor != out.Successor || again.SignsAt.After(out.SignsAt) {
		t.Fatalf("again %+v, %v", again, err)
	}
	b.advance(out.SignsAt.Sub(b.now()))
	if s := signer(t, r, one, ES256); s.KeyID() != out.Successor {
		t.Fatal("the successor does not sign")
	}
	if event := b.store.events[1]; event.Type != audit.TypeKeyPrepared || event.Principal != admin || event.Detail["kid"] != out.Successor {
		t.Fatalf("event %+v", event)
	}
	if len(b.store.raised) != 0 {
		t.Fatal("a rotation takes nothing away, and raised the version")
	}
}

func TestRotateWithoutAKey(t *testing.T) {
	b := newBench(t)
	if _, err := b.replica(t).Rotate(t.Context(), one, ES256, admin); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

// A successor that the schedule prepared with time to spare comes forward, but
// never before verifiers, and other replicas, can know.
func TestRotateBringsAPreparedKeyForward(t *testing.T) {
	b := newBench(t)
	r, other := b.replica(t), b.replica(t)
	ring(t, r, one)
	out, err := r.Rotate(t.Context(), one, ES256, admin)
	if err != nil {
		t.Fatal(err)
	}
	b.store.edit(one, out.Successor, func(row *Row) { row.ActiveAt = row.ActiveAt.Add(24 * time.Hour) })
	ring(t, other, one)
	b.advance(5 * time.Minute)
	out, err = r.Rotate(t.Context(), one, ES256, admin)
	if err != nil {
		t.Fatal(err)
	}
	created := b.store.all(one, Prepared)[0].CreatedAt
	if out.SignsAt.Sub(created) < 2*b.config.JWKSMaxAge || out.SignsAt.Sub(b.now()) > b.config.schedule().lead {
		t.Fatalf("signs %s after it was published, %s from now", out.SignsAt.Sub(created), out.SignsAt.Sub(b.now()))
	}
}

func TestRetire(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	out, err := r.Retire(t.Context(), one, first.KeyID(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if s := signer(t, r, one, ES256); s.KeyID() != first.KeyID() {
		t.Fatal("nobody has seen the successor and it signs")
	}
	if _, err := r.Retire(t.Context(), one, out.Successor, admin); !errors.Is(err, ErrState) {
		t.Fatalf("a prepared key was retired: %v", err)
	}
	b.advance(out.SignsAt.Sub(b.now()))
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	retiring := b.store.all(one, Retiring)
	if len(retiring) != 1 || retiring[0].ExpiresAt.Sub(b.now()) < b.config.LongestToken+b.config.ClockSkew {
		t.Fatalf("retiring %+v", retiring)
	}
	again, err := r.Retire(t.Context(), one, first.KeyID(), admin)
	if err != nil || again.State != Retiring {
		t.Fatalf("again %+v, %v", again, err)
	}
	b.advance(retiring[0].ExpiresAt.Sub(b.now()))
	if got := len(ring(t, r, one).Keys()); got != 1 {
		t.Fatalf("%d keys verify after the retiring one's end", got)
	}
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ids := published(t, ring(t, r, one)); slices.Contains(ids, first.KeyID()) {
		t.Fatal("still published")
	}
	if _, err := r.Retire(t.Context(), one, first.KeyID(), admin); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestRevokeTheOnlyKey(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	compact, err := first.Sign("at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Revoke(t.Context(), one, first.KeyID(), "it leaked", admin)
	if err != nil {
		t.Fatal(err)
	}
	now := signer(t, r, one, ES256)
	if now.KeyID() == first.KeyID() || now.KeyID() != out.Successor {
		t.Fatalf("signs %s, outcome %+v", now.KeyID(), out)
	}
	if !out.SeenBy.Equal(b.now().Add(b.config.JWKSMaxAge)) {
		t.Fatalf("seen by %s", out.SeenBy)
	}
	if ids := published(t, ring(t, r, one)); slices.Contains(ids, first.KeyID()) {
		t.Fatal("a revoked key is published")
	}
	if verifies(t, compact, ring(t, r, one).Keys()) {
		t.Fatal("a revoked key's token verifies")
	}
	if raised := b.store.raised; len(raised) != 1 || raised[0].UID != first.KeyID() || raised[0].Kind != KindSigningKey {
		t.Fatalf("raised %+v", raised)
	}
	if again, err := r.Revoke(t.Context(), one, first.KeyID(), "", admin); err != nil || again.State != Revoked || len(b.store.raised) != 1 {
		t.Fatalf("again %+v, %v", again, err)
	}
	b.advance(10 * b.config.RotateEvery)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if revoked := b.store.all(one, Revoked); len(revoked) != 1 {
		t.Fatal("a revoked key was forgotten")
	}
}

func TestRevokeUsesTheAnnouncedSuccessor(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	planned, err := r.Rotate(t.Context(), one, ES256, admin)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Revoke(t.Context(), one, first.KeyID(), "", admin)
	if err != nil || out.Successor != planned.Successor {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	if s := signer(t, r, one, ES256); s.KeyID() != planned.Successor {
		t.Fatal("it does not sign at once")
	}
	if len(b.store.rows[one]) != 2 {
		t.Fatal("another key was made")
	}
}

func TestRevokeAnother(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *bench, *Rings) string{
		"prepared": func(t *testing.T, _ *bench, r *Rings) string {
			out, err := r.Rotate(t.Context(), one, ES256, admin)
			if err != nil {
				t.Fatal(err)
			}
			return out.Successor
		},
		"retiring": func(t *testing.T, b *bench, r *Rings) string {
			out, err := r.Rotate(t.Context(), one, ES256, admin)
			if err != nil {
				t.Fatal(err)
			}
			b.advance(out.SignsAt.Sub(b.now()))
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			return out.KeyID
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			r := b.replica(t)
			ring(t, r, one)
			id := prepare(t, b, r)
			before := signer(t, r, one, ES256)
			out, err := r.Revoke(t.Context(), one, id, "", admin)
			if err != nil || out.Successor != before.KeyID() {
				t.Fatalf("outcome %+v, %v", out, err)
			}
			if s := signer(t, r, one, ES256); s.KeyID() != before.KeyID() {
				t.Fatal("the signing key changed")
			}
			if ids := published(t, ring(t, r, one)); slices.Contains(ids, id) {
				t.Fatal("still published")
			}
		})
	}
}

// Another replica learns of a revocation by the tenant's version, and reloads.
func TestRevokeReachesAnotherReplica(t *testing.T) {
	b := newBench(t)
	r, other := b.replica(t), b.replica(t)
	first := signer(t, r, one, ES256)
	ring(t, other, one)
	out, err := r.Revoke(t.Context(), one, first.KeyID(), "", admin)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Reload(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if s := signer(t, other, one, ES256); s.KeyID() != out.Successor {
		t.Fatalf("the other replica signs with %s", s.KeyID())
	}
}

func TestRevokeOfAnotherTenantsKey(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	theirs := signer(t, r, two, ES256)
	ring(t, r, one)
	if _, err := r.Revoke(t.Context(), one, theirs.KeyID(), "", admin); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

// What may have been written must not be signed past: the ring is read again
// before anything else.
func TestUnknownOutcomeDropsTheRing(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	r.config.Store = &uncertain{memory: b.store}
	if _, err := r.Revoke(t.Context(), one, first.KeyID(), "", admin); !errors.Is(err, errDB) {
		t.Fatalf("got %v", err)
	}
	if s := signer(t, r, one, ES256); s.KeyID() == first.KeyID() {
		t.Fatal("the revoked key signs on")
	}
}

func TestList(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	first := signer(t, r, one, ES256)
	b.advance(time.Second)
	out, err := r.Revoke(t.Context(), one, first.KeyID(), "", admin)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.List(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].KeyID != first.KeyID() || rows[0].State != Revoked || rows[1].KeyID != out.Successor {
		t.Fatalf("rows %+v", rows)
	}
	for _, row := range rows {
		if row.Sealed != nil {
			t.Fatal("the sealed key is listed")
		}
	}
}

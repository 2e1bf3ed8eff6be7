package connection_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

type rewrapBench struct {
	*bench
	refs []connection.Ref
}

func newRewrapBench(t *testing.T, n int) rewrapBench {
	t.Helper()
	b := newBench(t, provider.SingleUse)
	refs := []connection.Ref{b.ref}
	for i := range n - 1 {
		b.clock.add(time.Millisecond)
		refs = append(refs, connectionOf(t, b, "usr_"+string(rune('a'+i))))
	}
	_, err := b.ring.Rotate(b.clock.now())
	must(t, err)
	return rewrapBench{b, refs}
}

func (b rewrapBench) rewrapper() connection.Rewrapper {
	return connection.Rewrapper{Store: b.memory, Sealer: b.sealer, Alert: b.config("x", nil).Alert, Now: b.clock.now}
}

func (b rewrapBench) sealedWith(t *testing.T, keyID string) (n int) {
	t.Helper()
	for _, ref := range b.refs {
		s, err := b.memory.Load(t.Context(), ref.Tenant, ref.ID)
		must(t, err)
		if s.KeyID == keyID {
			n++
		}
		if _, err := connection.Open(t.Context(), b.ring, ref, s); err != nil {
			t.Errorf("%s: %v", ref.ID, err)
		}
	}
	return n
}

func TestRewrap(t *testing.T) {
	b := newRewrapBench(t, 7)
	var told []connection.Progress
	p, err := b.rewrapper().Run(t.Context(), "ten_1", "", 3, func(p connection.Progress) { told = append(told, p) })
	if err != nil || p.Rewrapped != 7 || p.Failed != 0 || p.Moved != 0 || p.Left != 0 || len(told) != 3 || told[0].Left != 4 {
		t.Fatalf("%+v, %v, %+v", p, err, told)
	}
	if n := b.sealedWith(t, p.KeyID); n != 7 {
		t.Errorf("%d are sealed with %s", n, p.KeyID)
	}
	b.works(t, 1) // the same version
	if p, err = b.rewrapper().Run(t.Context(), "ten_1", "", 3, func(connection.Progress) {}); err != nil || p.Rewrapped != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	b.alerted(t)
}

// It is stopped half-way: what was done is done, and it goes on from there.
func TestRewrapResumes(t *testing.T) {
	b := newRewrapBench(t, 7)
	ctx, stop := context.WithCancel(t.Context())
	p, err := b.rewrapper().Run(ctx, "ten_1", "", 2, func(connection.Progress) { stop() })
	if !errors.Is(err, context.Canceled) || p.Rewrapped != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	if n := b.sealedWith(t, p.KeyID); n != 2 {
		t.Errorf("%d", n)
	}
	if p, err = b.rewrapper().Run(t.Context(), "ten_1", "", 2, func(connection.Progress) {}); err != nil || p.Rewrapped != 5 || b.sealedWith(t, p.KeyID) != 7 {
		t.Errorf("%+v, %v", p, err)
	}
}

// One that does not open stops no other, and is told of.
func TestRewrapGoesPastFailures(t *testing.T) {
	b := newRewrapBench(t, 5)
	must(t, b.memory.Alter("ten_1", b.refs[1].ID, func(s *connection.Stored) { s.Blob = b.first.Blob }))
	must(t, b.memory.Alter("ten_1", b.refs[3].ID, func(s *connection.Stored) { s.Version = 0 }))
	p, err := b.rewrapper().Run(t.Context(), "ten_1", "", 2, func(connection.Progress) {})
	if err != nil || p.Rewrapped != 3 || p.Failed != 2 || p.Left != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	b.alerted(t, connection.AlertUnopened, connection.AlertUnopened)
}

// One is refreshed, or removed, while it is rewrapped: what is newer stays.
func TestRewrapMeetsARefresh(t *testing.T) {
	b := newRewrapBench(t, 1)
	b.clock.add(time.Hour)
	r := b.rewrapper()
	r.Sealer = &meanwhile{sealer: b.sealer, run: func() { b.works(t, 2) }}
	p, err := r.Run(t.Context(), "ten_1", "", 10, func(connection.Progress) {})
	if err != nil || p.Moved != 1 || p.Rewrapped != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	b.works(t, 2)
}

type meanwhile struct {
	*sealer
	run func()
}

func (m *meanwhile) Open(ctx context.Context, blob []byte, aad vault.AAD) ([]byte, error) {
	if run := m.run; run != nil {
		m.run = nil
		run()
	}
	return m.sealer.Open(ctx, blob, aad)
}

// The sealer, or the store, is away: it ends soon, and says so.
func TestRewrapGivesUp(t *testing.T) {
	b := newRewrapBench(t, 9)
	b.sealer.away(false, true)
	p, err := b.rewrapper().Run(t.Context(), "ten_1", "", 3, func(connection.Progress) {})
	if !errors.Is(err, errSealerAway) || p.Rewrapped != 0 || p.Failed != 5 {
		t.Errorf("%+v, %v", p, err)
	}
	b.sealer.away(true, false)
	if _, err = b.rewrapper().Run(t.Context(), "ten_1", "", 3, func(connection.Progress) {}); !errors.Is(err, errSealerAway) {
		t.Errorf("%v", err)
	}
	b.sealer.away(false, false)
	b.memory.Break("Rewrap", 2) // a moment is survived
	if p, err = b.rewrapper().Run(t.Context(), "ten_1", "", 3, func(connection.Progress) {}); err != nil || p.Rewrapped != 7 || p.Failed != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, method := range []string{"RewrapNext", "RewrapLeft"} {
		b.memory.Break(method, 1)
		if _, err = b.rewrapper().Run(t.Context(), "ten_1", "", 3, func(connection.Progress) {}); err == nil {
			t.Errorf("%s", method)
		}
	}
}

func TestRewrapRefuses(t *testing.T) {
	b := newRewrapBench(t, 1)
	quiet := func(connection.Progress) {}
	for name, run := range map[string]func(r connection.Rewrapper) error{
		"no tenant": func(r connection.Rewrapper) error { _, err := r.Run(t.Context(), "", "", 1, quiet); return err },
		"no batch":  func(r connection.Rewrapper) error { _, err := r.Run(t.Context(), "ten_1", "", 0, quiet); return err },
		"too large": func(r connection.Rewrapper) error { _, err := r.Run(t.Context(), "ten_1", "", 1001, quiet); return err },
		"nobody":    func(r connection.Rewrapper) error { _, err := r.Run(t.Context(), "ten_1", "", 1, nil); return err },
		"no sealer": func(r connection.Rewrapper) error {
			r.Sealer = nil
			_, err := r.Run(t.Context(), "ten_1", "", 1, quiet)
			return err
		},
	} {
		if err := run(b.rewrapper()); !errors.Is(err, connection.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package connection_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/provider"
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is one connection of alice's, whose token lives for an hour, and a keeper.
type bench struct {
	clock  *clock
	memory *connectiontest.Memory
	ring   *keyring.Keyring
	sealer *sealer
	shelf  *connectiontest.Shelf
	fake   *connectiontest.Provider
	first  connection.Stored
	ref    connection.Ref
	points *points
	keeper *connection.Keeper

	mu     sync.Mutex
	alerts []connection.AlertKind
}

func newBench(t *testing.T, rotation provider.Rotation) *bench {
	t.Helper()
	b := &bench{clock: &clock{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}, shelf: &connectiontest.Shelf{}, points: &points{}}
	b.memory = connectiontest.NewMemory(b.clock.now)
	b.ring = connectiontest.Keyring(t, b.clock.now())
	b.sealer = &sealer{Sealer: b.ring}
	b.fake = connectiontest.NewProvider(rotation, time.Hour, b.clock.now)
	b.put(t, b.fake.Connect())
	b.keeper = b.another(t, "replica-1", b.points)
	return b
}

// put makes the connection hold a credential.
func (b *bench) put(t *testing.T, c provider.Credential) {
	t.Helper()
	b.ref = connectiontest.Ref("ten_1", b.clock.now())
	b.first = connectiontest.New(t, b.ring, b.ref, c, b.clock.now())
	must(t, b.memory.Create(t.Context(), b.first))
}

// another is the keeper of another process.
func (b *bench) another(t *testing.T, replica string, p connection.Failpoints) *connection.Keeper {
	t.Helper()
	k, err := connection.New(b.config(replica, p))
	must(t, err)
	t.Cleanup(func() { must(t, k.Close(context.WithoutCancel(t.Context()))) })
	return k
}

func (b *bench) config(replica string, p connection.Failpoints) connection.Config {
	return connection.Config{
		Store: b.memory, Sealer: b.sealer, Providers: b.fake, Shelf: b.shelf, Replica: replica, Now: b.clock.now, Log: connectiontest.Quiet(),
		Failpoints: p,
		Alert: func(_ context.Context, a connection.Alert) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.alerts = append(b.alerts, a.Kind)
		},
	}
}

func (b *bench) fresh(t *testing.T) (connection.Live, error) {
	t.Helper()
	return b.keeper.Fresh(t.Context(), b.ref, connection.Want{MinTTL: time.Minute})
}

// works wants a token, of that version, that the provider takes.
func (b *bench) works(t *testing.T, version int64) connection.Live {
	t.Helper()
	live, err := b.fresh(t)
	must(t, err)
	if live.Version != version || !b.fake.Works(live.Credential) {
		t.Fatalf("version %d, want %d; works: %v", live.Version, version, b.fake.Works(live.Credential))
	}
	return live
}

func (b *bench) refused(t *testing.T, want connection.Code) connection.Refusal {
	t.Helper()
	_, err := b.fresh(t)
	return isRefusal(t, err, want)
}

func isRefusal(t *testing.T, err error, want connection.Code) connection.Refusal {
	t.Helper()
	refusal, ok := errors.AsType[*connection.Refusal](err)
	if !ok || refusal.Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	return *refusal
}

func (b *bench) row(t *testing.T) connection.Stored {
	t.Helper()
	s, err := b.memory.Load(t.Context(), b.ref.Tenant, b.ref.ID)
	must(t, err)
	return s
}

func (b *bench) alerted(t *testing.T, want ...connection.AlertKind) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.alerts, want) {
		t.Errorf("alerts %v, want %v", b.alerts, want)
	}
}

func (b *bench) calls(t *testing.T, want int) {
	t.Helper()
	if got := b.fake.Calls(); got != want {
		t.Errorf("%d refreshes reached the provider, want %d", got, want)
	}
}

// answers lets the provider answer so, call after call, and then well.
func (b *bench) answers(lost bool, errs ...error) {
	b.fake.Answer = func(call int) (error, bool) {
		if call > len(errs) || errs[call-1] == nil {
			return nil, false
		}
		return errs[call-1], lost
	}
}

func says(outcome provider.Outcome) *provider.Error {
	return &provider.Error{Provider: "fake", Outcome: outcome}
}

// points kills at one of them, once.
type points struct {
	mu   sync.Mutex
	kill connection.Point
}

var errKilled = errors.New("killed")

func (p *points) Reach(at connection.Point) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kill != at {
		return nil
	}
	p.kill = ""
	return errKilled
}

// sealer counts, and may be away.
type sealer struct {
	vault.Sealer
	mu     sync.Mutex
	opened int
	noSeal bool
	noOpen bool
}

var errSealerAway = errors.New("the sealer is away")

func (s *sealer) Seal(ctx context.Context, plaintext []byte, aad vault.AAD) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noSeal {
		return nil, errSealerAway
	}
	return s.Sealer.Seal(ctx, plaintext, aad)
}

func (s *sealer) Open(ctx context.Context, blob []byte, aad vault.AAD) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	if s.noOpen {
		return nil, errSealerAway
	}
	return s.Sealer.Open(ctx, blob, aad)
}

func (s *sealer) away(seal, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noSeal, s.noOpen = seal, open
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

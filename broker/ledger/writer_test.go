package ledger_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// book is a journal in memory whose answers can be scripted.
type book struct {
	mu     sync.Mutex
	head   audit.Head
	keys   map[[32]byte]string
	rows   []audit.Row
	script []failure
	writes int
	starts int
}

// failure is what one write answers; landed says that it was written nevertheless.
type failure struct {
	err    error
	landed bool
	seal   bool // another replica seals the writer meanwhile
}

func (b *book) Start(_ context.Context, writer string) (audit.Head, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starts++
	b.head = audit.Head{Writer: writer, Link: audit.FirstLink(audit.Digest{}, writer)}
	return b.head, nil
}

func (b *book) Head(context.Context, string) (audit.Head, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.head, nil
}

func (b *book) Write(_ context.Context, batch ledger.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes++
	var f failure
	if len(b.script) > 0 {
		f, b.script = b.script[0], b.script[1:]
	}
	defer func() { b.head.Sealed = b.head.Sealed || f.seal }()
	if f.err != nil && !f.landed {
		return f.err
	}
	if b.head.Sealed || batch.Head.Link != b.head.Link {
		return ledger.ErrHead
	}
	standing := ledger.Standing{Now: time.Now(), Versions: map[tenant.UID]int64{acme: 1}, Fresh: make([]bool, len(batch.Claims))}
	for i, c := range batch.Claims {
		_, used := b.keys[c.Key]
		standing.Fresh[i] = !used
		if !used {
			b.keys[c.Key] = c.Entry
		}
	}
	page := batch.Settle(standing)
	for _, c := range page.Remove {
		delete(b.keys, c.Key)
	}
	for _, c := range page.Insert {
		b.keys[c.Key] = c.Entry
	}
	b.rows = append(b.rows, page.Rows...)
	b.head = page.To
	return f.err
}

func (b *book) Change(context.Context, ledger.Change, ledger.Page) (int64, error) {
	return 0, errors.New("not here")
}

// noCheckpoints keeps none.
type noCheckpoints struct{}

func (noCheckpoints) Beat(context.Context, string) (time.Time, *audit.SignedCheckpoint, []audit.Head, error) {
	return time.Time{}, nil, nil, nil
}
func (noCheckpoints) Seal(context.Context, string) error { return nil }
func (noCheckpoints) Add(context.Context, audit.SignedCheckpoint, []string) (bool, error) {
	return true, nil
}

type noSigner struct{}

func (noSigner) KeyID() string               { return "k" }
func (noSigner) Sign([]byte) (string, error) { return "s", nil }

func start(t *testing.T, script ...failure) (*ledger.Ledger, *book) {
	t.Helper()
	b := &book{keys: map[[32]byte]string{}, script: script}
	l, err := ledger.New(ledger.Config{
		Journal: b, Checkpoints: noCheckpoints{}, Signer: noSigner{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l, b
}

func entry(key string) ledger.Entry {
	now := time.Now()
	return ledger.Entry{
		Tenant: acme, Pictures: []ledger.Picture{{Tenant: acme, Version: 1}},
		Redemptions: []ledger.Redemption{{
			Tenant: acme, Space: ledger.SpaceAssertion, Key: sha256.Sum256([]byte(key)), ExpiresAt: now.Add(time.Minute), Code: "jti_replayed",
		}},
		Event: audit.Event{ID: id.New(id.Event, now), At: now, Tenant: acme, Type: audit.TypeTokenIssued, Outcome: audit.Allowed},
	}
}

func TestOutcomes(t *testing.T) {
	gone := errors.New("connection refused")
	unknown := fmt.Errorf("%w: reset by peer", ledger.ErrUnknown)
	for _, c := range []struct {
		name   string
		script []failure
		want   error
		rows   int
		starts int
	}{
		{"at once", nil, nil, 1, 1},
		{"the answer is lost, it landed", []failure{{err: unknown, landed: true}}, nil, 1, 1},
		{"the answer is lost, it did not land", []failure{{err: unknown}}, nil, 1, 1},
		{"lost twice, then it landed", []failure{{err: unknown}, {err: unknown, landed: true}}, nil, 1, 1},
		{"lost, landed, and sealed meanwhile", []failure{{err: unknown, landed: true, seal: true}}, nil, 1, 1},
		{"lost, not landed, and sealed meanwhile", []failure{{err: unknown, seal: true}}, nil, 1, 2},
		{"lost for good", []failure{{err: unknown}, {err: unknown}, {err: unknown}, {err: unknown}}, ledger.ErrUnavailable, 0, 1},
		{"a deadlock", []failure{{err: ledger.ErrContended}}, nil, 1, 1},
		{"a deadlock, twice", []failure{{err: ledger.ErrContended}, {err: ledger.ErrContended}}, ledger.ErrUnavailable, 0, 1},
		{"a bad value", []failure{{err: ledger.ErrUnfit}}, ledger.ErrUnfit, 0, 1},
		{"the database is gone", []failure{{err: gone}}, ledger.ErrUnavailable, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, b := start(t, c.script...)
			if err := l.Commit(t.Context(), entry("a")); !errors.Is(err, c.want) {
				t.Fatalf("got %v", err)
			}
			if len(b.rows) != c.rows || b.starts != c.starts {
				t.Errorf("%d rows by %d writers", len(b.rows), b.starts)
			}
			// What is queued while the writer gives up is turned away with it: the one after that is the next.
			err := l.Commit(t.Context(), entry("b"))
			if errors.Is(c.want, ledger.ErrUnavailable) && errors.Is(err, ledger.ErrUnavailable) {
				err = l.Commit(t.Context(), entry("b"))
			}
			if err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

func TestConflictKeepsTheEntrysID(t *testing.T) {
	l, b := start(t)
	if err := l.Commit(t.Context(), entry("a")); err != nil {
		t.Fatal(err)
	}
	again := entry("a")
	again.Conflict = func(lost ledger.Redemption) audit.Event {
		e := again.Event
		e.ID, e.Type, e.Outcome, e.Code = "another", audit.TypeTokenRefused, audit.Refused, lost.Code
		return e
	}
	conflict, ok := errors.AsType[*ledger.Conflict](l.Commit(t.Context(), again))
	if !ok || conflict.Lost.Code != "jti_replayed" {
		t.Fatalf("got %v", conflict)
	}
	if last := b.rows[len(b.rows)-1].Event; last.ID != again.Event.ID || last.Code != "jti_replayed" || last.Outcome != audit.Refused {
		t.Errorf("recorded %+v", last)
	}
}

func TestNewRefusesWhatIsAbsent(t *testing.T) {
	whole := ledger.Config{
		Journal: &book{}, Checkpoints: noCheckpoints{}, Signer: noSigner{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for name, spoil := range map[string]func(*ledger.Config){
		"journal": func(c *ledger.Config) { c.Journal = nil }, "checkpoints": func(c *ledger.Config) { c.Checkpoints = nil },
		"signer": func(c *ledger.Config) { c.Signer = nil }, "clock": func(c *ledger.Config) { c.Now = nil },
		"log": func(c *ledger.Config) { c.Log = nil }, "pace": func(c *ledger.Config) { c.Every = -1 },
	} {
		c := whole
		spoil(&c)
		if _, err := ledger.New(c); err == nil {
			t.Errorf("no %s", name)
		}
	}
}

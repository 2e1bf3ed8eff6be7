package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
)

// proxy stands between a store and its server, and cuts.
type proxy struct {
	listener net.Listener
	server   string
	// cutAnswers: the client's next bytes reach the server, and the connection is cut before the answer does.
	cutAnswers atomic.Int64
	down       atomic.Bool
	mu         sync.Mutex
	open       map[net.Conn]bool
}

// newProxy returns the proxy and the URL through it.
func newProxy(t *testing.T, direct string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: u.Host, open: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = listener.Close() })
	go p.serve()
	u.Host = listener.Addr().String()
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil || p.down.Load() {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.open[client] = true
		p.mu.Unlock()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		go p.answers(client, server)
	}
}

func (p *proxy) answers(client, server net.Conn) {
	defer client.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if p.cutAnswers.Load() > 0 && containsCommit(buffer[:n]) {
			p.cutAnswers.Add(-1)
			return // the server has committed, and nobody hears of it
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// containsCommit looks for CommandComplete "COMMIT".
func containsCommit(b []byte) bool {
	for i := 0; i+12 <= len(b); i++ {
		if string(b[i:i+12]) == "C\x00\x00\x00\x0bCOMMIT\x00" {
			return true
		}
	}
	return false
}

// cutAll breaks every connection and refuses new ones until up.
func (p *proxy) cutAll() {
	p.down.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
		delete(p.open, c)
	}
}

func TestCommitWhoseAnswerIsLost(t *testing.T) {
	direct := postgresDatabase(t)
	watch := openStore(t, direct)
	p, through := newProxy(t, direct)
	s := openStore(t, through)
	l := openLedger(t, s, s.Journal())
	if err := l.Commit(t.Context(), issue("before")); err != nil {
		t.Fatal(err)
	}
	used := issue("used")
	if err := l.Commit(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		p.cutAnswers.Store(1)
		fresh := issue(fmt.Sprint("cut ", i))
		if err := l.Commit(t.Context(), fresh); err != nil {
			t.Fatalf("it was committed, and the head tells so: %v", err)
		}
		if n := count(t, watch, "select count(*) from audit_events where id = $1", fresh.Event.ID); n != 1 {
			t.Fatalf("%d events", n)
		}
		// The same once more, for an entry that loses.
		p.cutAnswers.Store(1)
		lost(t, l.Commit(t.Context(), issue("used")), ledger.SpaceAssertion)
	}
	if n := count(t, watch, "select count(*) from audit_events"); n != 12 {
		t.Fatalf("%d events, want 12", n)
	}
	p.cutAnswers.Store(1)
	if version, err := l.Apply(t.Context(), change(nothing)); err != nil || version != 2 {
		t.Fatalf("a change: version %d, %v", version, err)
	}
	if n := count(t, watch, "select version from tenant_versions"); n != 2 {
		t.Fatalf("version %d", n)
	}
}

func TestDatabaseGoesAndComesBack(t *testing.T) {
	direct := postgresDatabase(t)
	p, through := newProxy(t, direct)
	s := openStore(t, through)
	l := openLedger(t, s, s.Journal())
	if err := l.Commit(t.Context(), issue("before")); err != nil {
		t.Fatal(err)
	}
	p.cutAll()
	for i := range 3 {
		begun := time.Now()
		if err := l.Commit(t.Context(), issue(fmt.Sprint("down ", i))); !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Fatalf("it took %s to say so", took)
		}
	}
	p.down.Store(false)
	waitFor(t, func() bool { return l.Commit(t.Context(), issue("back "+fmt.Sprint(time.Now().UnixNano()))) == nil })
}

func TestHungDatabaseIsAnsweredInTime(t *testing.T) {
	s := openStore(t, postgresDatabase(t))
	l := openLedger(t, s, s.Journal())
	if err := l.Commit(t.Context(), issue("before")); err != nil {
		t.Fatal(err)
	}
	// Somebody holds the rows that a commit needs.
	tx, err := s.SQL().Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("lock table audit_writers in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := l.Commit(t.Context(), issue(fmt.Sprint("hung ", i))); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.Commit(t.Context(), issue("free "+fmt.Sprint(time.Now().UnixNano()))) == nil })
}

func TestSealedWriterIsFencedAndBeginsAnew(t *testing.T) {
	engines(t, func(t *testing.T, _ string, s *store.Store) {
		journal := s.Journal()
		l := openLedger(t, s, journal)
		if err := l.Commit(t.Context(), issue("before")); err != nil {
			t.Fatal(err)
		}
		old := l.Writer()
		if err := s.Checkpoints().Seal(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		sealed, err := journal.Head(t.Context(), old)
		if err != nil || !sealed.Sealed || sealed.Seq != 1 {
			t.Fatalf("%+v %v", sealed, err)
		}
		e := issue("after")
		if err := l.Commit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if l.Writer() == old {
			t.Error("it goes on under a sealed name")
		}
		if n := count(t, s, "select count(*) from audit_events where writer = $1", old); n != 1 {
			t.Errorf("the sealed chain has %d events", n)
		}
		if n := count(t, s, "select count(*) from audit_events where id = $1 and seq = 1", e.Event.ID); n != 1 {
			t.Error("the entry is not the first of the new chain")
		}
		// A journal that does not know of it yet gets nowhere.
		rows, to := sealed.Append([]audit.Record{audit.NewRecord(issue("x").Event)})
		err = journal.Write(t.Context(), ledger.Batch{Head: sealed, Settle: func(ledger.Standing) ledger.Page {
			return ledger.Page{Rows: rows, From: sealed, To: to}
		}})
		if !errors.Is(err, ledger.ErrHead) {
			t.Errorf("a fenced writer wrote: %v", err)
		}
	})
}

func TestFullQueueSheds(t *testing.T) {
	s := openStore(t, "sqlite://"+t.TempDir()+"/chancery.db")
	j := &together{Journal: s.Journal(), gate: make(chan struct{})}
	l := openLedger(t, s, j)
	var all sync.WaitGroup
	var shed, done atomic.Int64
	for i := range 5000 {
		all.Go(func() {
			switch err := l.Commit(t.Context(), issue(fmt.Sprint(i))); {
			case errors.Is(err, ledger.ErrUnavailable):
				shed.Add(1)
			case err == nil:
				done.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	waitFor(t, func() bool { return shed.Load() > 0 })
	// Those who leave while they wait are not recorded.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Commit(ctx, issue("gone")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(j.gate)
	all.Wait()
	if done.Load() < 4096 || done.Load()+shed.Load() != 5000 {
		t.Errorf("%d done, %d shed", done.Load(), shed.Load())
	}
	if n := count(t, s, "select count(*) from audit_events"); int64(n) != done.Load() {
		t.Errorf("%d events for %d entries", n, done.Load())
	}
}

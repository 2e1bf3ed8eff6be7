package storetest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
)

// unreachable is what every room that is not a store's sees of a database that is away.
type unreachable interface {
	error
	Unavailable() bool
}

// reads are what the admin API asks of a store.
func reads(ctx context.Context, d *storetest.Database, s *store.Store, objects *store.Objects, tokens *store.Tokens, audit *store.Audit) map[string]func() error {
	return map[string]func() error{
		"tenants": func() error { _, err := objects.Tenants(ctx); return err },
		"get":     func() error { _, err := objects.Get(ctx, d.Default, object.KindClient, "claude"); return err },
		"list":    func() error { _, err := objects.List(ctx, d.Default, object.KindClient, "", 10); return err },
		"by key":  func() error { _, err := objects.FindByKey(ctx, d.Default, "client_id", "claude"); return err },
		"events":  func() error { _, _, err := audit.Query(ctx, d.Default, store.Filter{}); return err },
		"tail":    func() error { _, _, err := audit.Tail(ctx, d.Default, "", 10); return err },
		"export":  func() error { return audit.Export(ctx, io.Discard, d.Default) },
		"token":   func() error { _, err := tokens.Find(ctx, d.Default, id.New(id.Token, time.Now())); return err },
		"tokens": func() error {
			_, err := tokens.List(ctx, d.Default, lifecycle.Filter{Limit: 1, Since: time.Now()})
			return err
		},
		"standing": func() error { _, err := tokens.Standing(ctx, d.Default, []lifecycle.Ref{{ID: "x"}}); return err },
		"version":  func() error { _, err := s.Version(ctx, d.Default); return err },
		"versions": func() error { _, err := s.Versions(ctx); return err },
		"ping":     func() error { return s.Ping(ctx) },
		"redeemed": func() error {
			_, err := s.Redeemed(ctx, ledger.Redemption{Tenant: d.Default, Space: ledger.SpaceAssertion})
			return err
		},
	}
}

// TestUnreachable: a database that is away is said to be away, whatever was asked.
func TestUnreachable(t *testing.T) {
	d := postgres(t)
	road, address := newRoad(t, hostOf(t, d.URL))
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	s, err := store.Open(t.Context(), store.Config{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	objects, err := s.Objects(nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := reads(t.Context(), d, s, objects, s.Tokens(nil), s.Audit())
	for name, read := range asked {
		if err := read(); err != nil && isAway(err) {
			t.Fatalf("%s, while the road is open: %v", name, err)
		}
	}
	road.close()
	for range 2 { // connections that break, and connections that cannot be made
		for name, read := range asked {
			if err := read(); err == nil || !isAway(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestNoConnectionIsFree: whoever waits for the pool waits no longer than a statement may take.
func TestNoConnectionIsFree(t *testing.T) {
	d := postgres(t)
	s, err := store.Open(t.Context(), store.Config{URL: d.URL, Connections: 2, StatementTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for range 2 {
		conn, err := s.SQL().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	if _, err := s.Versions(t.Context()); err == nil || !isAway(err) {
		t.Errorf("%v", err)
	}
	// A statement that takes too long, and one that is wrong.
	if _, err := s.Version(t.Context(), d.Default); err == nil || !isAway(err) {
		t.Errorf("%v", err)
	}
}

// TestMistakesAreNotAway: what the database answered is an answer.
func TestMistakesAreNotAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		for name, read := range map[string]func() error{
			"no object": func() error {
				_, err := d.Objects(t).Get(t.Context(), d.Default, object.KindClient, "nobody")
				return err
			},
			"no cursor": func() error {
				_, _, err := d.Store.Audit().Query(t.Context(), d.Default, store.Filter{Cursor: "x"})
				return err
			},
			"no token": func() error { _, err := d.Store.Tokens(nil).Find(t.Context(), d.Default, "x"); return err },
		} {
			if err := read(); err == nil || isAway(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func isAway(err error) bool {
	found, ok := errors.AsType[unreachable](err)
	return ok && found.Unavailable()
}

func hostOf(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// road passes connections on until it is closed.
type road struct {
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
}

func newRoad(t *testing.T, to string) (*road, string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{listener: listener}
	t.Cleanup(r.close)
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			ahead, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, from, ahead)
			r.mu.Unlock()
			go func() { _, _ = io.Copy(ahead, from) }()
			go func() { _, _ = io.Copy(from, ahead) }()
		}
	}()
	return r, listener.Addr().String()
}

func (r *road) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
}

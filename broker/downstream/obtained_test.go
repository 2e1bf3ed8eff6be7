package downstream

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// counter gives out numbered tokens, each good for an hour.
type counter struct {
	mu   sync.Mutex
	now  time.Time
	n    int
	life time.Duration
	err  error
}

func (c *counter) clock() time.Time { return c.now }

func (c *counter) obtain(context.Context) (provider.Credential, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	credential := provider.Credential{Origin: provider.FromClient, Access: provider.NewSecret(strconv.Itoa(c.n)), IssuedAt: c.now}
	if c.life > 0 {
		credential.ExpiresAt = c.now.Add(c.life)
	}
	return credential, c.err
}

func (c *counter) take(t *testing.T, s *shelf, key obtained, engine *provider.Provider, least time.Duration) string {
	t.Helper()
	got, err := s.take(t.Context(), key, engine, least, c.clock, c.obtain)
	if err != nil {
		t.Fatal(err)
	}
	return got.Access.Reveal()
}

func newCounter() *counter {
	return &counter{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), life: time.Hour}
}

// use is what one client has a provider for, on behalf of one person.
func use(change func(t *snapshot.Tenant, p *snapshot.Provider, w *Want)) obtained {
	t := &snapshot.Tenant{UID: tenant.MustParseUID("ten_01JD0000000000000000000001")}
	p := &snapshot.Provider{UID: "prv_1", Revision: 3}
	w := Want{
		Behalf: Behalf{Owner: connection.Owner{Kind: connection.User, UID: "usr_alice"}, Subject: "usr_alice", Email: "alice@acme.com", ClientID: "agent"},
		Scopes: []string{"a", "b"},
	}
	change(t, p, &w)
	return useOf(t, p, w)
}

func same(*snapshot.Tenant, *snapshot.Provider, *Want) {}

// What was obtained is lent again to who was lent it, for the same, and to nobody else.
func TestObtainedForOneUse(t *testing.T) {
	engine := &provider.Provider{}
	for name, change := range map[string]func(t *snapshot.Tenant, p *snapshot.Provider, w *Want){
		"another tenant": func(t *snapshot.Tenant, _ *snapshot.Provider, _ *Want) {
			t.UID = tenant.MustParseUID("ten_01JD0000000000000000000002")
		},
		"another provider":                 func(_ *snapshot.Tenant, p *snapshot.Provider, _ *Want) { p.UID = "prv_2" },
		"another revision":                 func(_ *snapshot.Tenant, p *snapshot.Provider, _ *Want) { p.Revision = 4 },
		"fewer scopes":                     func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Scopes = []string{"a"} },
		"more scopes":                      func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Scopes = []string{"a", "b", "c"} },
		"another person":                   func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Owner.UID, w.Subject = "usr_bob", "usr_bob" },
		"another address":                  func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Email = "a@acme.com" },
		"another client":                   func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.ClientID = "other" },
		"a client of the person's letters": func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Owner.Kind = connection.Client },
	} {
		t.Run(name, func(t *testing.T) {
			c, s := newCounter(), newShelf()
			first := c.take(t, s, use(same), engine, time.Minute)
			if other := c.take(t, s, use(change), engine, time.Minute); other == first {
				t.Error("the token of another use was lent")
			}
			if again := c.take(t, s, use(same), engine, time.Minute); again != first || c.n != 2 {
				t.Errorf("got %s again, of %d", again, c.n)
			}
		})
	}
	c, s := newCounter(), newShelf()
	first := c.take(t, s, use(same), engine, 0)
	if turned := c.take(t, s, use(func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Scopes = []string{"b", "a"} }), engine, 0); turned != first {
		t.Error("the order of scopes matters")
	}
}

func TestObtainedAnew(t *testing.T) {
	engine := &provider.Provider{}
	for name, one := range map[string]struct {
		life   time.Duration
		later  time.Duration
		engine *provider.Provider
		least  time.Duration
		anew   bool
	}{
		"soon after":                      {time.Hour, 4 * time.Minute, engine, time.Minute, false},
		"after some minutes":              {time.Hour, obtainedFor, engine, time.Minute, true},
		"as long as it lives":             {time.Hour, time.Minute, engine, 59 * time.Minute, false},
		"longer than it lives":            {time.Hour, time.Minute, engine, 59*time.Minute + time.Second, true},
		"shortly before its end":          {3 * time.Minute, 2 * time.Minute, engine, 0, true},
		"with an end nobody knows":        {0, 0, engine, 0, true},
		"by an engine with other secrets": {time.Hour, 0, &provider.Provider{}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := newCounter(), newShelf()
			c.life = one.life
			first := c.take(t, s, use(same), engine, 0)
			c.now = c.now.Add(one.later)
			if again := c.take(t, s, use(same), one.engine, one.least); (again != first) != one.anew {
				t.Errorf("got %s after %s", again, first)
			}
		})
	}
}

// A failure is everybody's who waited for it, and nobody's who comes after.
func TestObtainedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, engine := newCounter(), newShelf(), &provider.Provider{}
		c.err = errors.New("away")
		release := make(chan struct{})
		slow := func(ctx context.Context) (provider.Credential, error) {
			<-release
			return c.obtain(ctx)
		}
		left, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := s.take(left, use(same), engine, 0, c.clock, slow)
			gone <- err
		}()
		synctest.Wait()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := s.take(t.Context(), use(same), engine, 0, c.clock, slow); !errors.Is(err, c.err) {
					t.Errorf("answered %v", err)
				}
			})
		}
		synctest.Wait()
		leave() // who came first does not take it from the others
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		close(release)
		all.Wait()
		if c.n != 1 || len(s.underway) != 0 || s.kept.Len() != 0 {
			t.Errorf("asked %d times, %d under way, %d kept", c.n, len(s.underway), s.kept.Len())
		}
		c.err = nil
		if got := c.take(t, s, use(same), engine, 0); got != "2" {
			t.Errorf("afterwards %s", got)
		}
	})
}

// Nothing is kept for longer than it is lent, and never more than so many.
func TestObtainedIsForgotten(t *testing.T) {
	c, s, engine := newCounter(), newShelf(), &provider.Provider{}
	for i := range obtainedKept + 5 {
		c.take(t, s, use(func(_ *snapshot.Tenant, _ *snapshot.Provider, w *Want) { w.Subject = strconv.Itoa(i) }), engine, 0)
	}
	if s.kept.Len() != obtainedKept {
		t.Errorf("%d are kept", s.kept.Len())
	}
	c.now = c.now.Add(obtainedFor)
	c.take(t, s, use(same), engine, 0)
	if s.kept.Len() != 1 {
		t.Errorf("%d are kept after their time", s.kept.Len())
	}
}

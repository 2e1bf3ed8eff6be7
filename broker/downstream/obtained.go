package downstream

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Bounds of what is kept in memory of tokens that were obtained with a registration or a key of the company's own.
const (
	obtainedKept = 4096
	// obtainedFor is how long one is lent again, however long it lives: what somebody took back at the provider ends here too.
	obtainedFor = 5 * time.Minute
	// obtainWithin bounds the obtaining that several wait for: it does not end with the one who came first.
	obtainWithin = callTimeout + 5*time.Second
)

// obtained is a token's exact use: what was obtained for one is lent to nobody else, for nothing else.
type obtained struct {
	tenant, provider string
	revision         int64
	behalf           Behalf
	scopes           string // the provider's, in order
}

func useOf(t *snapshot.Tenant, p *snapshot.Provider, w Want) obtained {
	return obtained{
		tenant: t.UID.String(), provider: p.UID, revision: p.Revision, behalf: w.Behalf, scopes: strings.Join(slices.Sorted(slices.Values(w.Scopes)), " "),
	}
}

// holding is a credential, and the engine that obtained it: one that was made since, of another secret, obtains its own.
type holding struct {
	credential provider.Credential
	engine     *provider.Provider
	until      time.Time // not lent again from then on
}

// obtaining is one under way.
type obtaining struct {
	engine     *provider.Provider
	done       chan struct{}
	credential provider.Credential
	err        error
}

// shelf keeps what was obtained for the company's own accounts, in memory alone and for minutes. It is safe for concurrent
// use; several who want the same at once ask the provider once.
type shelf struct {
	mu       sync.Mutex
	kept     *simplelru.LRU[obtained, holding]
	underway map[obtained]*obtaining
}

func newShelf() *shelf {
	kept, err := simplelru.NewLRU[obtained, holding](obtainedKept, nil)
	if err != nil {
		panic(err) // of a size that is not positive
	}
	return &shelf{kept: kept, underway: map[obtained]*obtaining{}}
}

// take gives what is kept and lives for least, or what obtain answers. Failures are told to all who waited, and not kept.
func (s *shelf) take(ctx context.Context, key obtained, engine *provider.Provider, least time.Duration, now func() time.Time,
	obtain func(context.Context) (provider.Credential, error),
) (provider.Credential, error) {
	s.mu.Lock()
	at := now()
	s.sweep(at)
	if held, ok := s.kept.Peek(key); ok && held.engine == engine && at.Before(held.until) && held.credential.ExpiresAt.Sub(at) >= least {
		s.mu.Unlock()
		return held.credential, nil
	}
	flight, ok := s.underway[key]
	if !ok || flight.engine != engine {
		flight = &obtaining{engine: engine, done: make(chan struct{})}
		s.underway[key] = flight
		go s.obtain(context.WithoutCancel(ctx), key, flight, now, obtain)
	}
	s.mu.Unlock()
	select {
	case <-flight.done:
		return flight.credential, flight.err
	case <-ctx.Done():
		return provider.Credential{}, ctx.Err()
	}
}

func (s *shelf) obtain(ctx context.Context, key obtained, flight *obtaining, now func() time.Time, obtain func(context.Context) (provider.Credential, error)) {
	ctx, cancel := context.WithTimeout(ctx, obtainWithin)
	defer cancel()
	flight.credential, flight.err = obtain(ctx)
	s.mu.Lock()
	if s.underway[key] == flight {
		delete(s.underway, key)
		// One whose end the provider does not name may end at any time: it is obtained anew.
		if c := flight.credential; flight.err == nil && !c.ExpiresAt.IsZero() {
			until := now().Add(obtainedFor)
			if due := c.RefreshAt(); due.Before(until) {
				until = due
			}
			s.kept.Add(key, holding{credential: c, engine: flight.engine, until: until})
		}
	}
	s.mu.Unlock()
	close(flight.done)
}

// sweep forgets what is lent no more. What is older stands behind: nothing is moved by its use.
func (s *shelf) sweep(now time.Time) {
	for {
		_, held, ok := s.kept.GetOldest()
		if !ok || now.Before(held.until) {
			return
		}
		s.kept.RemoveOldest()
	}
}

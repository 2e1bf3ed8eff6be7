package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/discovery"
	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

// How keys age.
const (
	keysFresh    = 5 * time.Minute  // then they are fetched again, behind the requests
	keysStale    = 15 * time.Minute // then a request waits for that: the key may be withdrawn
	keysLast     = 24 * time.Hour   // then they are not used, whatever the issuer's state
	keysCooldown = 30 * time.Second // between two fetches: strangers choose the kid
	keysRetry    = 5 * time.Second  // between two fetches while there are no keys
	fetchTimeout = 20 * time.Second // of metadata and keys together
)

var (
	errUnknownKey = errors.New("the issuer publishes no such key")
	errNoKeys     = errors.New("the keys of the moment are not known")
)

// keySource remembers the keys of one issuer. Metadata says where they are; both are
// fetched together, by one goroutine at a time. What was fetched last is kept when a
// fetch fails.
type keySource struct {
	issuer string
	client *http.Client
	now    func() time.Time

	mu        sync.Mutex
	keys      []jose.Key
	fetched   time.Time
	attempted time.Time
	failure   error
	running   chan struct{} // closed when the fetch that runs ends; nil when none does
}

func newKeySource(issuer string, client *http.Client, now func() time.Time) *keySource {
	return &keySource{issuer: issuer, client: client, now: now}
}

// find gives the key with an id. An unknown id fetches again, at most twice a minute.
func (s *keySource) find(ctx context.Context, id string) (jose.Key, error) {
	s.mu.Lock()
	key, known := s.known(id)
	age := s.now().Sub(s.fetched)
	if known && age > keysFresh && s.due() {
		s.start(ctx)
	}
	// Nobody waits twice for an issuer that is away.
	if known && (age <= keysStale || s.running == nil || s.failure != nil) {
		s.mu.Unlock()
		return key, nil
	}
	if s.running == nil && !s.due() {
		defer s.mu.Unlock()
		return jose.Key{}, s.absent()
	}
	done := s.start(ctx)
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return jose.Key{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, known := s.known(id); known {
		return key, nil
	}
	return jose.Key{}, s.absent()
}

func (s *keySource) known(id string) (jose.Key, bool) {
	if s.now().Sub(s.fetched) > keysLast {
		return jose.Key{}, false
	}
	for _, key := range s.keys {
		if key.ID == id {
			return key, true
		}
	}
	return jose.Key{}, false
}

// absent: with the keys of the moment, a token by another is not the issuer's. Without
// any, or when the issuer was away the last time, nothing is known of it: the key may be
// new.
func (s *keySource) absent() error {
	if len(s.keys) == 0 || s.failure != nil || s.now().Sub(s.fetched) > keysLast {
		return errors.Join(errNoKeys, s.failure)
	}
	return errUnknownKey
}

// due tells whether a fetch may start.
func (s *keySource) due() bool {
	wait := keysCooldown
	if len(s.keys) == 0 {
		wait = keysRetry
	}
	return s.attempted.IsZero() || s.now().Sub(s.attempted) >= wait
}

// start begins a fetch unless one runs. It outlives the request that began it.
func (s *keySource) start(ctx context.Context) <-chan struct{} {
	if s.running != nil {
		return s.running
	}
	done := make(chan struct{})
	s.running, s.attempted = done, s.now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	go func() {
		defer cancel()
		keys, err := s.fetch(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		defer close(done)
		s.running, s.failure = nil, err
		if err == nil {
			s.keys, s.fetched = keys, s.now()
		}
	}()
	return done
}

func (s *keySource) fetch(ctx context.Context) ([]jose.Key, error) {
	metadata, err := discovery.Fetch(ctx, s.client, s.issuer)
	if err != nil {
		return nil, err
	}
	if metadata.JWKSURI == "" {
		return nil, fmt.Errorf("metadata of %s has no jwks_uri", s.issuer)
	}
	body, err := discovery.Get(ctx, s.client, metadata.JWKSURI, jose.MaxSetBytes)
	if err != nil {
		return nil, err
	}
	return jose.ParseSet(body)
}

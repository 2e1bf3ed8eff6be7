package cimd

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// How long documents are used, and how often they are asked for.
const (
	DefaultLifetime = time.Hour       // where the host says nothing
	MinLifetime     = 5 * time.Minute // bounds of what it may say by Cache-Control
	MaxLifetime     = 24 * time.Hour
	MaxStale        = 24 * time.Hour // a last good document counts that long, from when it was read, while its host is away
	Cooldown        = time.Minute    // between attempts for one document that cannot be had

	fetchTimeout = 3 * time.Second
	maxDocuments = 1024 // remembered for one tenant, what failed among them
)

// Getter fetches one document; *fetch.Client does.
type Getter interface {
	Get(ctx context.Context, rawURL string, n fetch.Network, limit fetch.Limit) (fetch.Response, error)
}

// Change tells that a document is not what it was.
type Change struct {
	Tenant        tenant.UID
	ClientID      string
	Difference    Difference
	Before, After *Document
}

// Event tells of one attempt to fetch a document.
type Event struct {
	Tenant   tenant.UID
	ClientID string
	Took     time.Duration // by the injected clock
	Err      error         // an *oauth.Error, nil when it succeeded
}

// Config is what a Source needs.
type Config struct {
	// Fetch is the door to the network. Without it only what is preloaded counts.
	Fetch Getter
	Now   func() time.Time
	// Preloaded documents are never fetched, nor do they age.
	Preloaded Preloaded
	// Offline tells that nothing may be fetched: egress is denied.
	Offline bool
	// Dev allows ModeOpen, and documents on loopback with it.
	Dev bool
	// Network has the roots and the proxy of the installation; that private
	// addresses are allowed counts for nothing here.
	Network fetch.Network
	// Changed, if not nil, is told when a document that was read again says
	// something else, before the new one is used. A process that forgot the former
	// one tells nothing: compare Document.Fingerprint as well.
	Changed func(Change)
	// Observe, if not nil, is told of each attempt.
	Observe func(Event)
	// Documents bounds how many are remembered for one tenant; 0 means 1024.
	Documents int
}

var (
	errNoClock  = errors.New("a source of client metadata documents needs a clock")
	errNoSource = errors.New("a source of client metadata documents needs a door, or to be offline")
)

// Validate refuses a Source that could do nothing, or everything.
func (c Config) Validate() error {
	switch {
	case c.Now == nil:
		return errNoClock
	case c.Fetch == nil && !c.Offline:
		return errNoSource
	}
	return c.Network.Validate()
}

// Source turns client_ids into clients. It is safe for concurrent use.
type Source struct {
	fetch     Getter
	now       func() time.Time
	preloaded Preloaded
	offline   bool
	dev       bool
	reach     fetch.Network
	changed   func(Change)
	observe   func(Event)
	limit     int

	life    context.Context // ends fetches that no request waits for
	end     context.CancelFunc
	flights sync.WaitGroup

	mu      sync.Mutex
	shelves map[tenant.UID]shelf
	budget  budget
}

// New makes a Source. Close ends its fetches.
func New(c Config) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	s := &Source{
		fetch: c.Fetch, now: c.Now, preloaded: c.Preloaded, offline: c.Offline, dev: c.Dev, reach: c.Network,
		changed: c.Changed, observe: c.Observe, limit: c.Documents,
		life: life, end: end, shelves: map[tenant.UID]shelf{},
	}
	if s.changed == nil {
		s.changed = func(Change) {}
	}
	if s.observe == nil {
		s.observe = func(Event) {}
	}
	if s.limit <= 0 {
		s.limit = maxDocuments
	}
	return s, nil
}

// Close ends fetches under way and waits for them.
func (s *Source) Close() {
	s.end()
	s.flights.Wait()
}

// Get turns a client_id into a client of the tenant, under the rules that it has
// now: a host that is no longer listed is out at once, whatever is remembered.
// Every error is an *oauth.Error. A client that is registered under the same
// client_id comes first; the caller has looked for it.
func (s *Source) Get(ctx context.Context, t tenant.UID, r Rules, clientID string) (*Client, error) {
	if err := t.Check(); err != nil {
		return nil, oauth.Fail(oauth.CodeInternal, err)
	}
	// 1. What can be refused for nothing: the rules, before anything is fetched.
	u, err := s.admit(r, clientID)
	if err != nil {
		return nil, err
	}
	// 2. What the operator put here is not asked for elsewhere.
	if d, ok := s.preloaded.find(u); ok {
		return s.client(d, r, false), nil
	}
	if s.offline {
		return nil, refuse(oauth.CodeCIMDOffline, clientID, "a preloaded document")
	}
	// 3. What is known, or can be found out.
	d, stale, err := s.document(ctx, t, u)
	if err != nil {
		return nil, err
	}
	return s.client(d, r, stale), nil
}

func (s *Source) admit(r Rules, clientID string) (URL, error) {
	if r.Mode != ModeHosts && (r.Mode != ModeOpen || !s.dev) {
		return URL{}, refuse(oauth.CodeCIMDOff, string(r.Mode), string(ModeHosts))
	}
	u, err := ParseURL(clientID, s.dev && r.Mode == ModeOpen)
	if err != nil {
		return URL{}, err
	}
	return u, r.admit(u, s.dev)
}

// Admit tells who a client_id would be, if the rules let its document in now. The document is not read: the client has
// nothing but its names, and can do nothing. It is for questions about what was given before.
func (s *Source) Admit(r Rules, clientID string) (*client.Client, error) {
	u, err := s.admit(r, clientID)
	if err != nil {
		return nil, err
	}
	return &client.Client{
		UID: UID(u.raw), Name: u.host, ClientID: u.raw, DisplayName: u.host, Type: client.Public,
		Auth: client.Auth{Method: client.MethodNone}, Origin: client.OriginDocument, Host: u.host,
	}, nil
}

// Forget drops what is remembered of a client_id, failures too.
func (s *Source) Forget(t tenant.UID, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shelves[t], clientID)
}

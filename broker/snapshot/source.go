package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Bounds.
const (
	// UnknownFor is how long it is remembered that something is not there.
	UnknownFor = time.Second

	retryBuild   = 500 * time.Millisecond // after a picture could not be built
	buildTimeout = 15 * time.Second
	unknownNames = 1024
	nameLookups  = 4 // at a time: whoever asks for names that do not exist waits for his own kind
	maxName      = 63
)

// Store reads objects.
type Store interface {
	Tenant(ctx context.Context, name string) (object.Stored, error)
	List(ctx context.Context, t tenant.UID, kind object.Kind, after string, limit int) ([]object.Stored, error)
	Get(ctx context.Context, t tenant.UID, kind object.Kind, name string) (object.Stored, error)
	ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error)
	FindByKey(ctx context.Context, t tenant.UID, space, value string) ([]object.Stored, error)
	Secrets(ctx context.Context, t tenant.UID, clientUID string) ([]object.Secret, error)
}

// Versions reads how far tenants have moved.
type Versions interface {
	Versions(ctx context.Context) (map[tenant.UID]int64, error)
	// Version is 0 if there is no such tenant.
	Version(ctx context.Context, t tenant.UID) (int64, error)
	// Changes names what the versions after the given one changed, up to the one it returns.
	Changes(ctx context.Context, t tenant.UID, after int64) (changed []ledger.ChangedObject, upTo int64, complete bool, err error)
}

// Config is what a Source needs; all but Algorithm, Reload, Policies, Built, SignInConfig, Registered and the sizes are required.
type Config struct {
	Store     Store
	Versions  Versions
	PublicURL string // the issuer of tenant default
	// Algorithm signs the tokens of a resource that says none itself; empty is object.DefaultTokenAlgorithm.
	Algorithm string
	Now       func() time.Time
	Log       *slog.Logger
	// Reload brings what others hold of a tenant (its signing keys) up to date before a new picture is
	// published; nil where nobody holds anything.
	Reload func(ctx context.Context, t tenant.UID) error
	// Policies compiles them; nil evaluates all of them in this process.
	Policies *regocheck.Compiler
	// Built is told of every attempt to build a picture.
	Built func(tenantName string, took time.Duration, err error)
	SignInConfig
	// Registered reads clients that registered themselves; nil where nobody can.
	Registered Registered
	// Clients and Users bound the caches; 0 means 50000.
	Clients, Users int
}

const defaultEntries = 50_000

func (c Config) validate() error {
	if c.Store == nil || c.Versions == nil || c.PublicURL == "" || c.Now == nil || c.Log == nil {
		return errors.New("snapshot: Store, Versions, PublicURL, Now and Log are required")
	}
	if strings.HasSuffix(c.PublicURL, "/") {
		return errors.New("snapshot: an issuer does not end in a slash")
	}
	return nil
}

// Source gives the current picture of each tenant, and reads clients and users.
type Source struct {
	config  Config
	clients *Clients
	users   *Users

	byName sync.Map // string → *entry
	byUID  sync.Map // tenant.UID → *entry
	root   atomic.Pointer[entry]

	lookups chan struct{}
	mu      sync.Mutex
	unknown *simplelru.LRU[string, time.Time]
	made    uint64 // counts what may have made a tenant
}

// entry is one tenant that was asked for.
type entry struct {
	uid     tenant.UID
	name    string
	picture atomic.Pointer[Tenant]
	wanted  atomic.Int64 // the newest version that is known of; an older picture is not served

	building chan struct{} // one at a time; guards what follows
	dropped  int64         // the caches hold nothing that versions up to this one changed; 0: not known
	failure  failure
}

// failure is why there is no picture.
type failure struct {
	err    error
	at     time.Time
	wanted int64 // the version that was wanted then
}

var errGone = errors.New("the tenant was deleted")

// New makes a Source. It reads nothing yet.
func New(c Config) (*Source, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Policies == nil {
		c.Policies = regocheck.NewCompiler(regocheck.Here, policy.NewShelf(0))
	}
	if c.Built == nil {
		c.Built = func(string, time.Duration, error) {}
	}
	s := &Source{config: c, lookups: make(chan struct{}, nameLookups)}
	var err error
	if s.unknown, err = simplelru.NewLRU[string, time.Time](unknownNames, nil); err != nil {
		return nil, err
	}
	if s.clients, err = newClients(c); err != nil {
		return nil, err
	}
	if s.users, err = newUsers(c); err != nil {
		return nil, err
	}
	return s, nil
}

// Clients finds clients for authentication.
func (s *Source) Clients() *Clients { return s.clients }

// Users gives the directories of users.
func (s *Source) Users() *Users { return s.users }

// Get returns the current picture of a tenant by its name: ErrUnknownTenant if
// there is none or it is not active; any other error means that it cannot be
// known, and nothing may be granted.
func (s *Source) Get(ctx context.Context, name string) (*Tenant, error) {
	for range 2 { // a name may have been given to another tenant meanwhile
		e, err := s.entry(ctx, name)
		if err != nil {
			return nil, err
		}
		t, err := s.current(ctx, e)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !t.active {
			return nil, ErrUnknownTenant
		}
		return t, nil
	}
	return nil, ErrUnknownTenant
}

// Refresh is for a request whose picture the ledger found to be old: it returns
// one that is at least as new as the database is now.
func (s *Source) Refresh(ctx context.Context, t *Tenant) (*Tenant, error) {
	for _, p := range t.Pictures() {
		version, err := s.config.Versions.Version(ctx, p.Tenant)
		if err != nil {
			return nil, fmt.Errorf("read the tenant's version: %w", err)
		}
		s.want(p.Tenant, version)
	}
	newer, err := s.Get(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	if newer.UID != t.UID { // deleted, and the name given away: not the tenant that was asked
		return nil, ErrUnknownTenant
	}
	return newer, nil
}

// Changed is for whoever has just made a change durable through this process:
// what this replica answers from now on is not older than it. version is 0 if it
// was not raised.
func (s *Source) Changed(t tenant.UID, version int64, uids ...string) {
	s.clients.cache.drop(t, uids)
	s.users.cache.drop(t, uids)
	s.mu.Lock()
	s.made++
	s.unknown.Purge()
	s.mu.Unlock()
	s.want(t, version)
}

// want makes pictures older than a version unfit to be served.
func (s *Source) want(t tenant.UID, version int64) {
	if found, ok := s.byUID.Load(t); ok {
		if e, ok := found.(*entry); ok {
			e.want(version)
		}
	}
}

func (e *entry) want(version int64) {
	for {
		known := e.wanted.Load()
		if version <= known || e.wanted.CompareAndSwap(known, version) {
			return
		}
	}
}

// current returns the entry's picture, and builds a new one first if there is a newer version.
func (s *Source) current(ctx context.Context, e *entry) (*Tenant, error) {
	if t := e.picture.Load(); t != nil && s.isFresh(e, t) {
		return t, nil
	}
	select {
	case e.building <- struct{}{}:
		defer func() { <-e.building }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if t := e.picture.Load(); t != nil && s.isFresh(e, t) {
		return t, nil
	}
	start := s.config.Now()
	if f := e.failure; f.err != nil && f.wanted == e.wanted.Load() && start.Sub(f.at) < retryBuild {
		return nil, f.err
	}
	// Whoever asked may go away; the next one waits for this picture.
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), buildTimeout)
	defer cancel()
	t, err := s.build(detached, e)
	if err == nil && s.config.Reload != nil {
		err = s.config.Reload(detached, e.uid)
	}
	s.config.Built(e.name, s.config.Now().Sub(start), err)
	switch {
	case errors.Is(err, errGone):
		s.forget(e)
		return nil, err
	case err != nil:
		err = fmt.Errorf("picture of tenant %s: %w", e.name, err)
		s.config.Log.Error("a tenant cannot be served", "tenant", e.name, "error", err)
		e.failure = failure{err: err, at: s.config.Now(), wanted: e.wanted.Load()}
		e.picture.Store(nil)
		return nil, err
	}
	e.failure = failure{}
	e.picture.Store(t)
	return t, nil
}

// isFresh: neither the tenant nor the guards that tenant default lays on it have moved.
func (s *Source) isFresh(e *entry, t *Tenant) bool {
	if t.Version < e.wanted.Load() || t.isDue(s.config.Now()) {
		return false
	}
	if t.inherited.Tenant.IsZero() {
		return true
	}
	root := s.root.Load()
	return root != nil && root.uid == t.inherited.Tenant && t.inherited.Version >= root.wanted.Load()
}

package registration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Pictures gives the rules of the moment.
type Pictures interface {
	ByUID(ctx context.Context, t tenant.UID) (*snapshot.Tenant, error)
}

// Clients are the Client objects, and behind the same cache the clients that registered themselves; *snapshot.Clients.
type Clients interface {
	client.Registry
	// Registered finds a client that registered itself, without what the tenant's rules give; client.ErrUnknown.
	Registered(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error)
}

// Documents turns client_ids into clients; *cimd.Source does.
type Documents interface {
	Get(ctx context.Context, t tenant.UID, r cimd.Rules, clientID string) (*cimd.Client, error)
	// Admit is who it would be, without reading the document.
	Admit(r cimd.Rules, clientID string) (*client.Client, error)
}

// RegistryConfig is what a Registry needs; every part is required.
type RegistryConfig struct {
	Clients   Clients
	Pictures  Pictures
	Documents Documents
	Touch     func(ctx context.Context, t tenant.UID, clientID string, at time.Time) error
	Now       func() time.Time
	Log       *slog.Logger
}

// Registry finds every client that there is.
type Registry struct {
	c RegistryConfig

	mu      sync.Mutex
	touched *simplelru.LRU[use, time.Time]
	writing chan struct{}
}

type use struct {
	tenant   tenant.UID
	clientID string
}

var _ client.Registry = (*Registry)(nil)

const (
	// touchEvery is how exactly the last use of a registration is known.
	touchEvery   = 24 * time.Hour
	touchTimeout = 5 * time.Second
	touchedKept  = 1 << 16
	touchesAtOne = 4 // at a time; who finds no place is noted the next time
)

// NewRegistry makes a Registry.
func NewRegistry(c RegistryConfig) (*Registry, error) {
	if c.Clients == nil || c.Pictures == nil || c.Documents == nil || c.Touch == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("registry of clients: a part is missing")
	}
	touched, err := simplelru.NewLRU[use, time.Time](touchedKept, nil)
	if err != nil {
		return nil, err
	}
	return &Registry{c: c, touched: touched, writing: make(chan struct{}, touchesAtOne)}, nil
}

// Lookup implements client.Registry. An administrator's word comes first: a Client object with the client_id is the client,
// a disabled one too. Where documents are read, what is wrong with one is told (an *oauth.Error): it is no secret.
func (r *Registry) Lookup(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	return r.lookup(ctx, t, clientID, r.document)
}

// Named implements client.Registry: only an administrator gives names.
func (r *Registry) Named(ctx context.Context, t tenant.UID, name string) (*client.Client, error) {
	return r.c.Clients.Named(ctx, t, name)
}

func (r *Registry) lookup(ctx context.Context, t tenant.UID, clientID string, document func(context.Context, *snapshot.Tenant, string) (*client.Client, error)) (*client.Client, error) {
	found, err := r.c.Clients.Lookup(ctx, t, clientID)
	if !errors.Is(err, client.ErrUnknown) {
		return found, err
	}
	isURL, registered := cimd.IsURL(clientID), IsClientID(clientID)
	if !isURL && !registered {
		return nil, err
	}
	picture, err := r.c.Pictures.ByUID(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("rules for clients: %w", err)
	}
	if isURL {
		return document(ctx, picture, clientID)
	}
	return r.registered(ctx, picture, clientID)
}

// document reads the client's document. Where none is read, a URL is a client_id that nobody registered: the answer to it
// must not tell which others somebody did.
func (r *Registry) document(ctx context.Context, t *snapshot.Tenant, clientID string) (*client.Client, error) {
	found, err := r.c.Documents.Get(ctx, t.UID, t.Registration.Documents, clientID)
	if err != nil {
		if refusal := oauth.AsError(err); refusal.Code == oauth.CodeCIMDOff {
			return nil, fmt.Errorf("%w: %w", client.ErrUnknown, refusal)
		}
		return nil, err
	}
	return found.Client, nil
}

// registered gives a registration no more than the tenant's rules do at this moment; where they do not let clients register,
// those that did are out.
func (r *Registry) registered(ctx context.Context, t *snapshot.Tenant, clientID string) (*client.Client, error) {
	rules := t.Registration.Dynamic
	if !on(rules) {
		return nil, client.ErrUnknown
	}
	found, err := r.c.Clients.Registered(ctx, t.UID, clientID)
	if err != nil {
		return nil, err
	}
	// A host that is no longer listed is out at once, for the whole client: what is left of its places may not be its own.
	for _, uri := range found.RedirectURIs {
		if !mayAnswer(uri, rules) {
			return nil, client.ErrUnknown
		}
	}
	r.touch(t.UID, clientID)
	limited := *found
	limited.Scopes, limited.Resources = slices.Clone(rules.Scopes), slices.Clone(rules.Resources)
	return &limited, nil
}

// touch notes once a day that a client is in use. Nobody waits for it.
func (r *Registry) touch(t tenant.UID, clientID string) {
	k, now := use{t, clientID}, r.c.Now()
	r.mu.Lock()
	last, known := r.touched.Get(k)
	if known && now.Sub(last) < touchEvery && !now.Before(last) {
		r.mu.Unlock()
		return
	}
	select {
	case r.writing <- struct{}{}:
	default:
		r.mu.Unlock()
		return
	}
	r.touched.Add(k, now)
	r.mu.Unlock()
	go func() {
		defer func() { <-r.writing }()
		ctx, cancel := context.WithTimeout(context.Background(), touchTimeout)
		defer cancel()
		if err := r.c.Touch(ctx, t, clientID, now); err != nil {
			r.c.Log.Debug("the use of a registration was not noted", "error", err)
		}
	}()
}

// Standing is the Registry for questions about what was given already: it reads no document, so that nobody's host decides
// whether a token counts. A document's client is whoever the rules let in.
type Standing struct{ *Registry }

// Lookup implements client.Registry.
func (s Standing) Lookup(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	return s.lookup(ctx, t, clientID, func(_ context.Context, picture *snapshot.Tenant, clientID string) (*client.Client, error) {
		c, err := s.c.Documents.Admit(picture.Registration.Documents, clientID)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", client.ErrUnknown, err)
		}
		return c, nil
	})
}

package downstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Bounds of engines.
const (
	enginesKept   = 1024
	secretsReread = time.Minute // a file that a secret is in may have been replaced
	callTimeout   = 15 * time.Second
	answerBytes   = 256 << 10
)

// Why there is no engine.
var (
	ErrUnusable  = errors.New("the provider cannot be used")
	ErrDisabled  = errors.New("the provider is disabled")
	ErrNotThere  = errors.New("there is no such provider")
	errReference = errors.New("the object is not among those of the configuration, and admin.secret_references does not name it: the reference is not resolved")
)

// Pictures give a tenant's current picture by its uid, active or not.
type Pictures interface {
	Of(ctx context.Context, t tenant.UID) (*snapshot.Tenant, error)
}

// EnginesConfig is what engines are made with; all but MayRefer and Mended are required.
type EnginesConfig struct {
	Pictures Pictures
	// Resolve reads a secret that a Provider refers to.
	Resolve func(object.SecretRef) (secret.Text, error)
	// MayRefer tells whether objects that are not the configuration's may refer to a secret too. Nil: none.
	MayRefer func(object.SecretRef) bool
	// Egress are the rules of the one door.
	Egress fetch.Policy
	// Mended is told when a provider is configured otherwise than before: what was stopped for its configuration goes on.
	Mended func(tenant, provider string)
	Log    *slog.Logger
	Now    func() time.Time
}

// Engines make, and keep, what speaks to providers. It is safe for concurrent use.
type Engines struct {
	config EnginesConfig
	pepper [32]byte // so that what is kept of a secret can be compared, and not guessed at

	mu   sync.Mutex
	kept *simplelru.LRU[engineKey, *engine]
}

type engineKey struct{ tenant, provider string }

// engine is one that was made, and what of.
type engine struct {
	made     *provider.Provider
	revision int64
	issuer   string
	secrets  [32]byte
	readAt   time.Time
}

// NewEngines refuses a configuration in which a part is missing.
func NewEngines(c EnginesConfig) (*Engines, error) {
	if c.Pictures == nil || c.Resolve == nil || c.Log == nil || c.Now == nil {
		return nil, errors.New("downstream: Pictures, Resolve, Log and Now are required")
	}
	if err := c.Egress.Validate(); err != nil {
		return nil, err
	}
	kept, err := simplelru.NewLRU[engineKey, *engine](enginesKept, nil)
	if err != nil {
		return nil, err
	}
	e := &Engines{config: c, kept: kept}
	_, _ = rand.Read(e.pepper[:]) // never fails: crypto/rand crashes the program first
	return e, nil
}

// Engine is what speaks to a provider for a tenant. That the provider is disabled is the caller's to look at: what was
// connected there must be revocable still.
func (e *Engines) Engine(_ context.Context, t *snapshot.Tenant, p *snapshot.Provider) (*provider.Provider, error) {
	if t == nil || p == nil || t.UID.IsZero() || p.UID == "" || p.Object == nil {
		return nil, ErrNotThere
	}
	if p.Unusable != "" {
		return nil, fmt.Errorf("%w: %s", ErrUnusable, p.Unusable)
	}
	key, now := engineKey{t.UID.String(), p.UID}, e.config.Now()
	before := e.known(key)
	if before != nil && before.of(t, p) && now.Sub(before.readAt).Abs() < secretsReread {
		return before.made, nil
	}
	secrets, err := e.resolve(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	next := &engine{revision: p.Revision, issuer: t.Issuer, secrets: secrets.digest(e.pepper), readAt: now}
	if before != nil && before.of(t, p) && before.secrets == next.secrets {
		next.made = before.made
		e.keep(key, next)
		return next.made, nil
	}
	if next.made, err = e.make(t, p, secrets); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	e.keep(key, next)
	if before != nil && before.revision <= next.revision && e.config.Mended != nil {
		e.config.Mended(key.tenant, key.provider)
	}
	return next.made, nil
}

// of tells whether an engine was made of exactly this revision.
func (e *engine) of(t *snapshot.Tenant, p *snapshot.Provider) bool {
	return e.revision == p.Revision && e.issuer == t.Issuer
}

func (e *Engines) known(key engineKey) *engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, _ := e.kept.Get(key)
	return found
}

func (e *Engines) keep(key engineKey, made *engine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if held, ok := e.kept.Peek(key); ok && held.revision > made.revision {
		return // of an older picture: used once, and not kept
	}
	e.kept.Add(key, made)
}

func (e *Engines) make(t *snapshot.Tenant, p *snapshot.Provider, s secrets) (*provider.Provider, error) {
	// A door of its own: a provider that hangs takes no slot from keys, metadata and other providers.
	transport, err := fetch.New(e.config.Egress).RoundTripper(fetch.Network{
		CABundle: p.Object.Network.CABundle, Proxy: p.Object.Network.Proxy, AllowPrivateAddresses: p.Object.Network.AllowPrivateAddresses,
	}, fetch.Limit{Bytes: answerBytes, Timeout: callTimeout})
	if err != nil {
		return nil, err
	}
	return provider.New(p.Manifest, provider.Settings{
		ClientID: p.Object.ClientID, ClientSecret: s.client, PrivateKey: s.key, KeyID: p.Object.KeyID, AppID: p.Object.AppID,
		RedirectURL: RedirectURL(t, p), Config: p.Object.ConnectionConfig, Transport: transport,
		Unsent: func(err error) bool { return errors.Is(err, fetch.ErrRefused) }, Now: e.config.Now,
	})
}

// RedirectURL is where a person comes back to: it is what is entered at the provider.
func RedirectURL(t *snapshot.Tenant, p *snapshot.Provider) string {
	return t.Issuer + "/connect/" + p.Name + "/callback"
}

// Downstream implements connection.Providers: a provider as it is now. One that is disabled is not asked for a refresh.
func (e *Engines) Downstream(ctx context.Context, tenantUID, uid string) (connection.Downstream, error) {
	parsed, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return connection.Downstream{}, err
	}
	t, err := e.config.Pictures.Of(ctx, parsed)
	if err != nil {
		return connection.Downstream{}, err
	}
	p, ok := t.ProviderByUID(uid)
	switch {
	case !ok:
		return connection.Downstream{}, ErrNotThere
	case p.Disabled:
		return connection.Downstream{}, ErrDisabled
	}
	made, err := e.Engine(ctx, t, p)
	if err != nil {
		return connection.Downstream{}, err
	}
	return connection.Downstream{
		Provider: made, Rotation: p.Manifest.Refresh.Rotation, ReuseWindow: time.Duration(p.Manifest.Refresh.ReuseWindow),
	}, nil
}

// secrets are what a provider refers to.
type secrets struct{ client, key provider.Secret }

// digest tells whether secrets are the same ones.
func (s secrets) digest(pepper [32]byte) [32]byte {
	h := sha256.New()
	h.Write(pepper[:])
	for _, one := range []provider.Secret{s.client, s.key} {
		sum := sha256.Sum256([]byte(one.Reveal()))
		h.Write(sum[:])
	}
	return [32]byte(h.Sum(nil))
}

// resolve reads the secrets. A reference is read on the machine of the server: whoever may write a Provider, and so name
// the place where the secret is sent, may not thereby read the server's files and environment.
func (e *Engines) resolve(p *snapshot.Provider) (secrets, error) {
	var s secrets
	for _, one := range []struct {
		name string
		ref  object.SecretRef
		to   *provider.Secret
	}{{"client_secret", p.Object.ClientSecret, &s.client}, {"private_key", p.Object.PrivateKey, &s.key}} {
		if one.ref.IsZero() {
			continue
		}
		if p.ManagedBy != object.ManagerConfig && (e.config.MayRefer == nil || !e.config.MayRefer(one.ref)) {
			return secrets{}, fmt.Errorf("%s: %w", one.name, errReference)
		}
		text, err := e.config.Resolve(one.ref)
		if err != nil {
			return secrets{}, fmt.Errorf("%s: %s: %w", one.name, one.ref, err)
		}
		if text.IsZero() {
			return secrets{}, fmt.Errorf("%s: %s: it is empty", one.name, one.ref)
		}
		*one.to = provider.NewSecret(text.Reveal())
	}
	return s, nil
}

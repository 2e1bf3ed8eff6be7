package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
)

// Config is what Rings need. Every member but Logger is required.
type Config struct {
	Store  Store
	Sealer vault.Sealer
	// Algorithm is the one that each tenant has a key for from the start.
	Algorithm string
	// RotateEvery bounds a key's time as the active one.
	RotateEvery time.Duration
	// JWKSMaxAge is how long others may keep the published key set.
	JWKSMaxAge time.Duration
	// LongestToken bounds the lifetime of anything that the keys sign; a token that
	// would live longer is not minted.
	LongestToken time.Duration
	// ClockSkew bounds the disagreement between replicas and verifiers.
	ClockSkew time.Duration
	// RefreshEvery is how often each replica reads the keys again and does what is due.
	RefreshEvery time.Duration
	Now          func() time.Time
	Logger       *slog.Logger
}

// Validate refuses what would rotate too early or keep too short.
func (c Config) Validate() error {
	switch {
	case c.Store == nil || c.Sealer == nil || c.Now == nil:
		return errors.New("keys: store, sealer and clock are required")
	case !slices.Contains(Algorithms(), c.Algorithm):
		return fmt.Errorf("keys.algorithm: %w: %q", errUnknownAlgorithm, c.Algorithm)
	case c.JWKSMaxAge <= 0 || c.LongestToken <= 0 || c.ClockSkew <= 0 || c.RefreshEvery <= 0:
		return errors.New("keys: max-age, longest token, clock skew and refresh interval must be positive")
	case c.RotateEvery < 2*c.schedule().lead:
		return fmt.Errorf("keys.rotate_every: at least %s, or a successor is due before its predecessor was used", 2*c.schedule().lead)
	}
	return nil
}

// schedule: a replica may see a new key one refresh
// late; a verifier may have fetched just before that.
func (c Config) schedule() schedule {
	return schedule{
		every: c.RotateEvery,
		lead:  2*c.JWKSMaxAge + c.RefreshEvery + c.ClockSkew,
		keep:  c.LongestToken + c.RefreshEvery + c.ClockSkew,
	}
}

// Rings are the key rings of all tenants, each loaded when first asked for.
type Rings struct {
	config   Config
	schedule schedule
	log      *slog.Logger
	slots    sync.Map // tenant.UID → *slot
}

type slot struct {
	mu     sync.Mutex // one load or change at a time
	ring   atomic.Pointer[Ring]
	opened opened
}

// New makes Rings.
func New(c Config) (*Rings, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Rings{config: c, schedule: c.schedule(), log: log}, nil
}

// Ring returns a tenant's ring. A tenant that has no key yet gets its first one
// now, active at once: no verifier can hold an older key set.
func (r *Rings) Ring(ctx context.Context, t tenant.UID) (*Ring, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	s := r.slot(t)
	if ring := s.ring.Load(); ring != nil {
		return ring, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ring := s.ring.Load(); ring != nil {
		return ring, nil
	}
	return r.bringUp(ctx, t, s, r.config.Algorithm)
}

// Signer returns the key that signs at this moment. The first request for an
// algorithm makes its key.
func (r *Rings) Signer(ctx context.Context, t tenant.UID, algorithm string) (Signer, error) {
	if !slices.Contains(Algorithms(), algorithm) {
		return Signer{}, fmt.Errorf("%w: %q", errUnknownAlgorithm, algorithm)
	}
	ring, err := r.Ring(ctx, t)
	if err != nil {
		return Signer{}, err
	}
	if signer, ok := ring.Signer(algorithm); ok {
		return signer, nil
	}
	s := r.slot(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ring, err = r.bringUp(ctx, t, s, algorithm); err != nil {
		return Signer{}, err
	}
	signer, ok := ring.Signer(algorithm)
	if !ok {
		return Signer{}, errNoSigner
	}
	return signer, nil
}

// Reload reads a tenant's keys again; call it before anything else is done on a
// new version of the tenant, so that a revoked key signs nothing that commits.
// A tenant that was never asked for stays unloaded. On an error the ring is
// dropped, and the next request has to load it.
func (r *Rings) Reload(ctx context.Context, t tenant.UID) error {
	value, ok := r.slots.Load(t)
	if !ok {
		return nil
	}
	s, _ := value.(*slot)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.load(ctx, t, s); err != nil {
		s.ring.Store(nil)
		return err
	}
	return nil
}

func (r *Rings) slot(t tenant.UID) *slot {
	if value, ok := r.slots.Load(t); ok {
		s, _ := value.(*slot)
		return s
	}
	value, _ := r.slots.LoadOrStore(t, &slot{})
	s, _ := value.(*slot)
	return s
}

// load reads the rows and swaps the ring. The caller holds the slot.
func (r *Rings) load(ctx context.Context, t tenant.UID, s *slot) error {
	rows, err := r.config.Store.SigningKeys(ctx, t)
	if err != nil {
		return fmt.Errorf("load signing keys: %w", err)
	}
	ring, err := r.open(ctx, t, rows, &s.opened)
	if err != nil {
		return err
	}
	s.ring.Store(ring)
	return nil
}

// open makes a ring of rows. A key that does not open is left out with a
// warning, unless it is the one that should sign: that fails, since making
// another would hide that the keyring is the wrong one.
func (r *Rings) open(ctx context.Context, t tenant.UID, rows []Row, known *opened) (*Ring, error) {
	var keys []ringKey
	inUse := map[vault.AAD]bool{}
	for _, row := range rows {
		if row.State == Revoked {
			continue
		}
		at := place(t.String(), row.KeyID)
		inUse[at] = true
		p, err := known.open(ctx, r.config.Sealer, at, row.Algorithm, row.Sealed)
		if err != nil && row.State == Active {
			return nil, fmt.Errorf("open signing key %s: %w", row.KeyID, err)
		}
		if err != nil {
			r.log.ErrorContext(ctx, "a signing key does not open and is not published",
				"tenant", t.String(), "kid", row.KeyID, "state", string(row.State), "error", err)
			continue
		}
		keys = append(keys, ringKey{pair: p, state: row.State, activeAt: row.ActiveAt, expiresAt: row.ExpiresAt})
	}
	known.only(inUse)
	return newRing(keys, r.config.LongestToken, r.config.Now), nil
}

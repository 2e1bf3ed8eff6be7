package capture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
)

// recordTimeout bounds the writing of one capture; nobody waits for it.
const recordTimeout = 5 * time.Second

// Config is what a Watch needs. Every member is required.
type Config struct {
	Store  Store
	Sealer vault.Sealer
	Now    func() time.Time
	Log    *slog.Logger
}

// Watch looks out for what is armed.
type Watch struct {
	Config
	armed   atomic.Pointer[map[place]Arm] // never nil; replaced whole
	mu      sync.Mutex                    // who replaces it; never held while the store is asked
	reading sync.Mutex                    // one reading at a time, so that no older one replaces a newer one
	writes  sync.WaitGroup
}

type place struct {
	tenant tenant.UID
	issuer string
}

var _ grant.Captures = (*Watch)(nil)

// New makes a Watch that has not looked yet.
func New(c Config) (*Watch, error) {
	if c.Store == nil || c.Sealer == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("capture: a part is missing")
	}
	w := &Watch{Config: c}
	w.armed.Store(&map[place]Arm{})
	return w, nil
}

// Run looks at every tick what is armed, here or on another replica, until the context ends.
func (w *Watch) Run(ctx context.Context, tick <-chan time.Time) {
	defer w.writes.Wait()
	for {
		if err := w.Refresh(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("captures could not be looked up", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// Refresh reads what is armed. What was claimed here meanwhile may be in it again:
// whether it was kept the store decides.
func (w *Watch) Refresh(ctx context.Context) error {
	w.reading.Lock()
	defer w.reading.Unlock()
	found, err := w.Store.Armed(ctx)
	if err != nil {
		return err
	}
	armed := make(map[place]Arm, len(found))
	for _, a := range found {
		armed[place{a.Tenant, a.Issuer}] = a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed.Store(&armed)
	return nil
}

// Arm makes an IdP wait.
func (w *Watch) Arm(ctx context.Context, t tenant.UID, idp, name, issuer string, length time.Duration, by audit.Principal, trace string) (Arm, error) {
	if length <= 0 {
		length = DefaultFor
	}
	if length > MaxFor {
		return Arm{}, ErrTooLong
	}
	now := w.Now()
	a := Arm{ID: id.New(id.Capture, now), Tenant: t, IdP: idp, Issuer: issuer, ExpiresAt: now.Add(length).UTC().Truncate(time.Second)}
	if err := w.Store.Arm(ctx, a, w.event(audit.TypeCaptureArmed, t, a.ID, name, by, trace)); err != nil {
		return Arm{}, err
	}
	return a, w.Refresh(ctx)
}

// Take reads what was captured and deletes it; nil while it waits.
func (w *Watch) Take(ctx context.Context, t tenant.UID, idp, name, capture string, by audit.Principal, trace string) (*Seen, error) {
	sealed, err := w.Store.Find(ctx, t, idp, capture)
	if err != nil || sealed == nil {
		return nil, err
	}
	// First it is deleted, then shown: what is shown twice was not read once.
	if err := w.Store.End(ctx, t, idp, capture, w.event(audit.TypeCaptureRead, t, capture, name, by, trace)); err != nil {
		return nil, err
	}
	text, err := w.Sealer.Open(ctx, sealed, aad(t, capture))
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	seen := &Seen{}
	if err := json.Unmarshal(text, seen); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return seen, nil
}

// Disarm ends a capture before it was read.
func (w *Watch) Disarm(ctx context.Context, t tenant.UID, idp, name, capture string, by audit.Principal, trace string) error {
	if err := w.Store.End(ctx, t, idp, capture, w.event(audit.TypeCaptureEnded, t, capture, name, by, trace)); err != nil {
		return err
	}
	return w.Refresh(ctx)
}

// Offer implements grant.Captures. It costs one load where nobody waits, and never waits itself.
func (w *Watch) Offer(s grant.Sighting) {
	if armed := *w.armed.Load(); len(armed) > 0 {
		w.consider(s, armed)
	}
}

func (w *Watch) consider(s grant.Sighting, armed map[place]Arm) {
	header, claims := decode(s.Assertion)
	issuer, _ := claims["iss"].(string)
	a, found := armed[place{s.Tenant.UID, issuer}]
	if !found || !w.Now().Before(a.ExpiresAt) || !w.claim(a) {
		return
	}
	seen := newSeen(s, header, claims)
	w.writes.Go(func() { w.record(a, s, seen) })
}

// claim makes this the only assertion that this replica offers; the store decides between replicas.
func (w *Watch) claim(a Arm) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	armed := *w.armed.Load()
	if armed[place{a.Tenant, a.Issuer}].ID != a.ID {
		return false
	}
	rest := make(map[place]Arm, len(armed))
	for where, other := range armed {
		if other.ID != a.ID {
			rest[where] = other
		}
	}
	w.armed.Store(&rest)
	return true
}

func (w *Watch) record(a Arm, s grant.Sighting, seen Seen) {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := w.keep(ctx, a, w.event(audit.TypeCaptureRecorded, a.Tenant, a.ID, s.IdP, system(), s.Trace), seen); err != nil && !errors.Is(err, ErrGone) {
		w.Log.Warn("a captured assertion could not be kept", "trace_id", s.Trace, "error", err)
	}
}

func system() audit.Principal { return audit.Principal{Kind: "system", Name: "chancery"} }

func (w *Watch) keep(ctx context.Context, a Arm, kept audit.Event, seen Seen) error {
	text, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	if len(text) > maxRecord {
		return errTooLarge
	}
	sealed, err := w.Sealer.Seal(ctx, text, aad(a.Tenant, a.ID))
	if err != nil {
		return err
	}
	return w.Store.Record(ctx, a, sealed, kept)
}

func aad(t tenant.UID, capture string) vault.AAD {
	return vault.AAD{Tenant: t.String(), Table: "idp_captures", UID: capture, Column: "record"}
}

func (w *Watch) event(kind audit.Type, t tenant.UID, capture, idp string, by audit.Principal, trace string) audit.Event {
	now := w.Now()
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: trace, Type: kind, Outcome: audit.Changed, Principal: by, IdP: idp,
		Detail: map[string]string{"capture": capture},
	}
}

package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Provider is what a keeper needs of one; vault/provider has it.
type Provider interface {
	Refresh(ctx context.Context, c provider.Credential) (provider.Credential, error)
	Revoke(ctx context.Context, c provider.Credential) error
}

// Downstream is a provider as one tenant uses it.
type Downstream struct {
	Provider    Provider
	Rotation    provider.Rotation
	ReuseWindow time.Duration
}

// Providers finds a tenant's provider by its uid.
type Providers interface {
	Downstream(ctx context.Context, tenant, uid string) (Downstream, error)
}

// Point is a moment at which a process may die.
type Point string

// The points.
const (
	BeforeCall  Point = "before_call"
	AfterAnswer Point = "after_answer"
	BeforeSave  Point = "before_save"
	AfterSave   Point = "after_save"
)

// Failpoints is asked at each point. An error ends the attempt there and then, as a kill would: nothing more is written.
type Failpoints interface {
	Reach(p Point) error
}

// Limits that hold unless Config says otherwise. A call and a save end well before an attempt counts as dead.
const (
	defaultCallTimeout = 20 * time.Second
	defaultSaveFor     = 7 * time.Second
	defaultStaleAfter  = 30 * time.Second
	defaultPatience    = 15 * time.Second
)

// Config is what a keeper is made of.
type Config struct {
	Store     Store
	Sealer    vault.Sealer
	Providers Providers
	Shelf     Shelf  // for successors that the store did not take
	Replica   string // this process, among those that share the store
	Alert     func(context.Context, Alert)
	Log       *slog.Logger
	Now       func() time.Time

	CallTimeout time.Duration // of one refresh
	SaveFor     time.Duration // how long a save is tried again
	StaleAfter  time.Duration // an attempt in flight for longer is dead
	Patience    time.Duration // an asker waits no longer for a refresh under way, which goes on; 15 s when 0
	Failpoints  Failpoints    // nil: none
	// Pause waits between two looks or tries; nil: by a timer.
	Pause func(ctx context.Context, d time.Duration) error
}

// Validate refuses what would leave something out.
func (c Config) Validate() error {
	switch {
	case c.Store == nil || c.Sealer == nil || c.Providers == nil || c.Shelf == nil || c.Alert == nil || c.Log == nil || c.Now == nil:
		return errors.New("a keeper needs a store, a sealer, providers, a shelf, somebody to alert, a log and a clock")
	case c.Replica == "":
		return errors.New("a keeper needs the name of its replica")
	case c.Patience <= 0:
		return errors.New("whoever asks waits for no refresh at all")
	case c.CallTimeout <= 0 || c.SaveFor <= 0 || c.StaleAfter <= c.CallTimeout+c.SaveFor:
		return fmt.Errorf("an attempt counts as dead after %s, before its call (%s) and its save (%s) are over", c.StaleAfter, c.CallTimeout, c.SaveFor)
	default:
		return nil
	}
}

// Keeper hands out credentials that live long enough, and refreshes those that do not. It is safe for concurrent use, and
// together with other keepers on the same store.
type Keeper struct {
	config  Config
	breaker *breaker

	mu      sync.Mutex
	renewed map[renewal]*flight
	closed  bool
	flights sync.WaitGroup
}

// New makes a keeper.
func New(c Config) (*Keeper, error) {
	if c.CallTimeout == 0 && c.SaveFor == 0 && c.StaleAfter == 0 {
		c.CallTimeout, c.SaveFor, c.StaleAfter = defaultCallTimeout, defaultSaveFor, defaultStaleAfter
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Pause == nil {
		c.Pause = pause
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Keeper{config: c, breaker: newBreaker(c.Now, c.CallTimeout), renewed: map[renewal]*flight{}}, nil
}

// Want is how long a credential must still live.
type Want struct {
	MinTTL time.Duration
	// Row is the connection as the asker read it a moment ago, for the same request; nil has it read. It is held to the
	// asker's ref all the same. That its owner or an administrator ended it since is not seen here: the ledger refuses what
	// was decided before.
	Row *Stored
}

// Live is a connection with its opened credential. What it says of scopes and times is the credential's own word.
type Live struct {
	Connection
	Credential provider.Credential
}

// Fresh gives a credential with enough life left. It answers a *Refusal, vault.ErrUnopened, or what the store or the sealer
// said.
//
//  1. the row, if it is the asker's and connected;
//  2. enough life left: it is opened, once, and handed out;
//  3. otherwise one of all askers refreshes, over all replicas; the others wait for what comes of it;
//  4. the provider does not answer now, and what is there still lives long enough: that.
func (k *Keeper) Fresh(ctx context.Context, ref Ref, want Want) (Live, error) {
	if err := ref.Validate(); err != nil {
		return Live{}, err
	}
	s, err := k.row(ctx, ref, want)
	if err != nil {
		return Live{}, err
	}
	if k.rested(s.ExpiresAt, s.RefreshAt, want) {
		live, err := k.open(ctx, ref, s)
		if err != nil || k.rested(live.Credential.ExpiresAt, due(live.Credential), want) {
			return live, err
		}
	}
	if short, err := k.tooShort(ctx, ref, s, want); short || err != nil {
		return Live{}, firstOf(err, errTooShort)
	}
	live, err := k.renew(ctx, renewal{ref, s.Version})
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.passing() && k.lives(s.ExpiresAt, want) {
		return k.makeDo(ctx, ref, want, refusal)
	}
	if err != nil {
		return Live{}, err
	}
	if !k.lives(live.Credential.ExpiresAt, want) {
		return Live{}, errTooShort
	}
	return live, nil
}

// makeDo hands out what is there, if it still lives and is still its owner's to use.
func (k *Keeper) makeDo(ctx context.Context, ref Ref, want Want, otherwise *Refusal) (Live, error) {
	s, err := k.load(ctx, ref)
	if err != nil {
		return Live{}, err
	}
	old, err := k.open(ctx, ref, s)
	if err != nil {
		return Live{}, err
	}
	if !k.lives(old.Credential.ExpiresAt, want) {
		return Live{}, otherwise
	}
	return old, nil
}

var errTooShort error = &Refusal{Code: CodeTooShort, Reason: "the provider's tokens do not last as long as was asked"}

// tooShort tells of a credential that need not be refreshed whether its whole life is shorter than what is wanted:
// refreshing it again and again would not help.
func (k *Keeper) tooShort(ctx context.Context, ref Ref, s Stored, want Want) (bool, error) {
	if !k.rested(s.ExpiresAt, s.RefreshAt, Want{}) {
		return false, nil
	}
	live, err := k.open(ctx, ref, s)
	if err != nil {
		return false, err
	}
	c := live.Credential
	return k.rested(c.ExpiresAt, due(c), Want{}) && c.ExpiresAt.Sub(c.IssuedAt) < want.MinTTL, nil
}

func firstOf(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// Used notes a use, at most once a minute for one client.
func (k *Keeper) Used(ctx context.Context, c Connection, by string) error {
	now := k.config.Now()
	if c.LastUsedBy == by && now.Sub(c.LastUsedAt) < time.Minute {
		return nil
	}
	return k.config.Store.Touch(ctx, c.Tenant, c.ID, by, now)
}

// Forget lets a provider be asked again at once: its registration was mended.
func (k *Keeper) Forget(tenant, provider string) { k.breaker.answered(door{tenant, provider}) }

// row is the one that the asker has read, or what load gives.
func (k *Keeper) row(ctx context.Context, ref Ref, want Want) (Stored, error) {
	if want.Row == nil {
		return k.load(ctx, ref)
	}
	return k.admit(ctx, ref, *want.Row)
}

// load gives the asker's row.
func (k *Keeper) load(ctx context.Context, ref Ref) (Stored, error) {
	s, err := k.config.Store.Load(ctx, ref.Tenant, ref.ID)
	if errors.Is(err, ErrGone) {
		return Stored{}, &Refusal{Code: CodeNotConnected, Cause: ErrGone}
	}
	if err != nil {
		return Stored{}, err
	}
	return k.admit(ctx, ref, s)
}

// admit gives a row that is the asker's and connected. Another's is not told from one that is not there (T44).
func (k *Keeper) admit(ctx context.Context, ref Ref, s Stored) (Stored, error) {
	if s.Ref != ref {
		return Stored{}, &Refusal{Code: CodeNotConnected, Cause: ErrGone}
	}
	switch s.Status {
	case Connected:
		return s, nil
	case ReauthorizationRequired:
		// An answer that rests on the shelf of this replica makes it whole again.
		if s.Flight.State == Lost && k.repair(ctx, ref, s) {
			return k.load(ctx, ref)
		}
		return Stored{}, &Refusal{Code: CodeReauthorization, Reason: s.Reason}
	case Suspended:
		return Stored{}, &Refusal{Code: CodeSuspended, Reason: s.Reason}
	case Revoked:
		return Stored{}, &Refusal{Code: CodeNotConnected, Cause: ErrGone}
	default:
		return Stored{}, fmt.Errorf("connection %s: a status that is not known", s.ID)
	}
}

func (k *Keeper) open(ctx context.Context, ref Ref, s Stored) (Live, error) {
	c, err := Open(ctx, k.config.Sealer, ref, s)
	if errors.Is(err, vault.ErrUnopened) || errors.Is(err, vault.ErrMalformed) || errors.Is(err, provider.ErrNotCredential) {
		k.alert(ctx, AlertUnopened, ref, s.Version, "", "it does not open in its place")
	}
	if err != nil {
		return Live{}, fmt.Errorf("connection %s: %w", ref.ID, err)
	}
	return Live{s.Connection, c}, nil
}

// due is from when on a credential is refreshed: one that cannot be is good to its end.
func due(c provider.Credential) time.Time {
	if !renewable(c) {
		return c.ExpiresAt
	}
	return c.RefreshAt()
}

// rested: it lives long enough, and need not be refreshed yet.
func (k *Keeper) rested(expires, refresh time.Time, want Want) bool {
	return k.lives(expires, want) && (refresh.IsZero() || k.config.Now().Before(refresh))
}

// lives: there is more than min_ttl left, and never less than a request takes.
func (k *Keeper) lives(expires time.Time, want Want) bool {
	return expires.IsZero() || expires.Sub(k.config.Now()) >= max(want.MinTTL, leastLife)
}

const leastLife = 5 * time.Second

func (k *Keeper) alert(ctx context.Context, kind AlertKind, ref Ref, version int64, attempt, detail string) {
	k.config.Alert(ctx, Alert{kind, ref, version, attempt, detail})
}

func (k *Keeper) reach(p Point) error {
	if k.config.Failpoints == nil {
		return nil
	}
	return k.config.Failpoints.Reach(p)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

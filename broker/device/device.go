package device

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// How long a request waits, and how often its device may ask (RFC 8628 §3.2, §3.5).
const (
	Lifetime = 10 * time.Minute
	Interval = 5 * time.Second
	slower   = 5 * time.Second
	// jitter is what a network adds to or takes from the time between two questions.
	jitter = 500 * time.Millisecond
)

// Space keeps the redemptions of device codes apart from all others.
const Space ledger.Space = "device"

// maxWaiting bounds what one client has waiting at a time: a public client's name is anybody's.
const maxWaiting = 10000

// State says what the person said.
type State string

// The states. What was approved and fetched is redeemed in the ledger.
const (
	Waiting  State = "waiting"
	Approved State = "approved"
	Denied   State = "denied"
)

// Handle is what a request is kept under: the digest of its device code.
type Handle [sha256.Size]byte

// Authorization is a device's request, as it rests.
type Authorization struct {
	Handle     Handle
	UserCode   [sha256.Size]byte // under a key
	ClientUID  string
	ClientID   string
	Parameters string // authorization.Request.Parameters, of authorization.ParseDevice
	Thumbprint string // of the key to which it is bound; "" for none
	State      State
	Wait       time.Duration // between two questions of the device
	AskedAt    time.Time     // zero: not yet
	CreatedAt  time.Time
	ExpiresAt  time.Time
	Answer
}

// Answer is what a person said to a device's request; zero while he has not.
type Answer struct {
	At      time.Time
	UserUID string
	IdPUID  string
	Version int64       // of the tenant: a mark above it ends what was approved
	Granted *code.Grant // of an approval: what he let the client have
}

// Asked is a request as its device finds it.
type Asked struct {
	Authorization
	Early   bool // the device asks too often
	Revoked bool // what was approved was taken back since
}

// Alive tells whether its time is not over.
func (a Authorization) Alive(now time.Time) bool { return now.Before(a.ExpiresAt) }

// redeemedFor keeps a redemption longer than any replica's clock lets its request live.
const redeemedFor = 5 * time.Minute

// Redemption is the one use of an approval.
func (a Authorization) Redemption(t tenant.UID, usedBefore string) ledger.Redemption {
	return ledger.Redemption{Tenant: t, Space: Space, Key: a.Handle, ExpiresAt: a.ExpiresAt.Add(redeemedFor), Code: usedBefore}
}

// What a Store answers besides success.
var (
	// ErrUnknown: there is no such request, or none that still waits.
	ErrUnknown = errors.New("no such request of a device")
	// ErrTaken: the user code is another request's.
	ErrTaken = errors.New("the user code is taken")
	// ErrFull: as many requests of the client wait as may.
	ErrFull = errors.New("too many requests of the client wait")
	// ErrTries: too many codes were tried.
	ErrTries = errors.New("too many codes were tried")
)

// Store keeps the requests of devices. All replicas share it.
type Store interface {
	// Begin keeps a request, unless its code is taken (ErrTaken) or most of the client's wait already (ErrFull).
	Begin(ctx context.Context, t tenant.UID, a Authorization, most int) error
	// ByCode finds the request that waits under one of the codes at now, or ErrUnknown.
	ByCode(ctx context.Context, t tenant.UID, codes [][sha256.Size]byte, now time.Time) (Authorization, error)
	// Answer puts a person's answer to a request that waits, with its event, in one step; ErrUnknown if it does not wait
	// any more at the answer's time.
	Answer(ctx context.Context, t tenant.UID, h Handle, to State, a Answer, e audit.Event) error
	// Ask finds a request for its device, or ErrUnknown. With a pace it notes on one that waits that it was asked for.
	Ask(ctx context.Context, t tenant.UID, h Handle, now time.Time, p *Pace) (Asked, error)
}

// Pace is how a device may ask.
type Pace struct{ Jitter, Slower time.Duration }

// Next is when a request that was asked for at now was asked for too early, and how long its device has to wait from then on.
func (p Pace) Next(a Authorization, now time.Time) (early bool, wait time.Duration) {
	early = !a.AskedAt.IsZero() && now.Before(a.AskedAt.Add(a.Wait-p.Jitter))
	if early {
		return true, min(a.Wait+p.Slower, Lifetime)
	}
	return false, a.Wait
}

// Keys gives keys that all replicas share and that outlive a restart: the one to
// use first, then those that are still recognised.
type Keys interface {
	Derive(purpose string) ([][]byte, error)
}

// Authorizations are the requests of devices.
type Authorizations struct {
	store    Store
	keys     Keys
	now      func() time.Time
	sessions *tries[[sha256.Size]byte]
	places   *tries[string]
}

// New makes Authorizations. Every part is required.
func New(store Store, keys Keys, now func() time.Time) (*Authorizations, error) {
	if store == nil || keys == nil || now == nil {
		return nil, errors.New("requests of devices need a store, keys and a clock")
	}
	sessions, err := newTries[[sha256.Size]byte](triesOfSession, now)
	if err != nil {
		return nil, err
	}
	places, err := newTries[string](triesOfAddress, now)
	if err != nil {
		return nil, err
	}
	return &Authorizations{store: store, keys: keys, now: now, sessions: sessions, places: places}, nil
}

// Begun is what the device gets (RFC 8628 §3.2).
type Begun struct {
	DeviceCode string // a secret
	UserCode   string // as it is shown
	ExpiresIn  time.Duration
	Interval   time.Duration
}

// String names nothing of it.
func (Begun) String() string { return "codes of a device" }

// GoString is String, for %#v.
func (b Begun) GoString() string { return b.String() }

// Beginning is a request that authorization.ParseDevice accepted.
type Beginning struct {
	ClientUID  string
	ClientID   string
	Parameters string
	Thumbprint string
}

// Begin keeps a request and makes its codes. It answers ErrFull if the client has too many waiting.
func (a *Authorizations) Begin(ctx context.Context, t tenant.UID, b Beginning) (Begun, error) {
	if err := t.Check(); err != nil {
		return Begun{}, err
	}
	if b.ClientUID == "" || b.ClientID == "" || b.Parameters == "" {
		return Begun{}, errors.New("a device's request needs a client and its parameters")
	}
	now := a.now().UTC().Truncate(time.Microsecond)
	for range maxDraws {
		deviceCode, handle := newDeviceCode()
		userCode := newUserCode()
		digests, err := a.digests(t, userCode)
		if err != nil {
			return Begun{}, err
		}
		err = a.store.Begin(ctx, t, Authorization{
			Handle: handle, UserCode: digests[0], ClientUID: b.ClientUID, ClientID: b.ClientID, Parameters: b.Parameters,
			Thumbprint: b.Thumbprint, State: Waiting, Wait: Interval, CreatedAt: now, ExpiresAt: now.Add(Lifetime),
		}, maxWaiting)
		if errors.Is(err, ErrTaken) {
			continue
		}
		if err != nil {
			return Begun{}, fmt.Errorf("keep a device's request: %w", err)
		}
		return Begun{DeviceCode: deviceCode, UserCode: shown(userCode), ExpiresIn: Lifetime, Interval: Interval}, nil
	}
	return Begun{}, ErrFull
}

// Ask finds the request of a device code, or ErrUnknown. With count the question is one of the device's: a repetition of it
// here is not.
func (a *Authorizations) Ask(ctx context.Context, t tenant.UID, deviceCode string, count bool) (Asked, error) {
	if err := t.Check(); err != nil {
		return Asked{}, err
	}
	handle, ok := handleOf(deviceCode)
	if !ok {
		return Asked{}, ErrUnknown
	}
	var pace *Pace
	if count {
		pace = &Pace{Jitter: jitter, Slower: slower}
	}
	return a.store.Ask(ctx, t, handle, a.now(), pace)
}

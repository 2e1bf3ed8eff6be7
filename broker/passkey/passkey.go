// Package passkey lets a person who is signed in through an IdP show more than
// that IdP can say: a passkey (WebAuthn Level 3), enrolled here, as a second proof
// on top of the session. It is never a sign-in of its own.
//
// A challenge is good once, for five minutes, for the session that asked for it.
// User verification is required; what attestation says is neither asked for nor
// believed. What an assertion proves is session.ACRPasskey, now.
//
// It is the home of github.com/go-webauthn/webauthn. It knows no HTML, no HTTP and
// no SQL, and does not change a session: whoever calls raises it.
package passkey

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Bounds.
const (
	// ChallengeLifetime is how long a person may take.
	ChallengeLifetime = 5 * time.Minute
	// Freshness is how long ago the person may have signed in at the IdP to enrol a passkey.
	Freshness = 5 * time.Minute
	// Most is how many passkeys a person can have.
	Most = 10
	// MaxResponse bounds what a browser sends, in bytes.
	MaxResponse = 16 << 10
)

// What is refused.
var (
	// ErrNotAllowed: the tenant has no passkeys, or its address cannot have any (an IP address).
	ErrNotAllowed = errors.New("passkeys are not allowed here")
	// ErrNotFresh: the sign-in at the IdP is not recent enough to enrol one.
	ErrNotFresh = errors.New("the sign-in is not fresh")
	// ErrNone: the person has none.
	ErrNone = errors.New("the person has no passkey")
	// ErrFull: the person has as many as one can have.
	ErrFull = errors.New("the person has too many passkeys")
	// ErrTaken: the tenant knows the credential already.
	ErrTaken = errors.New("the credential is known already")
	// ErrGone: there is no such passkey, or no such challenge: it was used, is another session's, or its time is over.
	ErrGone = errors.New("no such passkey or challenge")
	// ErrRefused: what the browser sent proves nothing. What it wraps is for the record only.
	ErrRefused = errors.New("the passkey's answer was refused")
)

// Credential is a person's passkey.
type Credential struct {
	Tenant     tenant.UID
	UserUID    string
	ID         string // ours, which pages show
	Credential []byte // the authenticator's own id of it
	PublicKey  []byte // COSE
	SignCount  uint32
	// BackupEligible: it may be on several devices. It never changes.
	BackupEligible bool
	Transports     []string
	Name           string // what the person calls it
	CreatedAt      time.Time
	UsedAt         time.Time // zero: not yet
}

// Purpose is what a challenge is for.
type Purpose string

// The purposes.
const (
	Enrol Purpose = "enrol"
	Prove Purpose = "prove"
)

// Challenge waits for an authenticator. It rests under its digest; nobody needs it back.
type Challenge struct {
	Handle    [32]byte
	Tenant    tenant.UID
	UserUID   string
	Session   [32]byte // the handle of the session that asked
	Purpose   Purpose
	ExpiresAt time.Time
}

// Store keeps passkeys and challenges of tenants. Each method that takes an event is one transaction with it.
type Store interface {
	// List gives a person's passkeys, in the order of their enrolment.
	List(ctx context.Context, t tenant.UID, userUID string) ([]Credential, error)
	// Add keeps one more; ErrTaken if the tenant knows the credential, whosever it is, ErrFull if the person has most.
	Add(ctx context.Context, c Credential, most int, e audit.Event) error
	// Use notes that a passkey was used, if its counter is still the one that was read; else ErrGone.
	Use(ctx context.Context, c Credential, from uint32, e audit.Event) error
	// Remove deletes a person's passkey by our id of it, or answers ErrGone.
	Remove(ctx context.Context, t tenant.UID, userUID, id string, e audit.Event) error
	// Expect keeps a challenge, in the place of any that the session has for the same purpose.
	Expect(ctx context.Context, c Challenge) error
	// Take removes a challenge that has not ended at now; of any number who ask, one gets it, and the others get ErrGone.
	Take(ctx context.Context, t tenant.UID, handle [32]byte, now time.Time) (Challenge, error)
}

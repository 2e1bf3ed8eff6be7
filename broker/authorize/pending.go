package authorize

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// PendingLifetime is how long a request waits for its person.
const PendingLifetime = 10 * time.Minute

// maxDepartures is how often one request sends its person to an IdP.
const maxDepartures = 10

// Pending is an authorization request that waits for its person, as it rests: under the digest of the id in its address,
// and bound to the digest of what its browser keeps, so that who reads the store can open nothing.
type Pending struct {
	Handle     [sha256.Size]byte
	Browser    [sha256.Size]byte
	Parameters string // authorization.Request.Parameters
	Progress   Progress
	Turn       int64 // of the progress
	CreatedAt  time.Time
	ExpiresAt  time.Time
	// ProvedBy is the uid of the client that authenticated when it pushed this, "" where nobody did: so many are kept of each.
	ProvedBy string
}

// Progress is what was tried for a request already.
type Progress struct {
	Departures int `json:"departures,omitempty"`
	// DepartedAt is when the browser left last for what the client asks; Returned is the id of the session with which it came
	// back from then on, for this request and nothing else.
	DepartedAt time.Time `json:"departed_at,omitzero"`
	Returned   string    `json:"returned,omitempty"`
	// Preferred: a stronger sign-in was asked for because the client would like it (acr_values).
	Preferred bool `json:"preferred,omitempty"`
	// Plain: the last departure asked for nothing that the client would merely like. Unmet: its IdP did not give what it asked.
	Plain bool `json:"plain,omitempty"`
	Unmet bool `json:"unmet,omitempty"`
	// AskedIdP and AskedHere: one was asked for because policy demands it, at the IdP or of what is enrolled here. Each is
	// tried once.
	AskedIdP  bool `json:"asked_idp,omitempty"`
	AskedHere bool `json:"asked_here,omitempty"`
}

// Requests keeps pending requests of a tenant; all replicas share it.
type Requests interface {
	// Keep answers ErrCrowded where too many wait of those who made it: of strangers, or of the client that proved itself.
	Keep(ctx context.Context, t tenant.UID, p Pending) error
	// Find gives a request that has not ended at now, or ErrNotWaiting.
	Find(ctx context.Context, t tenant.UID, handle [sha256.Size]byte, now time.Time) (Pending, error)
	// Move changes a request's progress if its turn is still the one given, else answers ErrNotWaiting.
	Move(ctx context.Context, t tenant.UID, handle [sha256.Size]byte, turn int64, to Progress) error
	// Take removes a request that has not ended at now; of any number who ask, one does, and the others get ErrNotWaiting.
	Take(ctx context.Context, t tenant.UID, handle [sha256.Size]byte, now time.Time) error
}

// What Requests answer besides success.
var (
	// ErrNotWaiting says that there is no such request.
	ErrNotWaiting = errors.New("no such request waits")
	// ErrCrowded says that no more are put by.
	ErrCrowded = errors.New("too many requests wait")
)

// newSecret makes 256 random bits as text, with the digest under which they rest.
func newSecret() (text string, rests [sha256.Size]byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand crashes the program first
	return base64.RawURLEncoding.EncodeToString(raw[:]), sha256.Sum256(raw[:])
}

// readSecret gives the digest of what newSecret made, in its only form.
func readSecret(text string) (rests [sha256.Size]byte, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(32) {
		return rests, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != 32 {
		return rests, false
	}
	return sha256.Sum256(raw), true
}

package audit

import (
	"context"
	"time"
)

// Checkpoint is a signed statement about every writer's head.
type Checkpoint struct {
	Number   int64
	At       time.Time
	Previous Digest // hash of checkpoint Number-1; zero for the first
	Heads    []Head // sorted by writer: all that are not sealed, and those sealed since the previous one
}

// Signer signs checkpoints with a key of its own.
type Signer interface {
	// KeyID is the key's RFC 7638 thumbprint.
	KeyID() string
	// Sign returns the ES256 JWS of the payload, detached (RFC 7515, appendix F).
	Sign(payload []byte) (string, error)
}

// SignedCheckpoint is a checkpoint as it rests: Hash is the SHA-256 of Body.
type SignedCheckpoint struct {
	Number    int64
	At        time.Time
	Body      []byte // canonical
	Hash      Digest
	KeyID     string
	Signature string
}

// Checkpoints is where checkpoints rest; broker/store implements it.
type Checkpoints interface {
	// Beat says that a writer lives, seals those that have not for a minute, and returns the
	// database's clock, the newest checkpoint (nil before the first) and the heads for the next:
	// of all writers not sealed, and of the sealed ones that no checkpoint has named as such.
	Beat(ctx context.Context, writer string) (now time.Time, newest *SignedCheckpoint, heads []Head, err error)
	// Seal ends a writer: its chain stays as it is.
	Seal(ctx context.Context, writer string) error
	// Add inserts a checkpoint; false if somebody else wrote that number.
	Add(ctx context.Context, c SignedCheckpoint, sealed []string) (bool, error)
}

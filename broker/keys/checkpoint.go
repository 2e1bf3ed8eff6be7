package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/federation/jws"
	"github.com/chancery-dev/chancery/vault"
)

// CheckpointRow is a checkpoint key as it rests (table checkpoint_keys). It
// belongs to no tenant. A zero RetiredAt is null.
type CheckpointRow struct {
	KeyID     string
	PublicJWK []byte
	Sealed    []byte
	CreatedAt time.Time
	RetiredAt time.Time
}

// CheckpointStore keeps checkpoint keys. They are never deleted: old checkpoints
// verify for ever.
type CheckpointStore interface {
	CheckpointKeys(ctx context.Context) ([]CheckpointRow, error)
	// AddCheckpointKey inserts a key and the event of its making, or answers
	// ErrConflict if there is one that is not retired.
	AddCheckpointKey(ctx context.Context, row CheckpointRow, made audit.Event) error
}

// CheckpointKey signs audit checkpoints, and nothing else.
type CheckpointKey struct {
	pair pair
	jwks []byte
}

var _ audit.Signer = (*CheckpointKey)(nil)

// LoadCheckpointKey opens the checkpoint key; the first start of an installation
// makes it. made is completed to the event of its making.
func LoadCheckpointKey(ctx context.Context, store CheckpointStore, sealer vault.Sealer, now func() time.Time, made audit.Event) (*CheckpointKey, error) {
	for range attempts {
		rows, err := store.CheckpointKeys(ctx)
		if err != nil {
			return nil, fmt.Errorf("load checkpoint keys: %w", err)
		}
		if key, err := openCheckpoint(ctx, sealer, rows); key != nil || err != nil {
			return key, err
		}
		row, err := newCheckpoint(ctx, sealer, now())
		if err != nil {
			return nil, err
		}
		made.Detail = map[string]string{"kid": row.KeyID, "algorithm": ES256}
		err = store.AddCheckpointKey(ctx, row, made)
		if err != nil && !errors.Is(err, ErrConflict) {
			return nil, fmt.Errorf("add checkpoint key: %w", err)
		}
	}
	return nil, fmt.Errorf("add checkpoint key: %w", ErrConflict)
}

// openCheckpoint returns nil and no error if there is no key in use.
func openCheckpoint(ctx context.Context, sealer vault.Sealer, rows []CheckpointRow) (*CheckpointKey, error) {
	var current *CheckpointRow
	public := make([]json.RawMessage, len(rows))
	for i := range rows {
		public[i] = rows[i].PublicJWK
		if rows[i].RetiredAt.IsZero() {
			current = &rows[i]
		}
	}
	if current == nil {
		return nil, nil //nolint:nilnil // none yet is an answer
	}
	p, err := open(ctx, sealer, CheckpointPlace(current.KeyID), ES256, current.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint key %s: %w", current.KeyID, err)
	}
	set, err := json.Marshal(map[string][]json.RawMessage{"keys": public})
	if err != nil {
		return nil, fmt.Errorf("checkpoint keys: %w", err)
	}
	return &CheckpointKey{pair: p, jwks: set}, nil
}

func newCheckpoint(ctx context.Context, sealer vault.Sealer, now time.Time) (CheckpointRow, error) {
	p, err := generate(ES256)
	if err != nil {
		return CheckpointRow{}, err
	}
	sealed, err := p.seal(ctx, sealer, CheckpointPlace(p.id))
	if err != nil {
		return CheckpointRow{}, fmt.Errorf("seal checkpoint key: %w", err)
	}
	return CheckpointRow{KeyID: p.id, PublicJWK: p.jwk, Sealed: sealed, CreatedAt: now}, nil
}

// CheckpointPlace is where a checkpoint key rests.
func CheckpointPlace(keyID string) vault.AAD {
	return vault.AAD{Tenant: vault.Installation, Table: "checkpoint_keys", UID: keyID, Column: "sealed"}
}

// KeyID is the key's RFC 7638 thumbprint.
func (k *CheckpointKey) KeyID() string { return k.pair.id }

// Sign returns the ES256 JWS of the payload, detached (RFC 7515 appendix F).
func (k *CheckpointKey) Sign(payload []byte) (string, error) {
	compact, err := jws.Sign(ES256, k.pair.id, "", k.pair.private, payload)
	if err != nil {
		return "", err
	}
	first, last := strings.IndexByte(compact, '.'), strings.LastIndexByte(compact, '.')
	return compact[:first+1] + compact[last:], nil
}

// PublicJWK is the public half, as it goes with an export.
func (k *CheckpointKey) PublicJWK() []byte { return k.pair.jwk }

// JWKS is every checkpoint key that ever was: what `audit verify` needs.
func (k *CheckpointKey) JWKS() []byte { return k.jwks }

// String implements fmt.Stringer: the name, never the key.
func (k *CheckpointKey) String() string { return "checkpoint key " + k.pair.id }

// GoString implements fmt.GoStringer, for %#v.
func (k *CheckpointKey) GoString() string { return k.String() }

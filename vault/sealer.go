package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sealer makes secrets fit to rest, and gives them back. Implementations hold the
// keys. A blob opens only with the AAD that it was sealed with.
type Sealer interface {
	Seal(ctx context.Context, plaintext []byte, aad AAD) ([]byte, error)
	// Open answers ErrUnopened for a blob that is of another row, was altered, or
	// was sealed with a key that is not at hand; ErrMalformed for what is no blob.
	Open(ctx context.Context, blob []byte, aad AAD) ([]byte, error)
}

// Installation stands for the tenant in the AAD of what belongs to none. No
// tenant's uid can look like it.
const Installation = "installation"

// ErrUnopened says that a blob does not open here. It names no reason: the
// candidates cannot be told apart, and an alert is due in each case.
var ErrUnopened = errors.New("the sealed blob does not open")

// errUnbound: a part that is absent would bind the blob to less than one place.
var errUnbound = errors.New("a sealed blob must be bound to tenant, table, uid and column")

// AAD is the one place where a sealed blob may stand (T68: a row's ciphertext
// that is copied into another row does not open there).
type AAD struct {
	Tenant string // uid, or Installation
	Table  string
	UID    string // of the row within its tenant
	Column string
}

// Bytes encodes the place: each part after its length in four bytes, so that no
// two places have one encoding.
func (a AAD) Bytes() ([]byte, error) {
	parts := [...]string{a.Tenant, a.Table, a.UID, a.Column}
	out := make([]byte, 0, 4*len(parts)+len(a.Tenant)+len(a.Table)+len(a.UID)+len(a.Column))
	for _, part := range parts {
		if part == "" || len(part) > 1<<10 {
			return nil, fmt.Errorf("%w: %+v", errUnbound, a)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(part))) //nolint:gosec // bounded above
		out = append(out, part...)
	}
	return out, nil
}

package vault

import (
	"errors"
	"fmt"
)

// Magic begins every sealed blob; the schema checks it, so that nothing unsealed
// fits into a column that is meant for secrets.
const Magic = "CHS0"

// Scheme is a blob's format version: it says how the body was made.
type Scheme byte

// The schemes there are.
const (
	// XAES256GCM: body is a nonce of 24 bytes and an AES-256-GCM ciphertext under a
	// key derived from the first 12 of them (C2SP XAES-256-GCM), so that random
	// nonces may be used without counting messages.
	XAES256GCM Scheme = 1
	// WrappedKey: body is an Envelope, whose data key another service wrapped.
	WrappedKey Scheme = 2
)

// maxKeyID is what the length byte can say, and more than any key id needs.
const maxKeyID = 64

// ErrMalformed says that some bytes are no sealed blob.
var ErrMalformed = errors.New("not a sealed blob")

// Blob is a sealed secret taken apart: magic ‖ scheme ‖ length of key id ‖ key id ‖ body.
type Blob struct {
	Scheme Scheme
	KeyID  string
	Body   []byte // nonce ‖ ciphertext ‖ tag
}

// Encode writes the blob.
func (b Blob) Encode() ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(Magic)+2+len(b.KeyID)+len(b.Body))
	out = append(out, Magic...)
	out = append(out, byte(b.Scheme), byte(len(b.KeyID))) //nolint:gosec // at most maxKeyID
	out = append(out, b.KeyID...)
	return append(out, b.Body...), nil
}

// Parse takes a blob apart without opening it. The body is a part of p.
func Parse(p []byte) (Blob, error) {
	if len(p) < len(Magic)+2 || string(p[:len(Magic)]) != Magic {
		return Blob{}, fmt.Errorf("%w: it does not begin with %q", ErrMalformed, Magic)
	}
	scheme, length, rest := p[len(Magic)], int(p[len(Magic)+1]), p[len(Magic)+2:]
	if len(rest) < length {
		return Blob{}, fmt.Errorf("%w: it ends within its key id", ErrMalformed)
	}
	b := Blob{Scheme: Scheme(scheme), KeyID: string(rest[:length]), Body: rest[length:]}
	if err := b.check(); err != nil {
		return Blob{}, err
	}
	return b, nil
}

func (b Blob) check() error {
	if b.Scheme != XAES256GCM && b.Scheme != WrappedKey {
		return fmt.Errorf("%w: scheme %d is not known", ErrMalformed, b.Scheme)
	}
	if b.KeyID == "" || len(b.KeyID) > maxKeyID {
		return fmt.Errorf("%w: a key id has 1 to %d bytes", ErrMalformed, maxKeyID)
	}
	for i := range len(b.KeyID) {
		if c := b.KeyID[i]; c <= 0x20 || c > 0x7e {
			return fmt.Errorf("%w: its key id is not printable", ErrMalformed)
		}
	}
	if len(b.Body) == 0 {
		return fmt.Errorf("%w: it has no body", ErrMalformed)
	}
	return nil
}

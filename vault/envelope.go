package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// DataKey seals one secret and nothing else. It rests wrapped, beside what it sealed.
type DataKey [32]byte

// NewDataKey makes a key that nobody else has.
func NewDataKey() *DataKey {
	var k DataKey
	_, _ = rand.Read(k[:]) // never fails: crypto/rand crashes the program first
	return &k
}

// Wipe overwrites the key, as far as a program can know where it is.
func (k *DataKey) Wipe() { clear(k[:]) }

// String implements fmt.Stringer.
func (k *DataKey) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer, for %#v.
func (k *DataKey) GoString() string { return "[redacted]" }

// Envelope is the body of a blob of scheme WrappedKey: a data key as its wrapper gave it back, and what it sealed.
type Envelope struct {
	Wrapped []byte
	Sealed  []byte // nonce ‖ ciphertext ‖ tag
}

const nonceSize = 12

// maxWrapped is more than any wrapper makes of 32 bytes.
const maxWrapped = 1 << 10

// Encode writes the body.
func (e Envelope) Encode() ([]byte, error) {
	if len(e.Wrapped) == 0 || len(e.Wrapped) > maxWrapped || len(e.Sealed) <= nonceSize {
		return nil, fmt.Errorf("%w: an envelope without a wrapped key or content", ErrMalformed)
	}
	out := make([]byte, 0, 2+len(e.Wrapped)+len(e.Sealed))
	out = binary.BigEndian.AppendUint16(out, uint16(len(e.Wrapped))) //nolint:gosec // at most maxWrapped
	out = append(out, e.Wrapped...)
	return append(out, e.Sealed...), nil
}

// ParseEnvelope takes a body apart; the parts are parts of it.
func ParseEnvelope(body []byte) (Envelope, error) {
	if len(body) < 2 {
		return Envelope{}, fmt.Errorf("%w: an envelope that ends before its key", ErrMalformed)
	}
	length, rest := int(binary.BigEndian.Uint16(body)), body[2:]
	if length == 0 || length > maxWrapped || len(rest) <= length+nonceSize {
		return Envelope{}, fmt.Errorf("%w: an envelope without a wrapped key or content", ErrMalformed)
	}
	return Envelope{Wrapped: rest[:length], Sealed: rest[length:]}, nil
}

// Seal encrypts under the key for exactly one place (AES-256-GCM).
func (k *DataKey) Seal(plaintext []byte, place AAD) ([]byte, error) {
	gcm, aad, err := k.gcm(place)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceSize, nonceSize+len(plaintext)+gcm.Overhead())
	_, _ = rand.Read(nonce)
	return gcm.Seal(nonce, nonce, plaintext, aad), nil
}

// Open decrypts what Seal made for this place.
func (k *DataKey) Open(sealed []byte, place AAD) ([]byte, error) {
	gcm, aad, err := k.gcm(place)
	if err != nil {
		return nil, err
	}
	if len(sealed) <= nonceSize {
		return nil, fmt.Errorf("%w: no content", ErrMalformed)
	}
	plaintext, err := gcm.Open(nil, sealed[:nonceSize], sealed[nonceSize:], aad)
	if err != nil {
		return nil, fmt.Errorf("%w: %s.%s", ErrUnopened, place.Table, place.Column)
	}
	return plaintext, nil
}

func (k *DataKey) gcm(place AAD) (cipher.AEAD, []byte, error) {
	aad, err := place.Bytes()
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, aad, err
}

// Context is a digest of the place, for wrappers that derive a key for each: what was wrapped for one place does not
// unwrap for another.
func (a AAD) Context() ([]byte, error) {
	place, err := a.Bytes()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(place)
	return digest[:], nil
}

package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// NonceLifetime is how long a nonce is good after the minute in which it was made.
const NonceLifetime = 5 * time.Minute

const (
	nonceEvery = time.Minute // how often there is another one
	nonceMAC   = 16          // bytes of the MAC that are kept: enough against guessing within a lifetime
	nonceSize  = 8 + nonceMAC
	// noncePurpose separates the key from all others of the installation.
	noncePurpose = "chancery dpop v1: nonce"
)

// ErrNonce says that a nonce is not good: outside it is one answer, the wrapped
// reasons are for the audit log.
var ErrNonce = errors.New("no fresh nonce")

var (
	errNonceAbsent = fmt.Errorf("%w: the proof has none", ErrNonce)
	errNonceForged = fmt.Errorf("%w: not one of this server for this tenant", ErrNonce)
	errNonceStale  = fmt.Errorf("%w: it is too old", ErrNonce)
	errNonceEarly  = fmt.Errorf("%w: it is from the future", ErrNonce)
)

// Keys gives keys that all replicas share and that outlive a restart: the one to
// use first, then those that are still recognised.
type Keys interface {
	Derive(purpose string) ([][]byte, error)
}

// Nonces makes and recognises the nonces of RFC 9449 §8 without remembering any: a
// nonce is the minute in which it was made, under a MAC that holds the tenant too.
// One nonce serves all clients of a tenant for its minute; that a proof is used
// once is the ledger's matter, not the nonce's.
type Nonces struct {
	keys Keys
	now  func() time.Time
}

// NewNonces makes Nonces. Both are required.
func NewNonces(keys Keys, now func() time.Time) (*Nonces, error) {
	if keys == nil || now == nil {
		return nil, errors.New("nonces need keys and a clock")
	}
	return &Nonces{keys: keys, now: now}, nil
}

// Fresh is the nonce of this minute.
func (n *Nonces) Fresh(t tenant.UID) (string, error) {
	keys, err := n.derive(t)
	if err != nil {
		return "", err
	}
	minute := binary.BigEndian.AppendUint64(make([]byte, 0, nonceSize), bucket(n.now()))
	return base64.RawURLEncoding.EncodeToString(append(minute, seal(keys[0], t, minute)...)), nil
}

// Check tells why a nonce is not good at this moment (ErrNonce), or nil.
func (n *Nonces) Check(t tenant.UID, nonce string) error {
	if nonce == "" {
		return errNonceAbsent
	}
	keys, err := n.derive(t)
	if err != nil {
		return err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != nonceSize || len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) { // the decoder skips line breaks
		return errNonceForged
	}
	minute, mac := raw[:8], raw[8:]
	if !sealed(keys, t, minute, mac) {
		return errNonceForged
	}
	// Only what we wrote ourselves is read as a time.
	made := time.Unix(int64(binary.BigEndian.Uint64(minute))*int64(nonceEvery/time.Second), 0) //nolint:gosec // ours, from a clock
	switch age := n.now().Sub(made); {
	case age > NonceLifetime+nonceEvery: // its minute, and the lifetime after it
		return errNonceStale
	case age < -Window: // another replica's clock may be ahead of ours
		return errNonceEarly
	}
	return nil
}

func (n *Nonces) derive(t tenant.UID) ([][]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	keys, err := n.keys.Derive(noncePurpose)
	if err != nil {
		return nil, fmt.Errorf("key of nonces: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key of nonces")
	}
	return keys, nil
}

func sealed(keys [][]byte, t tenant.UID, minute, mac []byte) bool {
	for _, key := range keys {
		if hmac.Equal(seal(key, t, minute), mac) {
			return true
		}
	}
	return false
}

// seal is of two parts of fixed meaning: the minute has eight bytes, what follows is the tenant.
func seal(key []byte, t tenant.UID, minute []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(minute)
	mac.Write([]byte(t.String()))
	return mac.Sum(nil)[:nonceMAC]
}

func bucket(now time.Time) uint64 {
	return uint64(now.Unix() / int64(nonceEvery/time.Second)) //nolint:gosec // after 1970
}

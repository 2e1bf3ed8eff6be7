package client

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/secret"
)

// SchemeSHA256 stands beside each digest and says how it was made.
const SchemeSHA256 = "sha256"

// SecretPrefix begins every generated secret, so that scanners can find it.
const SecretPrefix = "chs_"

// MaxLiveSecrets is how many a client has at most: the old and the new of a rotation.
const MaxLiveSecrets = 2

// minSupplied is the shortest secret that an administrator may choose (T57).
const minSupplied = 32

// ErrShortSecret refuses what could be guessed from its digest.
var ErrShortSecret = fmt.Errorf("a client secret that is not generated must have at least %d characters", minSupplied)

// NewSecret makes a secret of 256 bits, to be shown once: prefix, 43 characters
// of base64url, and a checksum of 6 more that tells a scanner a real one.
func NewSecret(now time.Time) (secret.Text, SecretDigest) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand crashes the program first
	text := SecretPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	sum := crc32.ChecksumIEEE([]byte(text))
	text += base64.RawURLEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}) //nolint:gosec // cut into bytes
	return secret.New(text), SecretDigest{ID: id.New(id.Secret, now), Digest: sha256.Sum256([]byte(text))}
}

// SupplySecret takes a secret that the configuration refers to.
func SupplySecret(text secret.Text) (SecretDigest, error) {
	if len(text.Reveal()) < minSupplied {
		return SecretDigest{}, ErrShortSecret
	}
	return SecretDigest{Digest: sha256.Sum256([]byte(text.Reveal()))}, nil
}

// errSecret is the private cause of a wrong secret.
var (
	errSecret   = errors.New("the secret is wrong")
	errNoSecret = errors.New("the client has no live secret")
)

// compare hashes what was presented and compares it with every live digest, and
// with as many decoys as are missing to MaxLiveSecrets: with no client and no
// secret it does the same work as with some.
func compare(presented string, live []SecretDigest) (SecretDigest, error) {
	digest := sha256.Sum256([]byte(presented))
	match := -1
	for i := range live {
		if subtle.ConstantTimeCompare(digest[:], live[i].Digest[:]) == 1 {
			match = i
		}
	}
	var decoy [32]byte
	for range MaxLiveSecrets - len(live) {
		_ = subtle.ConstantTimeCompare(digest[:], decoy[:])
	}
	switch {
	case match >= 0:
		return live[match], nil
	case len(live) == 0:
		return SecretDigest{}, errNoSecret
	default:
		return SecretDigest{}, errSecret
	}
}

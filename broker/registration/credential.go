package registration

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"strings"

	"github.com/chancery-dev/chancery/broker/secret"
)

// What the two kinds of credential begin with, so that scanners can find them.
const (
	// InitialPrefix begins initial access tokens (RFC 7591 §3): they let one register.
	InitialPrefix = "iat_"
	// AccessPrefix begins registration access tokens (RFC 7592 §3): each is for one client's own registration.
	AccessPrefix = "rat_"
)

// Digest is what is kept of a credential. They have 256 bits, so a plain SHA-256 keeps them.
type Digest [32]byte

// credential makes one, to be shown once: prefix, 43 characters of base64url, and a checksum of 6 more that tells a scanner
// a real one.
func credential(prefix string) (secret.Text, Digest) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand crashes the program first
	text := prefix + base64.RawURLEncoding.EncodeToString(random[:])
	sum := crc32.ChecksumIEEE([]byte(text))
	text += base64.RawURLEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}) //nolint:gosec // cut into bytes
	return secret.New(text), sha256.Sum256([]byte(text))
}

// maxCredential is longer than any that was made here.
const maxCredential = 128

// digestOf is false for what was never made here.
func digestOf(presented, prefix string) (Digest, bool) {
	if !strings.HasPrefix(presented, prefix) || len(presented) > maxCredential {
		return Digest{}, false
	}
	return sha256.Sum256([]byte(presented)), true
}

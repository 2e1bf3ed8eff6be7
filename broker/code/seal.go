package code

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// A code is  cod_ base64url( version ‖ id ‖ AES-256-GCM(plaintext) ).
//
// The id is 32 random bytes. Key and nonce are of this code alone, expanded from the
// derived key by the id (RFC 5869 §2.3): however many codes one key seals, no pair of
// key and nonce comes twice. Version, id and tenant are authenticated with it.
const (
	prefix  = "cod_"
	version = 1

	idSize    = 32
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
	leastSize = 1 + idSize + tagSize

	// maxCode keeps the answer's address below what servers take as a request line.
	maxCode = 6 << 10

	// sealPurpose separates the keys from all others of the installation.
	sealPurpose = "chancery code v1: seal"
)

// Reasons for which a code is not one of ours: outside it is one answer.
var (
	errForm     = errors.New("it does not have the form of a code")
	errVersion  = errors.New("it has another version")
	errUnsealed = errors.New("no key of this tenant opens it")
)

// aead is the cipher of one code, and its nonce.
func aead(key, id []byte) (cipher.AEAD, []byte, error) {
	own, err := hkdf.Expand(sha256.New, key, "chancery code v1: one code\x00"+string(id), keySize+nonceSize)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(own[:keySize])
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, own[keySize:], err
}

// seal writes a code; head is version and id.
func seal(key []byte, t tenant.UID, head, plaintext []byte) (string, error) {
	gcm, nonce, err := aead(key, head[1:])
	if err != nil {
		return "", err
	}
	raw := gcm.Seal(head, nonce, plaintext, place(head, t))
	return prefix + base64.RawURLEncoding.EncodeToString(raw), nil
}

// unseal reads a code with any of the keys, the newest first.
func unseal(keys [][]byte, t tenant.UID, code string) (id [idSize]byte, plaintext []byte, err error) {
	encoded, ok := strings.CutPrefix(code, prefix)
	if !ok || len(code) > maxCode {
		return id, nil, errForm
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) < leastSize || len(encoded) != base64.RawURLEncoding.EncodedLen(len(raw)) { // the decoder skips line breaks
		return id, nil, errForm
	}
	if raw[0] != version {
		return id, nil, errVersion
	}
	head, sealed := raw[:1+idSize], raw[1+idSize:]
	for _, key := range keys {
		gcm, nonce, err := aead(key, head[1:])
		if err != nil {
			return id, nil, err
		}
		if plaintext, err = gcm.Open(nil, nonce, sealed, place(head, t)); err == nil {
			copy(id[:], head[1:])
			return id, plaintext, nil
		}
	}
	return id, nil, errUnsealed
}

// place is of two parts of fixed meaning: version and id have 33 bytes, what follows is the tenant.
func place(head []byte, t tenant.UID) []byte {
	return append(append(make([]byte, 0, 1+idSize+40), head[:1+idSize]...), t.String()...)
}

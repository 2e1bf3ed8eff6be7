package refresh

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// A token is  rft_ base64url( version ‖ family ‖ generation ‖ MAC ) checksum.
//
// The family is the 16 bytes of its id, the generation 4, the MAC HMAC-SHA256 over
// what stands before it and the tenant. The checksum, six characters, lets a
// scanner tell a real one; it protects nothing.
const (
	// Prefix begins every refresh token.
	Prefix = "rft_"

	version  = 1
	headSize = 1 + id.Size + 4
	rawSize  = headSize + sha256.Size
	sumSize  = 6

	macPurpose = "chancery refresh token v1: mac"
)

// MaxGeneration is the last: what rotates once a second gets there in more than a century.
const MaxGeneration = 1<<32 - 1

// Keys gives keys that all replicas share and that outlive a restart: the one to
// use first, then those that still count.
type Keys interface {
	Derive(purpose string) ([][]byte, error)
}

// Tokens makes and reads refresh tokens.
type Tokens struct{ keys Keys }

// NewTokens makes Tokens; the keys are required.
func NewTokens(keys Keys) (*Tokens, error) {
	if keys == nil {
		return nil, errors.New("refresh tokens need keys")
	}
	return &Tokens{keys: keys}, nil
}

// Presented is a refresh token of ours, as somebody presents it. Only Parse makes one.
type Presented struct {
	family     string
	generation int64
}

// Family is the id of its family.
func (p Presented) Family() string { return p.family }

// Generation is which of its family it is, from 1.
func (p Presented) Generation() int64 { return p.generation }

// Issue is the token of a family at a generation: asked again, the same, unless the keys were rotated in between.
func (t *Tokens) Issue(owner tenant.UID, family string, generation int64) (secret.Text, error) {
	keys, err := t.derive(owner)
	if err != nil {
		return secret.Text{}, err
	}
	name, ok := id.Bytes(id.Family, family)
	if !ok || generation < 1 || generation > MaxGeneration {
		return secret.Text{}, fmt.Errorf("no refresh token of family %q at generation %d", family, generation)
	}
	raw := make([]byte, 0, rawSize)
	raw = append(append(raw, version), name[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(generation)) // bounded above
	raw = append(raw, mac(keys[0], owner, raw)...)
	text := Prefix + base64.RawURLEncoding.EncodeToString(raw)
	return secret.New(text + checksum(text)), nil
}

// Reasons for which a token is not one of ours: outside it is one answer.
var (
	errForm    = errors.New("it does not have the form of a refresh token")
	errVersion = errors.New("it has another version")
	errMAC     = errors.New("no key of this tenant made it")
)

// Parse reads what is presented. Whatever is wrong with it is refresh_token_invalid.
func (t *Tokens) Parse(owner tenant.UID, text string) (Presented, error) {
	keys, err := t.derive(owner)
	if err != nil {
		return Presented{}, err
	}
	raw, err := decode(text)
	if err != nil {
		return Presented{}, oauth.Fail(oauth.CodeRefreshTokenInvalid, err)
	}
	known := false
	for _, key := range keys { // all of them: how long it takes tells nothing
		known = hmac.Equal(mac(key, owner, raw[:headSize]), raw[headSize:]) || known
	}
	if !known {
		return Presented{}, oauth.Fail(oauth.CodeRefreshTokenInvalid, errMAC)
	}
	generation := int64(binary.BigEndian.Uint32(raw[1+id.Size:]))
	if generation < 1 {
		return Presented{}, oauth.Fail(oauth.CodeRefreshTokenInvalid, errForm)
	}
	return Presented{family: id.Of(id.Family, [id.Size]byte(raw[1:])), generation: generation}, nil
}

// IsToken tells whether a text says itself to be a refresh token.
func IsToken(text string) bool { return strings.HasPrefix(text, Prefix) }

func decode(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, Prefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(rawSize)+sumSize {
		return nil, errForm
	}
	if end := len(text) - sumSize; checksum(text[:end]) != text[end:] {
		return nil, errForm
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded[:len(encoded)-sumSize])
	if err != nil || len(raw) != rawSize { // the decoder skips line breaks
		return nil, errForm
	}
	if raw[0] != version {
		return nil, errVersion
	}
	return raw, nil
}

// mac is over the head, which has a fixed length, and the tenant.
func mac(key []byte, owner tenant.UID, head []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(head)
	h.Write([]byte(owner.String()))
	return h.Sum(nil)
}

func checksum(text string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text)))
	return base64.RawURLEncoding.EncodeToString(sum)
}

func (t *Tokens) derive(owner tenant.UID) ([][]byte, error) {
	if err := owner.Check(); err != nil {
		return nil, err
	}
	keys, err := t.keys.Derive(macPurpose)
	if err != nil {
		return nil, fmt.Errorf("keys of refresh tokens: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key of refresh tokens")
	}
	return keys, nil
}

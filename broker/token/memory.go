package token

import (
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/federation/jwks"
)

// remembered is how many tokens a Memory keeps: about 4 KiB each at most.
const remembered = 4096

// Memory keeps what verified: a token is brought many times in its life, and of the same bytes and the same key a signature
// says the same every time. Nothing else is taken from it: that the key still is one of the tenant's, the issuer and the
// times are looked at each time, and whether the token was revoked was never asked here. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	kept *simplelru.LRU[[sha256.Size]byte, verified]
}

// verified is a token whose signature held, and the key that it held with.
type verified struct {
	token Token
	key   jwks.Key
}

// NewMemory makes an empty one.
func NewMemory() *Memory {
	kept, err := simplelru.NewLRU[[sha256.Size]byte, verified](remembered, nil)
	if err != nil {
		panic(err) // of a size that is not positive
	}
	return &Memory{kept: kept}
}

// recall gives what verified before with a key that is among keys as it was then.
func (m *Memory) recall(compact string, keys []jwks.Key) (Token, bool) {
	if m == nil {
		return Token{}, false
	}
	sum := sha256.Sum256([]byte(compact))
	m.mu.Lock()
	found, ok := m.kept.Get(sum)
	m.mu.Unlock()
	if !ok || !slices.ContainsFunc(keys, found.by) {
		return Token{}, false
	}
	return found.token, true
}

// by tells whether a key is the one: by its material, not by its name alone.
func (v verified) by(k jwks.Key) bool {
	return v.key.Thumbprint != "" && k.Thumbprint == v.key.Thumbprint && k.ID == v.key.ID && k.Algorithm == v.key.Algorithm && k.Use == v.key.Use
}

func (m *Memory) remember(compact string, v verified) {
	if m == nil || v.key.Thumbprint == "" {
		return
	}
	sum := sha256.Sum256([]byte(compact))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept.Add(sum, v)
}

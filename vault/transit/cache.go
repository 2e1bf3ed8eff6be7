package transit

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/chancery-dev/chancery/vault"
)

// Cache bounds how many data keys are kept in memory, and for how long. Without it every secret that is opened is asked of
// Vault, which then sees, and can stop, each use.
type Cache struct {
	Keys int
	For  time.Duration
}

// keyCache is nil where nothing is kept.
type keyCache struct {
	mu    sync.Mutex
	known *simplelru.LRU[[sha256.Size]byte, kept]
	until time.Duration
	now   func() time.Time
}

type kept struct {
	key  *vault.DataKey
	ends time.Time
}

func newKeyCache(c Cache, now func() time.Time) *keyCache {
	if c.Keys <= 0 || c.For <= 0 {
		return nil
	}
	known, err := simplelru.NewLRU(c.Keys, func(_ [sha256.Size]byte, k kept) { k.key.Wipe() })
	if err != nil {
		return nil
	}
	return &keyCache{known: known, until: c.For, now: now}
}

// name holds the place too: a wrapped key is known for the place for which Vault unwrapped it, and for no other.
func name(wrapped string, place vault.AAD) ([sha256.Size]byte, bool) {
	at, err := place.Bytes()
	if err != nil {
		return [sha256.Size]byte{}, false
	}
	return sha256.Sum256(append(at, wrapped...)), true
}

func (c *keyCache) get(wrapped string, place vault.AAD) (*vault.DataKey, bool) {
	at, ok := name(wrapped, place)
	if c == nil || !ok {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k, found := c.known.Get(at)
	if !found {
		return nil, false
	}
	if !c.now().Before(k.ends) {
		c.known.Remove(at)
		return nil, false
	}
	lent := *k.key
	return &lent, true
}

func (c *keyCache) put(wrapped string, place vault.AAD, key *vault.DataKey) {
	at, ok := name(wrapped, place)
	if c == nil || !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own := *key
	c.known.Add(at, kept{key: &own, ends: c.now().Add(c.until)})
}

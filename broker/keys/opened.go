package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/chancery-dev/chancery/vault"
)

// opened remembers private keys that were opened, so that rows which are read again ask the sealer for what is new alone:
// what serves goes on while the keys that seal are away (F8). It holds what a ring or a picture holds anyway.
type opened struct {
	mu    sync.Mutex
	known map[vault.AAD]openedKey
}

type openedKey struct {
	pair   pair
	sealed [sha256.Size]byte // the blob that it came out of
}

// open gives the key of a row. Another blob than the known one is opened anew, and only where the sealer cannot be asked does
// the known key stand for it: the place names the key by its thumbprint, so that it is the same one.
func (o *opened) open(ctx context.Context, sealer vault.Sealer, place vault.AAD, algorithm string, sealed []byte) (pair, error) {
	digest := sha256.Sum256(sealed)
	o.mu.Lock()
	known, ok := o.known[place]
	o.mu.Unlock()
	ok = ok && known.pair.algorithm == algorithm
	if ok && known.sealed == digest {
		return known.pair, nil
	}
	p, err := open(ctx, sealer, place, algorithm, sealed)
	if ok && errors.Is(err, vault.ErrUnavailable) {
		return known.pair, nil
	}
	if err != nil {
		return pair{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = map[vault.AAD]openedKey{}
	}
	o.known[place] = openedKey{pair: p, sealed: digest}
	return p, nil
}

// only forgets every key that is not among these.
func (o *opened) only(places map[vault.AAD]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for place := range o.known {
		if !places[place] {
			delete(o.known, place)
		}
	}
}

package keyring

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// What Retire refuses.
var (
	ErrUnknown = errors.New("the keyring has no such key")
	ErrPrimary = errors.New("the key seals: rotate first")
)

// Retire takes a key out of the file for ever: what it sealed opens no more, and what was made with keys derived from it is
// not recognised any more. Whoever calls it has made sure that nothing needs it.
func (k *Keyring) Retire(id string) error {
	err := replace(k.path, func(f *file) error {
		at := slices.IndexFunc(f.Keys, func(e entry) bool { return e.ID == id })
		switch {
		case at < 0:
			return ErrUnknown
		case f.Primary == id:
			return ErrPrimary
		}
		f.Keys = slices.Delete(f.Keys, at, at+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("retire key %s: %w", id, err)
	}
	return k.Reload()
}

// Sealed tells until when a key sealed: the time at which the next one was made. A zero time is the primary's, and that of a
// key that is not there.
func (k *Keyring) Sealed(id string) time.Time {
	keys := k.Keys()
	at := slices.IndexFunc(keys, func(key Key) bool { return key.ID == id })
	if at < 0 || keys[at].Primary {
		return time.Time{}
	}
	for _, later := range keys[at+1:] {
		if !later.CreatedAt.Before(keys[at].CreatedAt) {
			return later.CreatedAt
		}
	}
	return time.Time{}
}

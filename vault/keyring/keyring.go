package keyring

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

const redacted = "[redacted]"

// Keyring seals with its newest key and opens with any. It is safe for
// concurrent use, and prints as [redacted].
type Keyring struct {
	path string
	ring atomic.Pointer[ring]
}

var _ vault.Sealer = (*Keyring)(nil)

// ring is the file's content at one time, ready for use.
type ring struct {
	primary  string
	keys     map[string]*xaes
	listed   []Key
	derivers [][]byte // the primary's first, then the newest
}

// Key describes a root key without giving it away.
type Key struct {
	ID        string
	CreatedAt time.Time
	Primary   bool // the one that seals
}

// Seal encrypts for exactly one place.
func (k *Keyring) Seal(_ context.Context, plaintext []byte, aad vault.AAD) ([]byte, error) {
	place, err := aad.Bytes()
	if err != nil {
		return nil, err
	}
	r := k.ring.Load()
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand crashes the program first
	body, err := r.keys[r.primary].seal(nonce[:], plaintext, place)
	if err != nil {
		return nil, err
	}
	return vault.Blob{Scheme: vault.XAES256GCM, KeyID: r.primary, Body: body}.Encode()
}

// Open decrypts what was sealed for this place. A key id that is not known makes
// it read the file again: another process may have rotated.
func (k *Keyring) Open(_ context.Context, blob []byte, aad vault.AAD) ([]byte, error) {
	place, err := aad.Bytes()
	if err != nil {
		return nil, err
	}
	b, err := vault.Parse(blob)
	if err != nil {
		return nil, err
	}
	if b.Scheme != vault.XAES256GCM {
		return nil, fmt.Errorf("%w: key %s is no keyring's", vault.ErrUnopened, b.KeyID)
	}
	key, err := k.key(b.KeyID)
	if err != nil {
		return nil, err
	}
	plaintext, err := key.open(b.Body, place)
	if err != nil {
		return nil, fmt.Errorf("%w: key %s, %s.%s", vault.ErrUnopened, b.KeyID, aad.Table, aad.Column)
	}
	return plaintext, nil
}

func (k *Keyring) key(id string) (*xaes, error) {
	if key, ok := k.ring.Load().keys[id]; ok {
		return key, nil
	}
	if err := k.Reload(); err != nil {
		return nil, fmt.Errorf("%w: no key %q, and %w", vault.ErrUnopened, id, err)
	}
	if key, ok := k.ring.Load().keys[id]; ok {
		return key, nil
	}
	return nil, fmt.Errorf("%w: no key %q in the keyring", vault.ErrUnopened, id)
}

// Reload reads the file again. On an error the former keys stay in use.
func (k *Keyring) Reload() error {
	f, err := read(k.path)
	if err != nil {
		return err
	}
	r, err := f.ring()
	if err != nil {
		return err
	}
	k.ring.Store(r)
	return nil
}

// Keys lists the root keys, oldest first.
func (k *Keyring) Keys() []Key {
	return append([]Key(nil), k.ring.Load().listed...)
}

// Rotate adds a new root key, which seals from now on; the others still open.
// Keys that another process added meanwhile are kept.
func (k *Keyring) Rotate(now time.Time) (Key, error) {
	fresh, err := newEntry(now)
	if err != nil {
		return Key{}, err
	}
	err = replace(k.path, func(f *file) error {
		if len(f.Keys) >= maxKeys {
			return fmt.Errorf("the keyring holds %d keys already: rewrap what they sealed and prune it first", len(f.Keys))
		}
		f.Keys = append(f.Keys, fresh)
		f.Primary = fresh.ID
		return nil
	})
	if err != nil {
		return Key{}, fmt.Errorf("rotate keyring: %w", err)
	}
	if err := k.Reload(); err != nil {
		return Key{}, err
	}
	return Key{ID: fresh.ID, CreatedAt: fresh.CreatedAt, Primary: true}, nil
}

// String implements fmt.Stringer.
func (k *Keyring) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (k *Keyring) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, for JSON, YAML and the rest.
func (k *Keyring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

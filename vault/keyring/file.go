package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// format is the file's first word; another one is another program's file.
const format = "chancery-keyring/1"

const (
	maxFile = 64 << 10
	maxKeys = 100
)

// What a root key is derived for. A root key itself encrypts nothing.
const (
	purposeSeal = "chancery keyring v1: seal"
	purposeID   = "chancery keyring v1: key id"
)

// ErrInvalid says that a keyring file cannot be used as it is.
var ErrInvalid = errors.New("not a usable keyring file")

type file struct {
	Format  string  `json:"format"`
	Primary string  `json:"primary"`
	Keys    []entry `json:"keys"`
}

// entry is a root key. Its id is derived from it, so that a damaged key is
// noticed when the file is read and not when a secret is needed.
type entry struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Key       string    `json:"key"` // 32 bytes, base64url
}

func newEntry(now time.Time) (entry, error) {
	var root [keySize]byte
	_, _ = rand.Read(root[:]) // never fails: crypto/rand crashes the program first
	id, err := keyID(root[:])
	if err != nil {
		return entry{}, err
	}
	return entry{
		ID:        id,
		CreatedAt: now.UTC().Truncate(time.Second),
		Key:       base64.RawURLEncoding.EncodeToString(root[:]),
	}, nil
}

func keyID(root []byte) (string, error) {
	digest, err := hkdf.Key(sha256.New, root, nil, purposeID, 8)
	if err != nil {
		return "", fmt.Errorf("derive key id: %w", err)
	}
	return "krk_" + hex.EncodeToString(digest), nil
}

// decode is strict: unknown and repeated names, other cases of a name and text
// after the value are refused. Its errors never quote the file.
func decode(b []byte) (*file, error) {
	var f file
	if err := jsonv2.Unmarshal(b, &f, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: it is damaged or was edited", ErrInvalid)
	}
	if f.Format != format {
		return nil, fmt.Errorf("%w: its format is not %q", ErrInvalid, format)
	}
	return &f, nil
}

func (f *file) encode() ([]byte, error) {
	b, err := jsonv2.Marshal(f, jsontext.WithIndent("  "))
	if err != nil {
		return nil, errors.New("the keyring cannot be encoded") // the cause may quote a key
	}
	return append(bytes.TrimSpace(b), '\n'), nil
}

func (f *file) ring() (*ring, error) {
	if len(f.Keys) == 0 || len(f.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: it holds %d keys, not 1 to %d", ErrInvalid, len(f.Keys), maxKeys)
	}
	r := &ring{primary: f.Primary, keys: make(map[string]*xaes, len(f.Keys))}
	var primary []byte
	for i, e := range f.Keys {
		key, derives, err := e.open()
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", ErrInvalid, i, err)
		}
		if _, twice := r.keys[e.ID]; twice {
			return nil, fmt.Errorf("%w: key %s is there twice", ErrInvalid, e.ID)
		}
		r.keys[e.ID] = key
		r.listed = append(r.listed, Key{ID: e.ID, CreatedAt: e.CreatedAt, Primary: e.ID == f.Primary})
		if e.ID == f.Primary {
			primary = derives
		} else {
			r.derivers = append(r.derivers, derives)
		}
	}
	if _, ok := r.keys[f.Primary]; !ok {
		return nil, fmt.Errorf("%w: its primary key is not in it", ErrInvalid)
	}
	r.derivers = append(r.derivers, primary)
	slices.Reverse(r.derivers)
	return r, nil
}

// open gives what seals with the key, and what keys are derived from.
func (e entry) open() (*xaes, []byte, error) {
	root, err := base64.RawURLEncoding.Strict().DecodeString(e.Key)
	if err != nil || len(root) != keySize {
		return nil, nil, fmt.Errorf("not %d bytes of base64url", keySize)
	}
	defer clear(root)
	id, err := keyID(root)
	if err != nil {
		return nil, nil, err
	}
	if id != e.ID {
		return nil, nil, errors.New("it does not belong to its id")
	}
	sealing, err := hkdf.Key(sha256.New, root, nil, purposeSeal, keySize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive sealing key: %w", err)
	}
	defer clear(sealing)
	key, err := newXAES(sealing)
	if err != nil {
		return nil, nil, err
	}
	derives, err := deriver(root)
	if err != nil {
		return nil, nil, err
	}
	return key, derives, nil
}

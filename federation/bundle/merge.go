package bundle

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chancery-dev/chancery/federation/jwks"
)

// Diff is what a new key set changes, by thumbprint (RFC 7638): a key that kept its
// kid and is another is removed and added.
type Diff struct {
	Added   jwks.Set
	Removed jwks.Set
	Kept    jwks.Set
}

// Compare says what changes from former to next.
func Compare(former, next jwks.Set) Diff {
	var d Diff
	for _, key := range next {
		if holds(former, key) {
			d.Kept = append(d.Kept, key)
		} else {
			d.Added = append(d.Added, key)
		}
	}
	for _, key := range former {
		if !holds(next, key) {
			d.Removed = append(d.Removed, key)
		}
	}
	return d
}

func holds(set jwks.Set, key jwks.Key) bool {
	return slices.ContainsFunc(set, func(k jwks.Key) bool { return k.Thumbprint == key.Thumbprint && k.ID == key.ID })
}

// Merge makes the set that an entry gets: next's usable keys as published, and with
// keepOld those of former that are not among them. A former key whose kid now names
// another is dropped: one kid names one key.
func Merge(former, next []byte, keepOld bool) (map[string]any, Diff, error) {
	published, parsed, err := read(next)
	if err != nil {
		return nil, Diff{}, err
	}
	var old []any
	var before jwks.Set
	if len(former) > 0 {
		if old, before, err = read(former); err != nil {
			return nil, Diff{}, fmt.Errorf("keys of the entry: %w", err)
		}
	}
	set := published
	after := parsed
	if keepOld {
		for i, key := range before {
			taken := slices.ContainsFunc(parsed, func(k jwks.Key) bool { return k.ID == key.ID || k.Thumbprint == key.Thumbprint })
			if !taken {
				set, after = append(set, old[i]), append(after, key)
			}
		}
	}
	if len(set) > jwks.MaxKeys {
		return nil, Diff{}, jwks.ErrTooManyKeys
	}
	return map[string]any{"keys": set}, Compare(before, after), nil
}

// read returns the usable keys of a set, as written and as parsed, in one order.
func read(text []byte) ([]any, jwks.Set, error) {
	parsed, dropped, err := jwks.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	var document struct {
		Keys []any `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, nil, err
	}
	var written []any
	for i, key := range document.Keys {
		if !slices.ContainsFunc(dropped, func(w jwks.Warning) bool { return w.Index == i }) {
			written = append(written, key)
		}
	}
	return written, parsed, nil
}

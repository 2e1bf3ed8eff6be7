package vault

import (
	"context"
	"errors"
)

// ErrUnavailable says that the keys cannot be asked now: nothing was sealed or opened, and nothing is known to be wrong with
// a blob. What implements a Sealer over the network tells it by errors.Is.
var ErrUnavailable = errors.New("the keys that seal cannot be asked")

// Stood is a blob and where it stands.
type Stood struct {
	Blob  []byte
	Place AAD
}

// Rewrapped is what became of one.
type Rewrapped struct {
	Blob []byte // the same content under the newest key; nil where Err says why not
	Err  error
}

// Batch is a Sealer that moves many blobs to its newest key in one call, without giving what is in them away.
type Batch interface {
	Rewrap(ctx context.Context, all []Stood) ([]Rewrapped, error)
}

// Reseal moves blobs to the newest key: in one call where the sealer has one for it, one by one otherwise. A blob that does
// not open stops no other. An error says that the keys could not be asked, and nothing about any blob.
func Reseal(ctx context.Context, s Sealer, all []Stood) ([]Rewrapped, error) {
	if batch, ok := s.(Batch); ok && len(all) > 0 {
		return batch.Rewrap(ctx, all)
	}
	out := make([]Rewrapped, len(all))
	for i, one := range all {
		out[i].Blob, out[i].Err = reseal(ctx, s, one)
		if errors.Is(out[i].Err, ErrUnavailable) || ctx.Err() != nil {
			return nil, errors.Join(out[i].Err, ctx.Err())
		}
	}
	return out, nil
}

func reseal(ctx context.Context, s Sealer, one Stood) ([]byte, error) {
	plaintext, err := s.Open(ctx, one.Blob, one.Place)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	return s.Seal(ctx, plaintext, one.Place)
}

// NewestKey is the id of the key that seals now: a blob of nothing tells.
func NewestKey(ctx context.Context, s Sealer) (string, error) {
	blob, err := s.Seal(ctx, []byte("which key"), AAD{Tenant: Installation, Table: "none", UID: "none", Column: "key"})
	if err != nil {
		return "", err
	}
	b, err := Parse(blob)
	return b.KeyID, err
}

// Prefix is how every blob begins that one key sealed: a table finds by it what rests under others without taking blobs
// apart.
func Prefix(scheme Scheme, keyID string) ([]byte, error) {
	whole, err := Blob{Scheme: scheme, KeyID: keyID, Body: []byte{0}}.Encode()
	if err != nil {
		return nil, err
	}
	return whole[:len(whole)-1], nil
}

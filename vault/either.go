package vault

import (
	"context"
	"fmt"
)

// Either seals with one sealer and opens what several sealed, told apart by the scheme: an installation that moves from one
// to another reads both until everything was rewrapped.
type Either struct {
	Seals Sealer
	Opens map[Scheme]Sealer
}

var _ Batch = Either{}

// Seal implements Sealer.
func (e Either) Seal(ctx context.Context, plaintext []byte, place AAD) ([]byte, error) {
	return e.Seals.Seal(ctx, plaintext, place)
}

// Open implements Sealer.
func (e Either) Open(ctx context.Context, blob []byte, place AAD) ([]byte, error) {
	b, err := Parse(blob)
	if err != nil {
		return nil, err
	}
	opener, ok := e.Opens[b.Scheme]
	if !ok {
		return nil, fmt.Errorf("%w: scheme %d", ErrUnopened, b.Scheme)
	}
	return opener.Open(ctx, blob, place)
}

// Rewrap implements Batch: what the sealer itself sealed it moves in one call, and the rest is opened and sealed.
func (e Either) Rewrap(ctx context.Context, all []Stood) ([]Rewrapped, error) {
	out := make([]Rewrapped, len(all))
	var own []Stood
	var at []int
	for i, s := range all {
		b, err := Parse(s.Blob)
		if err != nil {
			out[i].Err = err
			continue
		}
		if e.Opens[b.Scheme] == e.Seals {
			own, at = append(own, s), append(at, i)
			continue
		}
		one, err := Reseal(ctx, apart{e}, []Stood{s})
		if err != nil {
			return nil, err
		}
		out[i] = one[0]
	}
	moved, err := Reseal(ctx, e.Seals, own)
	if err != nil {
		return nil, err
	}
	for i, m := range moved {
		out[at[i]] = m
	}
	return out, nil
}

// apart is an Either without its batch.
type apart struct{ either Either }

func (a apart) Seal(ctx context.Context, plaintext []byte, place AAD) ([]byte, error) {
	return a.either.Seal(ctx, plaintext, place)
}

func (a apart) Open(ctx context.Context, blob []byte, place AAD) ([]byte, error) {
	return a.either.Open(ctx, blob, place)
}

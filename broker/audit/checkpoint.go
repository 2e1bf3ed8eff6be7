package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Checkpoint is a signed statement about every writer's head.
type Checkpoint struct {
	Number   int64
	At       time.Time
	Previous Digest // hash of checkpoint Number-1; zero for the first
	Heads    []Head // sorted by writer: all that are not sealed, and those sealed since the previous one
}

// Canonical returns the checkpoint's bytes in the form of RFC 8785.
func (c Checkpoint) Canonical() []byte {
	w := canonical{out: make([]byte, 0, 256+256*len(c.Heads))}
	w.open()
	w.time("at", c.At)
	w.name("heads")
	w.out = append(w.out, '[')
	for i, h := range c.Heads {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.open()
		w.digest("link", h.Link)
		w.name("sealed")
		w.out = strconv.AppendBool(w.out, h.Sealed)
		w.name("seq")
		w.out = strconv.AppendInt(w.out, h.Seq, 10)
		w.text("writer", h.Writer)
		w.shut()
	}
	w.out = append(w.out, ']')
	w.name("number")
	w.out = strconv.AppendInt(w.out, c.Number, 10)
	w.digest("previous", c.Previous)
	w.name("v")
	w.out = strconv.AppendInt(w.out, Version, 10)
	w.shut()
	return w.out
}

func (w *canonical) digest(name string, d Digest) {
	w.name(name)
	w.out = append(w.out, '"')
	w.out = hex.AppendEncode(w.out, d[:])
	w.out = append(w.out, '"')
}

// Sign writes the checkpoint down and signs it.
func (c Checkpoint) Sign(signer Signer) (SignedCheckpoint, error) {
	body := c.Canonical()
	signature, err := signer.Sign(body)
	if err != nil {
		return SignedCheckpoint{}, err
	}
	return SignedCheckpoint{
		Number: c.Number, At: c.At, Body: body, Hash: sha256.Sum256(body), KeyID: signer.KeyID(), Signature: signature,
	}, nil
}

// SignedCheckpoint is a checkpoint as it rests: Hash is the SHA-256 of Body.
type SignedCheckpoint struct {
	Number    int64
	At        time.Time
	Body      []byte // canonical
	Hash      Digest
	KeyID     string
	Signature string
}

// Checkpoints is where checkpoints rest; broker/store implements it.
type Checkpoints interface {
	// Beat says that a writer lives (none if empty), seals those that have not for a minute, and
	// returns the database's clock, the newest checkpoint (nil before the first) and the heads for the
	// next: of all writers that are not sealed, and of the sealed ones that no checkpoint has named as
	// such. The newest checkpoint is read before the heads.
	Beat(ctx context.Context, writer string) (now time.Time, newest *SignedCheckpoint, heads []Head, err error)
	// Seal ends a writer: its chain stays as it is.
	Seal(ctx context.Context, writer string) error
	// Add inserts a checkpoint and marks its sealed writers as named; false if somebody else wrote that number.
	Add(ctx context.Context, c SignedCheckpoint, sealed []string) (bool, error)
}

// next is the checkpoint that follows; false if nothing happened since the newest.
func next(newest *SignedCheckpoint, heads []Head, now time.Time) (Checkpoint, bool, error) {
	c := Checkpoint{Number: 1, At: now.UTC().Truncate(time.Microsecond)}
	heads = slices.DeleteFunc(heads, func(h Head) bool { return h.Seq == 0 }) // nothing to state
	slices.SortFunc(heads, func(a, b Head) int { return strings.Compare(a.Writer, b.Writer) })
	c.Heads = heads
	if newest == nil {
		return c, len(heads) > 0, nil
	}
	before, err := ParseCheckpoint(newest.Body)
	if err != nil {
		return Checkpoint{}, false, err
	}
	c.Number, c.Previous = newest.Number+1, newest.Hash
	if c.At.Before(before.At) { // the clock stepped back; what is written stays in order
		c.At = before.At
	}
	open := slices.DeleteFunc(before.Heads, func(h Head) bool { return h.Sealed })
	return c, !slices.Equal(open, heads), nil
}

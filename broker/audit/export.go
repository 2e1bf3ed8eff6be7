package audit

import (
	"context"
	"encoding/hex"
	"io"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Format of the export that is written today. Older ones verify for ever.
const Format = 1

// Exported is a row as an export needs it. Body is nil where it was erased.
type Exported struct {
	Writer string
	Seq    int64
	Tenant string
	Body   []byte
	Leaf   Digest
	Link   Digest
}

// Book is one consistent reading of the whole log; broker/store implements it. Each method calls yield
// in order until it returns an error.
type Book interface {
	Writers(ctx context.Context, yield func(Writer) error) error               // by id
	Keys(ctx context.Context, yield func(PublicKey) error) error               // of checkpoints
	Checkpoints(ctx context.Context, yield func(SignedCheckpoint) error) error // by number
	Events(ctx context.Context, yield func(Exported) error) error              // by writer and seq
}

// Export writes the log as JSON lines: a header, the keys, the writers, the
// checkpoints, the events and an end. With a tenant, the events of others are
// bare leaves: they hold the chain together and tell nothing. It is always the
// whole log, since a part proves nothing about what is missing from it.
func Export(ctx context.Context, w io.Writer, book Book, only tenant.UID, at time.Time) error {
	e := &exporter{w: w, only: only.String(), heads: map[string]Head{}}
	header := func() error {
		return e.line(func(c *canonical) {
			c.time("at", at)
			c.number("format", Format)
			c.text("kind", kindHeader)
			c.text("tenant", e.only)
		})
	}
	steps := []func() error{
		header,
		func() error { return book.Keys(ctx, e.key) },
		func() error { return book.Writers(ctx, e.writer) },
		func() error { return book.Checkpoints(ctx, e.checkpoint) },
		func() error { return book.Events(ctx, e.event) },
		e.end,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// The kinds of line.
const (
	kindHeader     = "header"
	kindKey        = "key"
	kindWriter     = "writer"
	kindCheckpoint = "checkpoint"
	kindEvent      = "event"
	kindEnd        = "end"
)

type exporter struct {
	w           io.Writer
	only        string
	heads       map[string]Head
	events      int64
	checkpoints int64
}

func (e *exporter) line(members func(c *canonical)) error {
	c := canonical{out: make([]byte, 0, 1024)}
	c.open()
	members(&c)
	c.shut()
	_, err := e.w.Write(append(c.out, '\n'))
	return err
}

func (e *exporter) key(k PublicKey) error {
	return e.line(func(c *canonical) {
		c.raw("jwk", k.JWK())
		c.text("kind", kindKey)
	})
}

func (e *exporter) writer(w Writer) error {
	return e.line(func(c *canonical) {
		c.digest("anchor", w.Anchor)
		c.text("id", w.ID)
		c.text("kind", kindWriter)
		c.time("started_at", w.StartedAt)
	})
}

func (e *exporter) checkpoint(s SignedCheckpoint) error {
	e.checkpoints++
	return e.line(func(c *canonical) {
		c.raw("body", s.Body)
		c.text("kind", kindCheckpoint)
		c.text("signature", s.Signature)
	})
}

func (e *exporter) event(r Exported) error {
	e.events++
	e.heads[r.Writer] = Head{Writer: r.Writer, Seq: r.Seq, Link: r.Link}
	return e.line(func(c *canonical) {
		if r.Body != nil && (e.only == "" || e.only == r.Tenant) {
			c.raw("body", r.Body)
		}
		c.text("kind", kindEvent)
		c.digest("leaf", r.Leaf)
		c.digest("link", r.Link)
		c.number("seq", r.Seq)
		c.text("writer", r.Writer)
	})
}

func (e *exporter) end() error {
	return e.line(func(c *canonical) {
		c.number("checkpoints", e.checkpoints)
		c.number("events", e.events)
		c.digest("head", HeadsDigest(e.heads))
		c.text("kind", kindEnd)
	})
}

func (w *canonical) number(name string, n int64) {
	w.name(name)
	w.out = strconv.AppendInt(w.out, n, 10)
}

// raw writes a member that is canonical already.
func (w *canonical) raw(name string, body []byte) {
	w.name(name)
	w.out = append(w.out, body...)
}

// hexOf is how digests are shown.
func hexOf(d Digest) string { return hex.EncodeToString(d[:]) }

package audit

import (
	"crypto/sha256"
	"time"
)

// Digest is a SHA-256.
type Digest = [32]byte

// Record is an event as it is written down: what does not depend on its place in
// a chain, so that it is made before the ledger's writer is asked.
type Record struct {
	Event Event
	Body  []byte // canonical
	Leaf  Digest // SHA-256 of Body
}

// NewRecord writes an event down. Strings that came from outside are cleaned first.
func NewRecord(e Event) Record {
	body := Canonical(e)
	return Record{Event: e, Body: body, Leaf: sha256.Sum256(body)}
}

// Link joins a leaf to the chain: SHA-256(previous link ‖ leaf).
func Link(previous, leaf Digest) Digest {
	var joined [2 * sha256.Size]byte
	copy(joined[:], previous[:])
	copy(joined[sha256.Size:], leaf[:])
	return sha256.Sum256(joined[:])
}

// FirstLink is where a writer's chain begins: in the newest checkpoint's hash (zero before the
// first) and the writer's own id, so that no two chains share a beginning.
func FirstLink(anchor Digest, writer string) Digest {
	h := sha256.New()
	h.Write([]byte("chancery/audit/writer/1\n"))
	h.Write(anchor[:])
	h.Write([]byte(writer))
	return Digest(h.Sum(nil))
}

// Head is the newest place of a writer's chain.
type Head struct {
	Writer string
	Seq    int64 // of the last event; 0 before the first
	Link   Digest
	Sealed bool // nothing more will come
}

// Row is a record in its place.
type Row struct {
	Record
	Writer string
	Seq    int64
	Link   Digest
}

// Append gives records their places behind the head and returns the new head.
func (h Head) Append(records []Record) ([]Row, Head) {
	rows := make([]Row, len(records))
	for i, r := range records {
		h.Seq++
		h.Link = Link(h.Link, r.Leaf)
		rows[i] = Row{Record: r, Writer: h.Writer, Seq: h.Seq, Link: h.Link}
	}
	return rows, h
}

// Writer is one start of one process.
type Writer struct {
	ID        string
	Anchor    Digest
	StartedAt time.Time
	Head      Head
}

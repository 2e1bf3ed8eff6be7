package audit

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// verifier walks along the lines. The kinds come in one order, so that all that
// is to be expected of an event is known before it is read.
type verifier struct {
	expect  Expect
	at      int
	stage   int
	keys    map[string]PublicKey
	signed  map[string]bool
	writers map[string]*chain
	hashes  map[Digest]bool // of checkpoints; zero stands for "before the first"
	last    *Checkpoint
	hash    Digest // of last
	anchors []anchored
	current *chain
	report  Report
	ended   bool
}

// chain is one writer's.
type chain struct {
	head     Head
	expected []Head // by checkpoints, in rising order
	started  bool
	proven   int64 // the last event that a checkpoint covers
}

type anchored struct {
	line   int
	writer string
	anchor Digest
}

func (v *verifier) bad(format string, args ...any) error {
	return &Bad{Line: v.at, What: fmt.Sprintf(format, args...)}
}

// member is any line; which members must be there depends on its kind.
type member struct {
	Kind      string         `json:"kind"`
	Format    int            `json:"format"`
	At        string         `json:"at"`
	Tenant    string         `json:"tenant"`
	JWK       jsontext.Value `json:"jwk"`
	ID        string         `json:"id"`
	Anchor    string         `json:"anchor"`
	StartedAt string         `json:"started_at"`
	Body      jsontext.Value `json:"body"`
	Signature string         `json:"signature"`
	Leaf      string         `json:"leaf"`
	Link      string         `json:"link"`
	Seq       int64          `json:"seq"`
	Writer    string         `json:"writer"`
	Events    int64          `json:"events"`
	Head      string         `json:"head"`

	Checkpoints int64 `json:"checkpoints"`
}

var stages = []string{kindHeader, kindKey, kindWriter, kindCheckpoint, kindEvent, kindEnd}

func (v *verifier) line(line []byte) error {
	var m member
	if err := jsonv2.Unmarshal(line, &m, jsonv2.RejectUnknownMembers(true)); err != nil {
		return v.bad("not a record of an export")
	}
	stage := slices.Index(stages, m.Kind)
	switch {
	case stage < 0:
		return v.bad("unknown kind %q", m.Kind)
	case v.at == 1 && m.Kind != kindHeader:
		return v.bad("the header is missing")
	case v.at > 1 && m.Kind == kindHeader:
		return v.bad("a second header")
	case v.ended:
		return v.bad("a record after the end")
	case stage < v.stage:
		return v.bad("a %s out of its place", m.Kind)
	}
	v.stage = stage
	switch m.Kind {
	case kindHeader:
		return v.header(m)
	case kindKey:
		return v.key(m)
	case kindWriter:
		return v.writer(m)
	case kindCheckpoint:
		return v.checkpoint(m)
	case kindEvent:
		return v.event(m)
	default:
		return v.end(m)
	}
}

func (v *verifier) header(m member) error {
	if m.Format != Format {
		return v.bad("unknown version %d of the export", m.Format)
	}
	at, err := time.Parse(timeForm, m.At)
	if err != nil {
		return v.bad("the header has no time")
	}
	v.report.Tenant, v.report.ExportedAt = m.Tenant, at
	return nil
}

func (v *verifier) key(m member) error {
	key, err := ParseJWK(m.JWK)
	if err != nil {
		return v.bad("no checkpoint key: %v", err)
	}
	if len(v.expect.Keys) == 0 {
		v.keys[key.KeyID()] = key
	}
	return nil
}

func (v *verifier) writer(m member) error {
	anchor, err := ParseDigest(m.Anchor)
	if err != nil || m.ID == "" {
		return v.bad("a writer without id or anchor")
	}
	if v.writers[m.ID] != nil {
		return v.bad("writer %s appears twice", m.ID)
	}
	v.writers[m.ID] = &chain{head: Head{Writer: m.ID, Link: FirstLink(anchor, m.ID)}}
	v.report.Writers++
	// Whether the anchor is a checkpoint's hash is known when all of them are read.
	v.anchors = append(v.anchors, anchored{line: v.at, writer: m.ID, anchor: anchor})
	return nil
}

func (v *verifier) checkpoint(m member) error {
	c, err := ParseCheckpoint(m.Body)
	if err != nil {
		return v.bad("%v", err)
	}
	number := v.report.Checkpoints + 1
	if c.Number != number {
		return v.bad("checkpoint %d where %d belongs", c.Number, number)
	}
	if c.Previous != v.hash {
		return v.bad("checkpoint %d does not follow the one before", number)
	}
	if v.last != nil && c.At.Before(v.last.At) {
		return v.bad("checkpoint %d is older than the one before", number)
	}
	kid, err := keyIDOf(m.Signature)
	if err != nil {
		return v.bad("checkpoint %d: %v", number, err)
	}
	key, known := v.keys[kid]
	if !known {
		return v.bad("checkpoint %d is signed by a key that is not trusted (%q)", number, kid)
	}
	if err := key.Verify(m.Body, m.Signature); err != nil {
		return v.bad("checkpoint %d: %v", number, err)
	}
	if v.last != nil { // a writer is named until it is named sealed
		for _, h := range v.last.Heads {
			if !h.Sealed && !slices.ContainsFunc(c.Heads, func(now Head) bool { return now.Writer == h.Writer }) {
				return v.bad("checkpoint %d leaves out writer %s, which was not sealed", number, h.Writer)
			}
		}
	}
	for _, h := range c.Heads {
		w := v.writers[h.Writer]
		if w == nil {
			return v.bad("checkpoint %d names writer %s, which is missing", number, h.Writer)
		}
		if n := len(w.expected); n > 0 {
			before := w.expected[n-1]
			if h.Seq < before.Seq || before.Sealed || (h.Seq == before.Seq && h.Link != before.Link) {
				return v.bad("checkpoint %d contradicts an earlier one about writer %s", number, h.Writer)
			}
		}
		w.expected = append(w.expected, h)
	}
	v.last, v.hash = &c, sha256.Sum256(m.Body)
	v.hashes[v.hash], v.signed[kid] = true, true
	v.report.Checkpoints, v.report.Newest = number, c.At
	return nil
}

func (v *verifier) event(m member) error {
	bad := func(format string, args ...any) error {
		return &Bad{Line: v.at, Writer: m.Writer, Seq: m.Seq, What: fmt.Sprintf(format, args...)}
	}
	w := v.writers[m.Writer]
	if w == nil {
		return bad("its writer is missing")
	}
	if w != v.current {
		if w.started {
			return bad("out of its place: its writer's events were read already")
		}
		if err := v.leave(); err != nil {
			return err
		}
		w.started, v.current = true, w
	}
	if m.Seq != w.head.Seq+1 {
		return bad("event %d belongs here", w.head.Seq+1)
	}
	leaf, err := ParseDigest(m.Leaf)
	if err != nil {
		return bad("no leaf")
	}
	link, err := ParseDigest(m.Link)
	if err != nil {
		return bad("no link")
	}
	if len(m.Body) == 0 {
		v.report.Bare++
	} else {
		if sha256.Sum256(m.Body) != leaf {
			return bad("the event was changed: its leaf differs")
		}
		if _, err := ParseEvent(m.Body); err != nil {
			return bad("%v", err)
		}
	}
	if Link(w.head.Link, leaf) != link {
		return bad("the chain is broken: the link does not follow from the one before")
	}
	w.head.Seq, w.head.Link = m.Seq, link
	for len(w.expected) > 0 && w.expected[0].Seq <= m.Seq {
		if w.expected[0].Seq < m.Seq || w.expected[0].Link != link {
			return bad("a checkpoint says otherwise")
		}
		if w.expected[0].Sealed {
			w.head.Sealed = true
		}
		w.expected = w.expected[1:]
		if len(w.expected) == 0 {
			w.proven = m.Seq
		}
	}
	if w.head.Sealed && m.Seq > w.proven {
		return bad("it comes after its writer was sealed")
	}
	v.report.Events++
	if m.Seq > w.proven && len(w.expected) == 0 {
		v.report.Unproven++
	}
	return nil
}

// leave checks that nothing of the current writer is missing.
func (v *verifier) leave() error {
	w := v.current
	if w == nil || len(w.expected) == 0 {
		return nil
	}
	last := w.expected[len(w.expected)-1]
	return &Bad{Line: v.at, Writer: w.head.Writer, Seq: w.head.Seq + 1, What: fmt.Sprintf("missing here: events up to %d were checkpointed", last.Seq)}
}

func (v *verifier) end(m member) error {
	if err := v.leave(); err != nil {
		return err
	}
	v.ended = true
	for _, a := range v.anchors {
		if w := v.writers[a.writer]; !w.started && len(w.expected) > 0 {
			return &Bad{Line: v.at, Writer: a.writer, Seq: 1, What: "all events of the writer are missing"}
		}
	}
	heads := map[string]Head{}
	for writer, w := range v.writers {
		heads[writer] = w.head
	}
	v.report.Head = HeadsDigest(heads)
	if m.Checkpoints != v.report.Checkpoints {
		return v.bad("%d checkpoints where there were %d", v.report.Checkpoints, m.Checkpoints)
	}
	if m.Events != v.report.Events {
		return v.bad("%d events where there were %d", v.report.Events, m.Events)
	}
	if head, err := ParseDigest(m.Head); err != nil || head != v.report.Head {
		return v.bad("the heads are not those that were exported")
	}
	return nil
}

// finish checks what only the whole can show.
func (v *verifier) finish() error {
	if v.at == 1 {
		return v.bad("the export is empty")
	}
	if !v.ended {
		if err := v.leave(); err != nil {
			return err
		}
		return v.bad("the end is missing")
	}
	// Without a checkpoint nothing stands behind the log but the log.
	if v.report.Checkpoints == 0 {
		return v.bad("the export has no checkpoint and proves nothing")
	}
	for _, a := range v.anchors {
		if !v.hashes[a.anchor] {
			return &Bad{Line: a.line, What: "writer " + a.writer + " begins in a checkpoint that is missing"}
		}
	}
	if v.expect.Head != nil {
		if *v.expect.Head != v.report.Head {
			return v.bad("the head is %s, not the one given", hexOf(v.report.Head))
		}
		v.report.Unproven = 0
	}
	for kid := range v.signed {
		v.report.KeyIDs = append(v.report.KeyIDs, kid)
	}
	slices.SortFunc(v.report.KeyIDs, strings.Compare)
	v.report.Trusted = len(v.expect.Keys) > 0
	return nil
}

package audit_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// log is a small log in memory: two writers, two checkpoints, a tail.
type log struct {
	keys        []audit.PublicKey
	writers     []audit.Writer
	checkpoints []audit.SignedCheckpoint
	events      []audit.Exported
	signer      *audit.PrivateKey
}

func (l *log) Keys(_ context.Context, yield func(audit.PublicKey) error) error {
	return each(l.keys, yield)
}

func (l *log) Writers(_ context.Context, yield func(audit.Writer) error) error {
	return each(l.writers, yield)
}

func (l *log) Checkpoints(_ context.Context, yield func(audit.SignedCheckpoint) error) error {
	return each(l.checkpoints, yield)
}

func (l *log) Events(_ context.Context, yield func(audit.Exported) error) error {
	slices.SortStableFunc(l.events, func(a, b audit.Exported) int { return strings.Compare(a.Writer, b.Writer) })
	return each(l.events, yield)
}

func each[T any](all []T, yield func(T) error) error {
	for _, one := range all {
		if err := yield(one); err != nil {
			return err
		}
	}
	return nil
}

var other = tenant.MustParseUID("ten_01JOTHER000000000000000000")

func newKey(t *testing.T) *audit.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// newLog: wri_a has 3 events and is sealed in checkpoint 1; wri_b begins in checkpoint 1 and has 5 events,
// of which checkpoint 2 covers 4.
func newLog(t *testing.T) *log {
	t.Helper()
	l := &log{signer: newKey(t)}
	l.keys = []audit.PublicKey{l.signer.PublicKey}
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	write := func(head audit.Head, n int) audit.Head {
		for i := range n {
			owner := acme
			if i%2 == 1 {
				owner = other
			}
			e := audit.Event{
				ID: fmt.Sprintf("evt_%s_%d", head.Writer, head.Seq+1), At: at, Tenant: owner, Type: audit.TypeTokenIssued,
				Outcome: audit.Allowed, Client: "claude",
			}
			rows, to := head.Append([]audit.Record{audit.NewRecord(e)})
			l.events = append(l.events, audit.Exported{
				Writer: head.Writer, Seq: to.Seq, Tenant: owner.String(), Body: rows[0].Body, Leaf: rows[0].Leaf, Link: rows[0].Link,
			})
			head = to
		}
		return head
	}
	begin := func(id string, anchor audit.Digest) audit.Head {
		l.writers = append(l.writers, audit.Writer{ID: id, Anchor: anchor, StartedAt: at})
		return audit.Head{Writer: id, Link: audit.FirstLink(anchor, id)}
	}
	checkpoint := func(heads ...audit.Head) audit.Digest {
		c := audit.Checkpoint{Number: int64(len(l.checkpoints) + 1), At: at, Heads: heads}
		if n := len(l.checkpoints); n > 0 {
			c.Previous = l.checkpoints[n-1].Hash
		}
		signed, err := c.Sign(l.signer)
		if err != nil {
			t.Fatal(err)
		}
		l.checkpoints = append(l.checkpoints, signed)
		return signed.Hash
	}
	a := write(begin("wri_a", audit.Digest{}), 3)
	a.Sealed = true
	b := begin("wri_b", checkpoint(a))
	b = write(b, 4)
	checkpoint(b)
	write(b, 1)
	return l
}

func export(t *testing.T, l *log, only tenant.UID) string {
	t.Helper()
	var out bytes.Buffer
	if err := audit.Export(t.Context(), &out, l, only, time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestVerifyWholeExport(t *testing.T) {
	l := newLog(t)
	text := export(t, l, tenant.UID{})
	report, err := audit.Verify(strings.NewReader(text), audit.Expect{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Events != 8 || report.Bare != 0 || report.Unproven != 1 || report.Writers != 2 || report.Checkpoints != 2 || report.Trusted ||
		!slices.Equal(report.KeyIDs, []string{l.signer.KeyID()}) {
		t.Fatalf("%+v", report)
	}
	trusted := audit.Expect{Keys: []audit.PublicKey{l.signer.PublicKey}, Head: &report.Head}
	if report, err = audit.Verify(strings.NewReader(text), trusted); err != nil || !report.Trusted || report.Unproven != 0 {
		t.Fatalf("%+v %v", report, err)
	}
	if _, err := audit.Verify(strings.NewReader(text), audit.Expect{Head: &audit.Digest{1}}); err == nil {
		t.Fatal("another head was accepted")
	}
	if _, err := audit.Verify(strings.NewReader(text), audit.Expect{Keys: []audit.PublicKey{newKey(t).PublicKey}}); err == nil {
		t.Fatal("a key that is not trusted was accepted")
	}
}

func TestVerifyTenantExport(t *testing.T) {
	text := export(t, newLog(t), acme)
	report, err := audit.Verify(strings.NewReader(text), audit.Expect{})
	if err != nil || report.Bare != 3 || report.Events != 8 || report.Tenant != acme.String() {
		t.Fatalf("%+v %v", report, err)
	}
	if strings.Contains(text, other.String()) {
		t.Fatal("another tenant's name is in the export")
	}
}

func TestVerifyErasedBody(t *testing.T) {
	l := newLog(t)
	l.events[1].Body = nil
	report, err := audit.Verify(strings.NewReader(export(t, l, tenant.UID{})), audit.Expect{})
	if err != nil || report.Bare != 1 {
		t.Fatalf("%+v %v", report, err)
	}
}

// Lines of the export: 1 header, 2 key, 3 and 4 writers, 5 and 6 checkpoints, 7–9 events of wri_a, 10–14 of wri_b, 15 end.
func TestVerifyFindsEveryTamper(t *testing.T) {
	l := newLog(t)
	text := export(t, l, tenant.UID{})
	forger := newKey(t)
	replace := func(line int, from, to string) func([]string) []string {
		return func(lines []string) []string {
			if !strings.Contains(lines[line-1], from) {
				t.Fatalf("line %d has no %q", line, from)
			}
			lines[line-1] = strings.Replace(lines[line-1], from, to, 1)
			return lines
		}
	}
	cut := func(line int) func([]string) []string {
		return func(lines []string) []string { return slices.Delete(lines, line-1, line) }
	}
	for _, c := range []struct {
		name   string
		tamper func([]string) []string
		line   int
		writer string
		what   string
	}{
		{"a byte of an event changed", replace(8, "claude", "cloude"), 8, "wri_a", "changed"},
		{"a space in an event", replace(8, `,"outcome"`, `, "outcome"`), 8, "wri_a", "changed"},
		{"an event and its leaf changed", func(lines []string) []string {
			forged := audit.NewRecord(audit.Event{ID: "evt_forged", At: time.Unix(0, 0), Type: audit.TypeTokenIssued, Outcome: audit.Allowed})
			lines[7] = fmt.Sprintf(`{"body":%s,"kind":"event","leaf":"%x","link":"%x","seq":2,"writer":"wri_a"}`, forged.Body, forged.Leaf, l.events[1].Link)
			return lines
		}, 8, "wri_a", "chain"},
		{"a whole chain written anew", func(lines []string) []string {
			head := audit.Head{Writer: "wri_a", Link: audit.FirstLink(audit.Digest{}, "wri_a")}
			for i := range 3 {
				forged := audit.NewRecord(audit.Event{ID: fmt.Sprint("evt_", i), At: time.Unix(0, 0), Type: audit.TypeTokenIssued, Outcome: audit.Allowed})
				rows, to := head.Append([]audit.Record{forged})
				head = to
				lines[6+i] = fmt.Sprintf(`{"body":%s,"kind":"event","leaf":"%x","link":"%x","seq":%d,"writer":"wri_a"}`, forged.Body, forged.Leaf, rows[0].Link, i+1)
			}
			return lines
		}, 9, "wri_a", "checkpoint says otherwise"},
		{"a link changed", replace(10, fmt.Sprintf("%x", l.events[3].Link), strings.Repeat("0", 64)), 10, "wri_b", "chain"},
		{"the first event cut", cut(7), 7, "wri_a", "event 1 belongs here"},
		{"an event in the middle cut", cut(11), 11, "wri_b", "event 2 belongs here"},
		{"the last event before the checkpoint cut", cut(9), 9, "wri_a", "missing here"},
		{"all events of a writer cut", func(lines []string) []string { return slices.Delete(lines, 6, 9) }, 12, "wri_a", "all events"},
		{"a writer cut", cut(3), 4, "", "names writer wri_a, which is missing"},
		{"a writer and its events cut", func(lines []string) []string {
			return slices.Delete(slices.Delete(lines, 6, 9), 2, 3)
		}, 4, "", "names writer wri_a"},
		{"the tail cut", cut(14), 14, "", "7 events where there were 8"},
		{"two events swapped", func(lines []string) []string { lines[6], lines[7] = lines[7], lines[6]; return lines }, 7, "wri_a", "event 1 belongs here"},
		{"two writers' events swapped", func(lines []string) []string { lines[8], lines[9] = lines[9], lines[8]; return lines }, 9, "wri_a", "missing here"},
		{"an event twice", func(lines []string) []string { return slices.Insert(lines, 8, lines[7]) }, 9, "wri_a", "event 3 belongs here"},
		{"an event after the seal", func(lines []string) []string {
			rows, _ := audit.Head{Writer: "wri_a", Seq: 3, Link: l.events[2].Link}.Append([]audit.Record{audit.NewRecord(audit.Event{
				ID: "evt_x", At: time.Unix(0, 0), Type: audit.TypeTokenIssued, Outcome: audit.Allowed,
			})})
			return slices.Insert(lines, 9, fmt.Sprintf(`{"body":%s,"kind":"event","leaf":"%x","link":"%x","seq":4,"writer":"wri_a"}`, rows[0].Body, rows[0].Leaf, rows[0].Link))
		}, 10, "wri_a", "sealed"},
		{"an unknown version of an event", func(lines []string) []string {
			body := strings.Replace(string(l.events[0].Body), `"v":1`, `"v":9`, 1)
			leaf := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
			lines[6] = strings.Replace(lines[6], string(l.events[0].Body), body, 1)
			lines[6] = strings.Replace(lines[6], fmt.Sprintf("%x", l.events[0].Leaf), leaf, 1)
			return lines
		}, 7, "wri_a", "unknown version 9"},
		{"an unknown version of the export", replace(1, `"format":1`, `"format":2`), 1, "", "unknown version"},
		{"an unknown kind", replace(8, `"kind":"event"`, `"kind":"evennt"`), 8, "", "unknown kind"},
		{"an unknown member", replace(8, `"seq":2`, `"seq":2,"note":""`), 8, "", "not a record"},
		{"a member twice", replace(8, `"seq":2`, `"seq":2,"seq":2`), 8, "", "not a record"},
		{"no JSON", replace(8, `{`, `(`), 8, "", "not a record"},
		{"the first checkpoint cut", cut(5), 5, "", "checkpoint 2 where 1 belongs"},
		{"the newest checkpoint cut", cut(6), 14, "", "1 checkpoints where there were 2"},
		{"every checkpoint cut", func(lines []string) []string { return slices.Delete(lines, 4, 6) }, 13, "", "0 checkpoints where there were 2"},
		{"checkpoints swapped", func(lines []string) []string { lines[4], lines[5] = lines[5], lines[4]; return lines }, 5, "", "checkpoint 2 where 1 belongs"},
		{"a byte of a checkpoint changed", replace(5, "2026-11-20T12", "2026-11-20T11"), 5, "", "does not verify"},
		{"a head in a checkpoint changed", replace(6, `"seq":4`, `"seq":3`), 6, "", "does not verify"},
		{"a signature of another payload", func(lines []string) []string {
			lines[4] = strings.Replace(lines[4], l.checkpoints[0].Signature, l.checkpoints[1].Signature, 1)
			return lines
		}, 5, "", "does not verify"},
		{"a checkpoint signed by another key", func(lines []string) []string {
			signature, err := forger.Sign(l.checkpoints[0].Body)
			if err != nil {
				t.Fatal(err)
			}
			lines[4] = strings.Replace(lines[4], l.checkpoints[0].Signature, signature, 1)
			return lines
		}, 5, "", "not trusted"},
		{"a signature cut off", replace(5, l.checkpoints[0].Signature, ""), 5, "", "does not verify"},
		{"the key cut", cut(2), 4, "", "not trusted"},
		{"a writer twice", func(lines []string) []string { return slices.Insert(lines, 3, lines[2]) }, 4, "", "twice"},
		{"an anchor changed", replace(4, fmt.Sprintf("%x", l.checkpoints[0].Hash), strings.Repeat("0", 64)), 10, "wri_b", "chain"},
		{"the header cut", cut(1), 1, "", "header is missing"},
		{"the end cut", cut(15), 15, "", "end is missing"},
		{"the head of the end changed", replace(15, `"head":"`, `"head":"0`), 15, "", "heads"},
		{"a record after the end", func(lines []string) []string { return append(lines, lines[13]) }, 16, "", "after the end"},
		{"nothing left", func([]string) []string { return nil }, 1, "", "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := c.tamper(strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
			tampered := strings.Join(lines, "\n")
			if len(lines) > 0 {
				tampered += "\n"
			}
			_, err := audit.Verify(strings.NewReader(tampered), audit.Expect{})
			bad, ok := errors.AsType[*audit.Bad](err)
			if !ok {
				t.Fatalf("not found: %v", err)
			}
			if bad.Line != c.line || bad.Writer != c.writer || !strings.Contains(bad.What, c.what) {
				t.Fatalf("found %v", err)
			}
		})
	}
}

// Cut at any byte, the export does not verify.
func TestVerifyFindsEveryCut(t *testing.T) {
	text := export(t, newLog(t), tenant.UID{})
	for i := range len(text) {
		if _, err := audit.Verify(strings.NewReader(text[:i]), audit.Expect{}); err == nil {
			t.Fatalf("cut at %d of %d", i, len(text))
		}
	}
}

// Any byte changed is found, but for what the export says of itself: when it was made, for whom, and when a
// writer began. Nothing of that is in the log.
func TestVerifyFindsEveryByte(t *testing.T) {
	l := newLog(t)
	text := export(t, l, tenant.UID{})
	expect := audit.Expect{Keys: []audit.PublicKey{l.signer.PublicKey}}
	line := 1
	for i := range len(text) {
		if text[i] == '\n' {
			line++
		}
		if line <= 4 { // header, key (not counted with a trusted one), writers (times)
			continue
		}
		changed := []byte(text)
		changed[i] ^= 1
		if _, err := audit.Verify(bytes.NewReader(changed), expect); err == nil {
			t.Fatalf("byte %d of line %d: %q", i, line, text[max(0, i-20):min(len(text), i+20)])
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("{\"at\":\"2026-11-20T12:00:00.000000Z\",\"format\":1,\"kind\":\"header\"}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := audit.Verify(bytes.NewReader(text), audit.Expect{}); err == nil {
			t.Fatal("what nobody signed verifies")
		}
	})
}

func TestVerifyRefusesAnExportWithoutCheckpoint(t *testing.T) {
	l := newLog(t)
	l.checkpoints, l.writers, l.events = nil, l.writers[:1], l.events[:3]
	_, err := audit.Verify(strings.NewReader(export(t, l, tenant.UID{})), audit.Expect{})
	if bad, ok := errors.AsType[*audit.Bad](err); !ok || !strings.Contains(bad.What, "no checkpoint") {
		t.Fatalf("got %v", err)
	}
}

// The service signs what the database says of its writers. Whoever can write there may make it forget one
// that still writes, whose events no checkpoint would cover from then on.
func TestVerifyMissesNoOpenWriter(t *testing.T) {
	l := newLog(t)
	newest := l.checkpoints[len(l.checkpoints)-1]
	silent, err := audit.Checkpoint{Number: 3, At: newest.At.Add(time.Hour), Previous: newest.Hash}.Sign(l.signer)
	if err != nil {
		t.Fatal(err)
	}
	l.checkpoints = append(l.checkpoints, silent)
	l.events = l.events[:len(l.events)-1] // and what came behind the last that was covered is cut
	_, err = audit.Verify(strings.NewReader(export(t, l, tenant.UID{})), audit.Expect{Keys: l.keys})
	if err == nil || !strings.Contains(err.Error(), "leaves out writer wri_b") {
		t.Fatalf("it holds: %v", err)
	}
}

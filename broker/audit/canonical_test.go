package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var acme = tenant.MustParseUID("ten_01JACME0000000000000000000")

func whole() audit.Event {
	return audit.Event{
		ID: "evt_1", At: time.Date(2026, 11, 20, 13, 14, 15, 123456789, time.FixedZone("", 3600)), Tenant: acme, Trace: "trc_1",
		Type: audit.TypeTokenIssued, Outcome: audit.Allowed, Code: "ok", Principal: audit.Principal{Kind: "client", ID: "cli_1", Name: "claude"},
		OnBehalf: "usr_1", Client: "claude", IdP: "okta", Resource: "notes", GrantType: "jwt-bearer", Scope: "notes:read",
		TokenID: "tok_1", AssertionID: "jti-1", AssertionBy: "https://acme.okta.com", Decision: "dec_1", InputHash: "ab",
		Policies: []audit.PolicyRef{{Name: "notes", Revision: 3, Role: "grant", UID: "pol_1"}},
		Checks:   []audit.Check{{Name: "aud", OK: true, Received: "a", Expected: "b"}, {Name: "typ"}},
		Detail:   map[string]string{"b": "2", "a": "\u2028\x01\"\\/<>&é", "\U0001D11E": "clef", "\uFFFD": "higher than the clef's first unit"},
		Remote:   "192.0.2.7",
	}
}

// The bytes of version 1. They never change: leaves that exist depend on them.
const golden = `{"assertion_iss":"https://acme.okta.com","assertion_jti":"jti-1","at":"2026-11-20T12:14:15.123456Z",` +
	`"checks":[{"expected":"b","name":"aud","ok":true,"received":"a"},{"name":"typ","ok":false}],"client":"claude","code":"ok",` +
	`"decision":"dec_1","detail":{"a":"` + "\u2028" + `\u0001\"\\/<>&é","b":"2","` + "\U0001D11E" + `":"clef","` + "\uFFFD" +
	`":"higher than the clef's first unit"},"grant_type":"jwt-bearer","id":"evt_1","idp":"okta","input_hash":"ab","on_behalf":"usr_1",` +
	`"outcome":"allowed","policies":[{"name":"notes","revision":3,"role":"grant","uid":"pol_1"}],` +
	`"principal":{"id":"cli_1","kind":"client","name":"claude"},"remote":"192.0.2.7","resource":"notes","scope":"notes:read",` +
	`"tenant":"ten_01JACME0000000000000000000","token_jti":"tok_1","trace":"trc_1","type":"token.issued","v":1}`

func TestCanonicalGolden(t *testing.T) {
	if got := string(audit.Canonical(whole())); got != golden {
		t.Fatalf("got  %s\nwant %s", got, golden)
	}
	minimal := audit.Event{ID: "e", At: time.Unix(0, 0), Type: audit.TypeStarted, Outcome: audit.Changed}
	const want = `{"at":"1970-01-01T00:00:00.000000Z","id":"e","outcome":"changed","type":"process.started","v":1}`
	if got := string(audit.Canonical(minimal)); got != want {
		t.Fatalf("got %s", got)
	}
}

func TestLinkGolden(t *testing.T) {
	record := audit.NewRecord(whole())
	if record.Leaf != sha256.Sum256([]byte(golden)) {
		t.Fatal("the leaf is not the SHA-256 of the body")
	}
	first := audit.FirstLink(audit.Digest{}, "wri_1")
	want := sha256.Sum256(append([]byte("chancery/audit/writer/1\n"), append(make([]byte, 32), "wri_1"...)...))
	if first != want {
		t.Fatal("the beginning of a chain")
	}
	link := audit.Link(first, record.Leaf)
	if link != sha256.Sum256(append(append([]byte{}, first[:]...), record.Leaf[:]...)) {
		t.Fatalf("link %s", hex.EncodeToString(link[:]))
	}
}

func TestParseReturnsWhatWasWritten(t *testing.T) {
	want := whole()
	got, err := audit.ParseEvent(audit.Canonical(want))
	if err != nil {
		t.Fatal(err)
	}
	want.At = want.At.UTC().Truncate(time.Microsecond)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	for name, body := range map[string]string{
		"unknown version":  strings.Replace(golden, `"v":1`, `"v":2`, 1),
		"no version":       strings.Replace(golden, `,"v":1`, ``, 1),
		"unknown member":   strings.Replace(golden, `"v":1`, `"v":1,"w":1`, 1),
		"duplicate member": strings.Replace(golden, `"v":1`, `"v":1,"v":1`, 1),
		"trailing bytes":   golden + "{}",
		"bad time":         strings.Replace(golden, `15.123456Z`, `15Z`, 1),
		"bad tenant":       strings.Replace(golden, `ten_01J`, `x_01J`, 1),
	} {
		if _, err := audit.ParseEvent([]byte(body)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		"a\x00b":                       "a\uFFFDb",
		"\xff":                         "\uFFFD",
		strings.Repeat("a", 2000):      strings.Repeat("a", 1024),
		strings.Repeat("é", 1000):      strings.Repeat("é", 512),
		"a" + strings.Repeat("é", 600): "a" + strings.Repeat("é", 511),
	} {
		if got := audit.Clean(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
	for _, in := range []string{strings.Repeat("\x00", 1024), strings.Repeat("\xff", 5000), strings.Repeat("\x80", 1025)} {
		if got := audit.Clean(in); len(got) > 1024 || !utf8.ValidString(got) {
			t.Errorf("%d bytes", len(got))
		}
	}
}

// Whatever comes in, the form is the one that two other implementations of RFC 8785 make.
func TestCanonicalIsCanonical(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		body := audit.Canonical(randomEvent(random))
		value := jsontext.Value(bytes.Clone(body))
		if err := value.Canonicalize(); err != nil {
			t.Fatalf("%v: %q", err, body)
		}
		if !bytes.Equal(value, body) {
			t.Fatalf("got  %q\nwant %q", body, value)
		}
		other, err := jcs.Transform(body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(other, body) {
			t.Fatalf("got  %q\njcs  %q", body, other)
		}
		if _, err := audit.ParseEvent(body); err != nil {
			t.Fatal(err)
		}
	}
}

func randomEvent(r *rand.Rand) audit.Event {
	text := func() string {
		out := make([]rune, r.IntN(6))
		for i := range out {
			pool := []rune{rune(r.IntN(128)), rune(r.IntN(0x800)), rune(0xD7F0 + r.IntN(0x20)), rune(0xE000 + r.IntN(0x2000)), rune(0x1F600 + r.IntN(80))}
			out[i] = pool[r.IntN(len(pool))]
		}
		if r.IntN(10) == 0 {
			return string(out) + string([]byte{byte(r.IntN(256)), byte(r.IntN(256))})
		}
		return string(out)
	}
	e := audit.Event{
		ID: text(), At: time.UnixMicro(r.Int64N(1 << 52)), Trace: text(), Type: audit.Type(text()), Outcome: audit.Outcome(text()),
		Code: text(), Principal: audit.Principal{Kind: text(), ID: text(), Name: text()}, Client: text(), Scope: text(), Remote: text(),
	}
	for range r.IntN(4) {
		e.Checks = append(e.Checks, audit.Check{Name: text(), OK: r.IntN(2) == 0, Received: text(), Expected: text()})
		e.Policies = append(e.Policies, audit.PolicyRef{Name: text(), Revision: r.Int64N(1 << 53), Role: text(), UID: text(), Hash: text()})
	}
	if n := r.IntN(8); n > 0 {
		e.Detail = map[string]string{}
		for range n {
			e.Detail[text()] = text()
		}
	}
	return e
}

func BenchmarkNewRecord(b *testing.B) {
	e := whole()
	for b.Loop() {
		audit.NewRecord(e)
	}
}

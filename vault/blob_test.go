package vault

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestBlobRoundTrip(t *testing.T) {
	want := Blob{Scheme: XAES256GCM, KeyID: "krk_0123456789abcdef", Body: []byte("nonce and ciphertext")}
	encoded, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(encoded, []byte{0x43, 0x48, 0x53, 0x30}) { // the schema checks these four
		t.Fatalf("blob begins with % x", encoded[:4])
	}
	got, err := Parse(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if got.Scheme != want.Scheme || got.KeyID != want.KeyID || !bytes.Equal(got.Body, want.Body) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	valid, err := Blob{Scheme: XAES256GCM, KeyID: "krk_1", Body: []byte("body")}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	mutate := func(change func([]byte) []byte) []byte { return change(bytes.Clone(valid)) }
	for name, blob := range map[string][]byte{
		"nothing":              nil,
		"magic only":           []byte(Magic),
		"other magic":          mutate(func(b []byte) []byte { b[3] = '1'; return b }),
		"plain text":           []byte("-----BEGIN PRIVATE KEY-----"),
		"scheme 0":             mutate(func(b []byte) []byte { b[4] = 0; return b }),
		"scheme of the future": mutate(func(b []byte) []byte { b[4] = 3; return b }),
		"no key id":            mutate(func(b []byte) []byte { b[5] = 0; return b }),
		"key id past the end":  mutate(func(b []byte) []byte { b[5] = 200; return b }),
		"key id takes all":     mutate(func(b []byte) []byte { b[5] = byte(len(b) - 6); return b }),
		"key id not printable": mutate(func(b []byte) []byte { b[6] = '\n'; return b }),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(blob); !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
		})
	}
	for n := range valid[:len(valid)-len("body")+1] {
		if _, err := Parse(valid[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut to %d bytes: got %v", n, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, blob := range map[string]Blob{
		"no scheme":     {KeyID: "k", Body: []byte("b")},
		"no key id":     {Scheme: XAES256GCM, Body: []byte("b")},
		"no body":       {Scheme: XAES256GCM, KeyID: "k"},
		"long key id":   {Scheme: XAES256GCM, KeyID: strings.Repeat("k", 65), Body: []byte("b")},
		"space in name": {Scheme: XAES256GCM, KeyID: "k 1", Body: []byte("b")},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := blob.Encode(); !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
		})
	}
}

func TestAADIsBoundToAllParts(t *testing.T) {
	valid := AAD{Tenant: "ten_1", Table: "signing_keys", UID: "kid", Column: "sealed"}
	if _, err := valid.Bytes(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*AAD){
		"tenant": func(a *AAD) { a.Tenant = "" },
		"table":  func(a *AAD) { a.Table = "" },
		"uid":    func(a *AAD) { a.UID = "" },
		"column": func(a *AAD) { a.Column = "" },
		"long":   func(a *AAD) { a.UID = strings.Repeat("u", 1025) },
	} {
		t.Run(name, func(t *testing.T) {
			a := valid
			change(&a)
			if _, err := a.Bytes(); !errors.Is(err, errUnbound) {
				t.Fatalf("got %v, want errUnbound", err)
			}
		})
	}
}

func TestAADHasOneEncoding(t *testing.T) {
	seen := map[string]AAD{}
	for _, a := range []AAD{
		{"a", "b", "c", "d"},
		{"ab", "c", "d", "e"},
		{"a", "bc", "d", "e"},
		{"a", "b", "cd", "e"},
		{"a", "b", "c", "de"},
		{"b", "a", "c", "d"},
	} {
		encoded, err := a.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[string(encoded)]; twice {
			t.Fatalf("%+v and %+v are one", a, other)
		}
		seen[string(encoded)] = a
	}
}

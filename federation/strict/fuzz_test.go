package strict_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/chancery-dev/chancery/federation/strict"
)

// FuzzStrict: nothing panics; what passes is valid JSON for the standard
// library too, has no more members for a case-insensitive reader than for us,
// and reads the same when written and read again.
func FuzzStrict(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"sub":"a","Sub":"b"}`, `{"a":1,"a":2}`, `{"ſub":"x"}`, `{"n":[1,-0,1.5e3,1e400]}`,
		`[[[[]]]]`, `{"a":"\ud83d\ude00"}`, `"\u0000"`, "\ufeff{}", `{"a":{"b":{"c":null}}} `, `1 2`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		value, err := strict.Value(text)
		if !bytes.Equal(text, before) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatal("accepted what encoding/json refuses")
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strict.Value(again); err != nil {
			t.Fatalf("not accepted again: %v: %s", err, again)
		}
		if object, ok := value.(map[string]any); ok {
			folded := map[string]bool{}
			for name := range object {
				if folded[strict.Fold(name)] {
					t.Fatalf("two names fold together in %q", text)
				}
				folded[strict.Fold(name)] = true
			}
		}
	})
}

func BenchmarkObject(b *testing.B) {
	text := []byte(`{"iss":"https://acme.okta.example","sub":"00u1","aud":"https://chancery.example","client_id":"claude",` +
		`"jti":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","exp":1700000300,"iat":1700000000,"scope":"notes:read notes:write",` +
		`"resource":"https://notes.example/mcp","email":"alice@acme.example","groups":["eng","notes"],"auth_time":1700000000,"acr":"mfa"}`)
	limits := strict.Limits{Reserved: strict.Reserve("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"), NoNUL: true}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := strict.Object(text, limits); err != nil {
			b.Fatal(err)
		}
	}
}

package provider

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestReadJSON(t *testing.T) {
	for name, text := range map[string]string{
		"a name twice": `{"access_token":"a","access_token":"b"}`, "text after it": `{} {}`, "invalid UTF-8": "{\"a\":\"\xff\"}", "nothing": "", "cut off": `{"a":`,
		"deep": strings.Repeat("[", 40) + strings.Repeat("]", 40), "a comment": "{}//", "a byte order mark": "\ufeff{}",
	} {
		if _, err := readJSON([]byte(text)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	v, err := readJSON([]byte(`{"a":{"b":[1,"x",null,true,12345678901234567890]}}`))
	if err != nil {
		t.Fatal(err)
	}
	list, _ := at(v, "a.b").([]any)
	if len(list) != 5 || words(list[0]) != "1" || words(list[1]) != "x" || words(list[2]) != "" || words(list[3]) != "true" || words(list[4]) != "12345678901234567890" {
		t.Errorf("%v", list)
	}
	for _, path := range []string{"a.c", "a.b.c", "x", "a.b.0", ""} {
		if at(v, path) != nil {
			t.Errorf("something is at %q", path)
		}
	}
}

func TestAnswersOfTwoMeanings(t *testing.T) {
	for name, test := range map[string]struct{ mediaType, body string }{
		"a member twice":  {"application/json", `{"access_token":"a","access_token":"b"}`},
		"a field twice":   {"application/x-www-form-urlencoded", "access_token=a&access_token=b"},
		"a broken field":  {"application/x-www-form-urlencoded", "access_token=%zz"},
		"a page":          {"text/html", "<p>access_token=a"},
		"a form untitled": {"text/plain", "access_token=a"},
	} {
		a := answer{status: 200, header: http.Header{"Content-Type": {test.mediaType}}}
		a.read([]byte(test.body))
		if a.body != nil || a.list != nil {
			t.Errorf("%s was read: %v", name, a.body)
		}
	}
}

func TestSince(t *testing.T) {
	for text, want := range map[string]time.Time{
		"1780000000000": time.UnixMilli(1780000000000), "1780000000": time.Unix(1780000000, 0), "0": {}, "-1": {}, "": {}, "1e9": {}, "99999999999999999999": {},
	} {
		if got, ok := since(text); !got.Equal(want) || ok == want.IsZero() {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestJWTExp(t *testing.T) {
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
	}
	if at, ok := jwtExp(token(`{"exp":1780000000}`)); !ok || at.Unix() != 1780000000 {
		t.Errorf("%v", at)
	}
	for _, bad := range []string{"", "opaque", "a.b", "a.b.c", token(`{}`), token(`{"exp":-1}`), token(`{"exp":"x"}`), token(`{"exp":1e300}`), token(`{"exp":1,"exp":1780000000}`), token("x")} {
		if at, ok := jwtExp(bad); ok {
			t.Errorf("%q ends at %v", bad, at)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"token_url", "kind", "refresh"}
	for name, want := range map[string]string{"token_uri": "token_url", "knd": "kind", "refersh": "refresh", "zzzzzzz": "", strings.Repeat("a", 100): ""} {
		if got := nearest(name, known); got != want {
			t.Errorf("%q is near %q", name, got)
		}
	}
}

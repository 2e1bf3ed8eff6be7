package oauth_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestParseForm(t *testing.T) {
	f, err := oauth.ParseForm([]byte("grant_type=urn%3Ax&assertion=a.b.c&code=&resource=https%3A%2F%2Fa&resource=https://b&resource=&x=1+2&"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Get("grant_type") != "urn:x" || f.Get("assertion") != "a.b.c" || f.Get("x") != "1 2" || f.Get("nothing") != "" {
		t.Errorf("%+v", f)
	}
	if f.Get("code") != "" {
		t.Error("an empty parameter is there") // RFC 6749 §3.2
	}
	if !slices.Equal(f.Resources(), []string{"https://a", "https://b"}) {
		t.Errorf("resources %v", f.Resources())
	}
}

func TestParseFormRefuses(t *testing.T) {
	const valid = "grant_type=a&assertion=b"
	tests := map[string]struct {
		body string
		code oauth.Code
	}{
		"a repeated parameter":           {valid + "&assertion=b", oauth.CodeParameterRepeated},
		"a repeated parameter, empty":    {valid + "&assertion=", oauth.CodeParameterRepeated},
		"an empty one repeated":          {"code=&code=", oauth.CodeParameterRepeated},
		"an encoded name, repeated":      {valid + "&%61ssertion=c", oauth.CodeParameterRepeated},
		"a bad escape in a value":        {valid + "&x=%zz", oauth.CodeRequestMalformed},
		"a bad escape in a name":         {valid + "&%zz=x", oauth.CodeRequestMalformed},
		"a value without a name":         {valid + "&=x", oauth.CodeRequestMalformed},
		"NUL":                            {valid + "&x=%00", oauth.CodeRequestMalformed},
		"a line break":                   {valid + "&x=a%0d%0ab", oauth.CodeRequestMalformed},
		"DEL":                            {valid + "&x=%7f", oauth.CodeRequestMalformed},
		"invalid UTF-8":                  {valid + "&x=%ff", oauth.CodeRequestMalformed},
		"a name of 65 bytes":             {valid + "&" + strings.Repeat("n", 65) + "=x", oauth.CodeRequestMalformed},
		"a body of more than 64 KiB":     {"x=" + strings.Repeat("a", oauth.MaxBody), oauth.CodeBodyTooLarge},
		"too many parameters":            {manyParameters(65), oauth.CodeRequestMalformed},
		"too many resources":             {strings.Repeat("resource=https://a&", 65), oauth.CodeRequestMalformed},
		"a million names in one request": {strings.Repeat("a=&", 20000), oauth.CodeParameterRepeated},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := oauth.ParseForm([]byte(test.body))
			refusal, ok := errors.AsType[*oauth.Error](err)
			if !ok || refusal.Code != test.code {
				t.Errorf("got %v, want %s", err, test.code)
			}
		})
	}
}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("p" + strings.Repeat("x", i) + "=1&")
	}
	return b.String()
}

// FuzzParseForm: whatever comes, what is accepted reads the same as by the standard library, once, and clean.
func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"", "a=b", "a=b&a=c", "resource=x&resource=y", "a=%00", "a=%zz", "&&&", "=", "a", "a=b;c=d", "%61=1&a=2", "a=+%2B", strings.Repeat("a=&", 99)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := oauth.ParseForm(body)
		if err != nil {
			if refusal, ok := errors.AsType[*oauth.Error](err); !ok || strings.ContainsAny(refusal.Received, "\x00\r\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		want, parseErr := url.ParseQuery(string(body))
		if parseErr != nil && !strings.Contains(string(body), ";") {
			t.Fatalf("accepted what the standard library refuses: %v", parseErr)
		}
		for name, values := range want {
			if name == "resource" {
				continue
			}
			if len(values) != 1 || form.Get(name) != values[0] || !utf8.ValidString(values[0]) {
				t.Fatalf("%q: %q, not %q", name, form.Get(name), values)
			}
		}
	})
}

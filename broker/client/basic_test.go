package client

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestParseBasic(t *testing.T) {
	for header, want := range map[string]basicCredentials{
		"Basic " + encoded("a:b"):                               {"a", "b"},
		"basic " + encoded("a:b"):                               {"a", "b"},
		"BASIC  " + encoded("a:b"):                              {"a", "b"},
		"Basic " + encoded("a:b:c"):                             {"a", "b:c"},
		"Basic " + encoded("a%3Ab:c%25+d"):                      {"a:b", "c% d"},
		"Basic " + encoded("https%3A%2F%2Fagent.example%2Fc:s"): {"https://agent.example/c", "s"},
		"Basic " + encoded("%C3%A9:%2B"):                        {"é", "+"},
		"Basic " + encoded(":b"):                                {"", "b"},
		"Basic " + encoded("a:"):                                {"a", ""},
	} {
		if got, err := parseBasic(header); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", header, got, err, want)
		}
	}
}

func TestParseBasicRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		cause  error
	}{
		"nothing":           {"", errScheme},
		"scheme only":       {"Basic", errNoColon},
		"scheme and space":  {"Basic ", errNoColon},
		"Bearer":            {"Bearer " + encoded("a:b"), errScheme},
		"DPoP":              {"DPoP " + encoded("a:b"), errScheme},
		"leading space":     {" Basic " + encoded("a:b"), errScheme},
		"tab":               {"Basic\t" + encoded("a:b"), errScheme},
		"no space":          {"Basic" + encoded("a:b"), errScheme},
		"not base64":        {"Basic a:b", errBase64},
		"base64url":         {"Basic " + base64.URLEncoding.EncodeToString([]byte("a?>:b?>")), errBase64},
		"padding absent":    {"Basic " + strings.TrimRight(encoded("a:bc"), "="), errBase64},
		"padding too long":  {"Basic " + encoded("a:b") + "=", errBase64},
		"bits left over":    {"Basic YTp=", errBase64},
		"newline inside":    {"Basic YT\npi", errBase64},
		"newline at end":    {"Basic " + encoded("a:b") + "\n", errBase64},
		"space inside":      {"Basic YT pi", errBase64},
		"two values":        {"Basic " + encoded("a:b") + ", Basic " + encoded("a:b"), errBase64},
		"parameters":        {"Basic " + encoded("a:b") + ", charset=UTF-8", errBase64},
		"no colon":          {"Basic " + encoded("ab"), errNoColon},
		"percent in id":     {"Basic " + encoded("100%:b"), errForm},
		"percent in secret": {"Basic " + encoded("a:100%"), errForm},
		"percent and one":   {"Basic " + encoded("a:%4"), errForm},
		"percent not hex":   {"Basic " + encoded("a:%zz"), errForm},
		"NUL":               {"Basic " + encoded("a:%00b"), errControl},
		"NUL as it is":      {"Basic " + encoded("a\x00:b"), errControl},
		"newline encoded":   {"Basic " + encoded("a%0A:b"), errControl},
		"DEL":               {"Basic " + encoded("a:b%7F"), errControl},
		"not UTF-8":         {"Basic " + encoded("a:%ff"), errControl},
		"Latin-1":           {"Basic " + encoded("\xe9:b"), errControl},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseBasic(c.header)
			if !errors.Is(err, c.cause) || got != (basicCredentials{}) {
				t.Fatalf("got %+v, %v; want %v", got, err, c.cause)
			}
		})
	}
}

func FuzzParseBasic(f *testing.F) {
	for _, seed := range []string{
		"Basic YTpi", "basic  YTpi", "Basic", "Basic YTpi\n", "Bearer x", "Basic " + encoded("a%3Ab:c%25+d"),
		"Basic " + encoded("%C3%A9:%2B"), "Basic " + encoded("a:%00"), "Basic YTp=", "Basic ====",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := parseBasic(header)
		if err != nil {
			return
		}
		for _, part := range []string{got.clientID, got.secret} {
			if !utf8.ValidString(part) || strings.ContainsAny(part, "\x00\r\n") {
				t.Fatalf("%q gave %q", header, part)
			}
		}
		// What was read is what a client that follows the standard would send.
		again, err := parseBasic("Basic " + encoded(url.QueryEscape(got.clientID)+":"+url.QueryEscape(got.secret)))
		if err != nil || again != got {
			t.Fatalf("%q: %+v, then %+v, %v", header, got, again, err)
		}
	})
}

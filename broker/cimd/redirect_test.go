package cimd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func redirecting(to ...any) map[string]any {
	return with(without(members(), "application_type"), "redirect_uris", to)
}

func TestRedirectURIs(t *testing.T) {
	for _, uri := range []string{
		"https://app.example.com", "https://app.example.com/", "https://app.example.com:8443/cb?tenant=1", "https://app.example.com/a//b/%2F",
		"https://app.example.com/callback/", "https://app.example.com?x=..",
		"http://localhost", "http://localhost/callback", "http://localhost:1/", "http://127.0.0.1:65535/cb?x=1", "http://[::1]/cb", "http://[::1]:8080/cb",
		"com.example.app:/oauth", "com.example.app://callback/x", "com.example-2.app+x:cb",
		"https://app.example.com/" + strings.Repeat("a", 1000),
	} {
		if _, err := cimd.Parse(encode(t, redirecting(uri)), url(t, address)); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// T33: each of them goes somewhere else than somebody would read.
func TestRedirectURIsRefused(t *testing.T) {
	for name, uri := range map[string]string{
		"empty":                   "",
		"relative":                "/callback",
		"no scheme":               "//app.example.com/cb",
		"a word":                  "callback",
		"http":                    "http://app.example.com/cb",
		"http in a network":       "http://10.0.0.1/cb",
		"http like loopback":      "http://localhost.evil.example/cb",
		"http to 127.0.0.2":       "http://127.0.0.2/cb",
		"http to 127.1":           "http://127.1/cb",
		"http in decimal":         "http://2130706433/cb",
		"http to all":             "http://0.0.0.0/cb",
		"http, mapped":            "http://[::ffff:127.0.0.1]/cb",
		"loopback as user":        "http://localhost@evil.example/cb",
		"loopback and password":   "http://localhost:80@evil.example/cb",
		"loopback, port 0":        "http://localhost:0/cb",
		"loopback, port 65536":    "http://localhost:65536/cb",
		"loopback, empty port":    "http://localhost:/cb",
		"loopback, port wildcard": "http://localhost:*/cb",
		"https without host":      "https:///cb",
		"https without slashes":   "https:app.example.com/cb",
		"https to an address":     "https://93.184.216.34/cb",
		"https to loopback":       "https://127.0.0.1/cb",
		"https to a short name":   "https://intranet/cb",
		"https, upper case":       "https://App.Example.com/cb",
		"HTTPS":                   "HTTPS://app.example.com/cb",
		"user":                    "https://app.example.com@evil.example/cb",
		"backslash":               "https://evil.example\\app.example.com/cb",
		"backslash slash":         "https:\\\\evil.example/cb",
		"apostrophe":              "https://app.example.com/it's",
		"parameter of the answer": "https://app.example.com/cb?state=1",
		"fragment":                "https://app.example.com/cb#x",
		"empty fragment":          "https://app.example.com/cb#",
		"wildcard host":           "https://*.example.com/cb",
		"wildcard path":           "https://app.example.com/*",
		"parent":                  "https://app.example.com/cb/../evil",
		"escaped parent":          "https://app.example.com/cb/%2e%2E/evil",
		"half escaped parent":     "https://app.example.com/cb/.%2e/evil",
		"parent and semicolon":    "https://app.example.com/cb/..;/evil",
		"dot":                     "https://app.example.com/./cb",
		"parent on loopback":      "http://localhost/a/../b",
		"parent, private use":     "com.example.app:/a/../b",
		"space":                   "https://app.example.com/c b",
		"line end":                "https://app.example.com/cb\r\nSet-Cookie: a=b",
		"not ASCII":               "https://bücher.example/cb",
		"javascript":              "javascript:alert(1)",
		"JavaScript":              "JavaScript:alert(1)",
		"javascript with a dot":   "javascript:a.b",
		"data":                    "data:text/html,x",
		"file":                    "file:///etc/passwd",
		"blob":                    "blob:https://app.example.com/1",
		"vbscript":                "vbscript:x",
		"about":                   "about:blank",
		"ws":                      "wss://app.example.com/cb",
		"scheme without a dot":    "myapp://callback",
		"scheme ends in a dot":    "myapp.://callback",
		"scheme begins so":        ".myapp:/callback",
		"scheme with a digit":     "1.example:/callback",
		"scheme in upper case":    "Com.Example.App:/callback",
		"private use, user":       "com.example.app://me@callback/",
		"private use, nothing":    "com.example.app:",
		"out of band":             "urn:ietf:wg:oauth:2.0:oob",
		"too long":                "https://app.example.com/" + strings.Repeat("a", 1024),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := cimd.Parse(encode(t, redirecting(uri)), url(t, address)); code(t, err) != oauth.CodeCIMDRedirectURIRefused {
				t.Errorf("%q: %v", uri, err)
			}
		})
	}
}

// T40: what the page of consent needs to know.
func TestWhereAnswersGo(t *testing.T) {
	for _, c := range []struct {
		redirects []any
		hosts     []string
		loopback  bool
	}{
		{[]any{"https://app.example.com/a", "https://app.example.com/b", "https://b.example:444/"}, []string{"app.example.com", "b.example"}, false},
		{[]any{"http://localhost/cb", "http://127.0.0.1:1/cb", "http://[::1]/cb"}, []string{"127.0.0.1", "[::1]", "localhost"}, true},
		{[]any{"https://app.example.com/a", "http://localhost/cb"}, []string{"app.example.com", "localhost"}, false},
		{[]any{"com.example.app:/cb"}, []string{"com.example.app"}, true},
	} {
		d := parse(t, redirecting(c.redirects...))
		if d.LoopbackOnly() != c.loopback || !slices.Equal(d.RedirectHosts(), c.hosts) {
			t.Errorf("%v: %v, on the machine only: %v", c.redirects, d.RedirectHosts(), d.LoopbackOnly())
		}
	}
}

package cimd_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestParseURL(t *testing.T) {
	for _, raw := range []string{
		address,
		"https://claude.ai/oauth/claude-code-client-metadata",
		"https://vscode.dev/oauth/client-metadata.json",
		"https://a.example/c/",
		"https://xn--bcher-kva.example/client",
		"https://app.example.com/a..b/.well-known/client",
		"https://app.example.com/@agent;v=1/client,1:2",
		"https://app.example.com/caf%C3%A9",
		"https://app.example.com/" + strings.Repeat("a", cimd.MaxURL-len("https://app.example.com/")),
		"https://1.2.3.4.example/client",
	} {
		u, err := cimd.ParseURL(raw, false)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if u.String() != raw || u.Loopback() || !strings.HasPrefix(raw, "https://"+u.Host()+"/") {
			t.Errorf("%s became %s at %s", raw, u, u.Host())
		}
	}
}

func TestParseURLInDevelopment(t *testing.T) {
	for raw, host := range map[string]string{
		"http://localhost/client":           "localhost",
		"http://127.0.0.1:9000/client.json": "127.0.0.1",
		"http://[::1]:1/client":             "[::1]",
		"https://localhost:8443/client":     "localhost",
	} {
		u, err := cimd.ParseURL(raw, true)
		if err != nil || !u.Loopback() || u.Host() != host {
			t.Errorf("%s: %q, %v", raw, u.Host(), err)
		}
		if _, err := cimd.ParseURL(raw, false); code(t, err) != oauth.CodeCIMDURLMalformed {
			t.Errorf("%s outside development: %v", raw, err)
		}
	}
	for _, raw := range []string{
		"http://app.example.com/client", "https://app.example.com:8443/client", "http://127.0.0.2/client", "http://localhost.example:0/client",
		"http://localhost:0/client", "http://localhost:080/client", "http://localhost:65536/client", "http://localhost:/client",
		"http://localhost:1:2/client", "http://127.1/client", "http://[::ffff:127.0.0.1]/client", "http://0.0.0.0/client", "http://LOCALHOST/client",
	} {
		if _, err := cimd.ParseURL(raw, true); code(t, err) != oauth.CodeCIMDURLMalformed {
			t.Errorf("%s in development: %v", raw, err)
		}
	}
}

// T50, draft §3: one address that is in order, broken in one way each.
func TestParseURLRefuses(t *testing.T) {
	const path = "/oauth/client.json"
	for name, raw := range map[string]string{
		"nothing":                   "",
		"a name":                    "claude",
		"http":                      "http://app.example.com" + path,
		"upper-case scheme":         "HTTPS://app.example.com" + path,
		"other scheme":              "ftp://app.example.com" + path,
		"no slashes":                "https:app.example.com" + path,
		"three slashes":             "https:///app.example.com" + path,
		"space before":              " " + address,
		"line end":                  address + "\n",
		"NUL":                       address + "\x00",
		"tab inside":                "https://app.exam\tple.com" + path,
		"too long":                  "https://app.example.com/" + strings.Repeat("a", 256),
		"no path":                   "https://app.example.com",
		"root":                      "https://app.example.com/",
		"fragment":                  address + "#me",
		"empty fragment":            address + "#",
		"query":                     address + "?v=1",
		"empty query":               address + "?",
		"user":                      "https://me@app.example.com" + path,
		"user and password":         "https://me:pw@app.example.com" + path,
		"empty user":                "https://@app.example.com" + path,
		"brand as user":             "https://claude.ai@evil.example" + path,
		"backslash":                 "https://app.example.com\\@evil.example" + path,
		"backslash in the path":     "https://app.example.com/a\\b",
		"port":                      "https://app.example.com:8443" + path,
		"port that is the default":  "https://app.example.com:443" + path,
		"empty port":                "https://app.example.com:" + path,
		"upper-case host":           "https://App.example.com" + path,
		"host without a dot":        "https://intranet" + path,
		"root written out":          "https://app.example.com." + path,
		"empty label":               "https://app..example.com" + path,
		"label begins with hyphen":  "https://-app.example.com" + path,
		"label of 64":               "https://" + strings.Repeat("a", 64) + ".example" + path,
		"underscore":                "https://my_app.example.com" + path,
		"escaped host":              "https://app%2eexample.com" + path,
		"host not ASCII":            "https://bücher.example" + path,
		"full-width dot":            "https://app。example.com" + path,
		"IPv4":                      "https://93.184.216.34" + path,
		"IPv4 in decimal":           "https://2130706433" + path,
		"IPv4 in octal":             "https://0177.0.0.1" + path,
		"IPv4 in hexadecimal":       "https://0x7f.0.0.0x1" + path,
		"IPv4, short":               "https://127.1" + path,
		"IPv6":                      "https://[2606:2800::1]" + path,
		"IPv6 with a zone":          "https://[fe80::1%25eth0]" + path,
		"metadata of a cloud":       "https://169.254.169.254/latest/meta-data",
		"localhost":                 "https://localhost" + path,
		"name below localhost":      "https://app.localhost" + path,
		"loopback":                  "https://127.0.0.1" + path,
		"dot segment":               "https://app.example.com/./client",
		"parent segment":            "https://app.example.com/a/../client",
		"parent at the end":         "https://app.example.com/a/..",
		"escaped dot":               "https://app.example.com/%2E/client",
		"escaped parent":            "https://app.example.com/%2E%2E/client",
		"half escaped parent":       "https://app.example.com/.%2E/client",
		"escaped in lower case":     "https://app.example.com/%2e%2e/client",
		"escaped twice":             "https://app.example.com/%252E%252E/client",
		"parent before a semicolon": "https://app.example.com/..;v=1/client",
		"escaped slash":             "https://app.example.com/a%2Fb",
		"escaped backslash":         "https://app.example.com/a%5Cb",
		"escaped NUL":               "https://app.example.com/a%00b",
		"escaped line end":          "https://app.example.com/a%0Ab",
		"escaped letter":            "https://app.example.com/%61",
		"escape cut short":          "https://app.example.com/a%2",
		"escape of nothing":         "https://app.example.com/a%zz",
		"lower-case escape":         "https://app.example.com/caf%c3%a9",
		"escape of no UTF-8":        "https://app.example.com/%FF",
		"empty segment":             "https://app.example.com//client",
		"quotes":                    `https://app.example.com/"client"`,
		"braces":                    "https://app.example.com/{client}",
	} {
		t.Run(name, func(t *testing.T) {
			u, err := cimd.ParseURL(raw, false)
			if got := code(t, err); got != oauth.CodeCIMDURLMalformed {
				t.Errorf("%q: code %q, want %q", raw, got, oauth.CodeCIMDURLMalformed)
			}
			if u != (cimd.URL{}) {
				t.Errorf("%q: a URL came with the error: %v", raw, u)
			}
		})
	}
}

func TestIsURL(t *testing.T) {
	for raw, want := range map[string]bool{
		address: true, "HTTPS://app.example.com/": true, "http://localhost/c": true, "https://": true,
		"claude": false, "https": false, "https:claude": false, "cli_01": false, "": false,
	} {
		if got := cimd.IsURL(raw); got != want {
			t.Errorf("%q: %v", raw, got)
		}
	}
}

package page_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/broker/page"
)

// TestVisible: what is left of a name that somebody chose.
func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"Claude Code": "Claude Code", "  a \t\n b  ": "a b", "": "", "\u202egnp.exe\u202c": "gnp.exe", "\u2066x\u2069": "x", "a\u200bb\u200db": "abb",
		"x\x00\x1b[31my": "x[31my", "Zoë": "Zoë", "Zoe\u0308": "Zoe\u0308", "a" + strings.Repeat("\u0301", 40): "a\u0301\u0301", "\u0301\u0301a": "a",
		"日本語": "日本語", "שלום": "שלום", "\u3164\u115f": "", "a\u2028b": "a b", "\U000e0041\U000e0042x": "x", "\ue000x": "x", "\xff": "\ufffd",
		strings.Repeat("x", 21): strings.Repeat("x", 20) + "…", strings.Repeat("x", 20): strings.Repeat("x", 20), strings.Repeat("x ", 20): strings.Repeat("x ", 9) + "x…",
	} {
		if got := page.Visible(text, 20); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestInitial(t *testing.T) {
	for text, want := range map[string]string{"okta": "O", "<b>": "B", "": "•", "***": "•", "\u202eé": "É", "9x": "9"} {
		if got := page.Initial(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, payload := range payloads {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := page.Visible(text, 20)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\r\t\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") {
			t.Errorf("%q", got)
		}
		if n := utf8.RuneCountInString(got); n > 21*3 {
			t.Errorf("%d characters", n)
		}
		if again := page.Visible(got, 22); again != got && !strings.HasSuffix(got, "…") {
			t.Errorf("%q, then %q", got, again)
		}
	})
}

// TestDestinations: where a browser may be sent, what it is called in a policy, and what is refused whoever asks (T39).
func TestDestinations(t *testing.T) {
	for raw, want := range map[string]struct {
		host, source      string
		loopback, program bool
	}{
		"https://client.example/cb?x=1":         {host: "client.example", source: "https://client.example"},
		"https://Client.Example:8443/cb":        {host: "client.example:8443", source: "https://client.example:8443"},
		"https://xn--bcher-kva.example/":        {host: "xn--bcher-kva.example", source: "https://xn--bcher-kva.example"},
		"http://127.0.0.1:1234/cb":              {host: "127.0.0.1:1234", source: "http://127.0.0.1:1234", loopback: true},
		"http://localhost:1234/cb":              {host: "localhost:1234", source: "http://localhost:1234", loopback: true},
		"http://[::1]:1234/cb":                  {host: "[::1]:1234", loopback: true},
		"cursor://anysphere.cursor-mcp/cb":      {source: "cursor:", program: true},
		"com.example.app:/oauth2redirect?x=%20": {source: "com.example.app:", program: true},
	} {
		host, source, loopback, program, err := page.ReadDestination(raw)
		if err != nil || host != want.host || source != want.source || loopback != want.loopback || program != want.program {
			t.Errorf("%s: %s %s %v %v %v", raw, host, source, loopback, program, err)
		}
	}
	for _, raw := range []string{
		"", "x", "/x", "//evil.example", `/\evil.example`, "https:evil.example", "https:/evil.example", "https://", "http://client.example/", "http://127.0.0.1.evil.example/",
		"https://user@client.example/", "https://client.example@evil.example/", "https://bücher.example/", "https://a b/", "https://*/", "https://a.example;script-src/",
		"https://a.example,b/", "https://[fe80::1%25eth0]/", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://a/", "file:///x",
		"view-source:https://a", "intent://x", "about:blank", "https://client.example/\r\nSet-Cookie:x", "https://client.example/'", `https://client.example/"`,
		"https://client.example/<", "https://client.example:x/", "1x://a",
	} {
		if _, source, _, _, err := page.ReadDestination(raw); err == nil {
			t.Errorf("%q is taken as %s", raw, source)
		}
	}
}

func TestIsHost(t *testing.T) {
	for host, want := range map[string]bool{
		"claude.ai": true, "claude.ai:8443": true, "127.0.0.1": true, "": false, "Claude.ai": false, "claude.ai/x": false, "a@b": false, "сlaude.ai": false, "a:": false,
		"a:x": false, "a:123456": false, ".a": false, "a b": false, "<b>": false, strings.Repeat("a", 254): false,
	} {
		if page.IsHost(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

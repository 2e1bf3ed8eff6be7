package federation_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

func TestCanonicalEmail(t *testing.T) {
	for address, want := range map[string]string{
		"alice@acme.com":                        "alice@acme.com",
		"Alice.B@ACME.com":                      "alice.b@acme.com",
		"a+tag@acme.com":                        "a+tag@acme.com",
		"a@sub.acme.com":                        "a@sub.acme.com",
		"o'brien@acme.com":                      "o'brien@acme.com",
		"a@xn--acm-dma.com":                     "a@xn--acm-dma.com",
		strings.Repeat("a", 64) + "@acme.com":   strings.Repeat("a", 64) + "@acme.com",
		"a@" + strings.Repeat("b", 63) + ".com": "a@" + strings.Repeat("b", 63) + ".com",
		"a@1.example":                           "a@1.example",
		"a@A-1.Example":                         "a@a-1.example",
		"!#$%&'*+-/=?^_`{|}~@specials.acme.com": "!#$%&'*+-/=?^_`{|}~@specials.acme.com",
	} {
		got, domain, ok := federation.CanonicalEmail(address)
		if !ok || got != want || !strings.HasSuffix(got, "@"+domain) {
			t.Errorf("%q: got %q, %q, %v", address, got, domain, ok)
		}
		if again, _, ok := federation.CanonicalEmail(got); !ok || again != got {
			t.Errorf("%q is not stable: %q", got, again)
		}
	}
}

// T14: what two readers could understand differently is refused.
func TestCanonicalEmailRefuses(t *testing.T) {
	for name, address := range map[string]string{
		"empty":                 "",
		"no at":                 "alice.acme.com",
		"no local part":         "@acme.com",
		"no domain":             "alice@",
		"two ats":               "alice@evil.example@acme.com",
		"two ats, domain first": "alice@acme.com@evil.example",
		"fullwidth at":          "alice＠acme.com",
		"fullwidth at, and one": "alice＠evil.example@acme.com",
		"kelvin sign":           "alice@ac\u212ae.com",
		"kelvin sign in local":  "\u212aate@acme.com",
		"long s":                "\u017fam@acme.com",
		"dotless i":             "al\u0131ce@acme.com",
		"cyrillic":              "аlice@acme.com",
		"cyrillic domain":       "alice@аcme.com",
		"unicode domain":        "alice@acmé.com",
		"ideographic full stop": "alice@acme。com",
		"trailing dot":          "alice@acme.com.",
		"leading dot in domain": "alice@.acme.com",
		"two dots in domain":    "alice@acme..com",
		"one label":             "alice@localhost",
		"hyphen first":          "alice@-acme.com",
		"hyphen last":           "alice@acme-.com",
		"underscore":            "alice@ac_me.com",
		"address literal":       "alice@[127.0.0.1]",
		"quoted local part":     `"alice"@acme.com`,
		"quoted at":             `"a@evil.example"@acme.com`,
		"comment":               "alice(x)@acme.com",
		"display name":          "Alice <alice@acme.com>",
		"space before":          " alice@acme.com",
		"space after":           "alice@acme.com ",
		"space inside":          "al ice@acme.com",
		"newline":               "alice@acme.com\n",
		"newline inside":        "alice\n@acme.com",
		"NUL":                   "alice\x00@acme.com",
		"NUL in domain":         "alice@acme.com\x00.evil.example",
		"zero width space":      "al\u200bice@acme.com",
		"right to left":         "alice\u202e@acme.com",
		"invalid UTF-8":         "alice\xff@acme.com",
		"comma":                 "alice,bob@acme.com",
		"semicolon":             "alice;bob@acme.com",
		"percent route":         "alice:bob@acme.com",
		"dot first":             ".alice@acme.com",
		"dot last":              "alice.@acme.com",
		"two dots":              "al..ice@acme.com",
		"long local part":       strings.Repeat("a", 65) + "@acme.com",
		"long label":            "a@" + strings.Repeat("b", 64) + ".com",
		"long domain":           "a@" + strings.Repeat("b.", 130) + "com",
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, ok := federation.CanonicalEmail(address); ok || got != "" {
				t.Errorf("%q became %q", address, got)
			}
		})
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, seed := range []string{"alice@acme.com", "A@B.C", "alice＠acme.com", "a@b@c.d", "a@acme.com."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		got, domain, ok := federation.CanonicalEmail(address)
		if !ok {
			return
		}
		if strings.Count(got, "@") != 1 || !strings.HasSuffix(got, "@"+domain) || !strings.EqualFold(got, address) {
			t.Errorf("%q became %q of %q", address, got, domain)
		}
		for i := range len(got) {
			if got[i] <= ' ' || got[i] > '~' || 'A' <= got[i] && got[i] <= 'Z' {
				t.Errorf("%q has byte %#x", got, got[i])
			}
		}
		if again, _, ok := federation.CanonicalEmail(got); !ok || again != got {
			t.Errorf("%q is not stable", got)
		}
	})
}

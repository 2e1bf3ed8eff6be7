package verifier

import (
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	for raw, want := range map[string]string{
		"https://auth.acme.com/token":           "https://auth.acme.com/token",
		"HTTPS://AUTH.ACME.COM/Token":           "https://auth.acme.com/Token",
		"https://auth.acme.com:443":             "https://auth.acme.com/",
		"https://auth.acme.com:/":               "https://auth.acme.com/",
		"http://127.0.0.1:80/token":             "http://127.0.0.1/token",
		"http://127.0.0.1:8080/token":           "http://127.0.0.1:8080/token",
		"http://[::1]:443/token":                "http://[::1]:443/token",
		"https://[::1]:443/token":               "https://[::1]/token",
		"https://auth.acme.com/t/a%2fb?x=1#y":   "https://auth.acme.com/t/a%2Fb",
		"https://auth.acme.com/%7Ealice/%E2%82": "https://auth.acme.com/~alice/%E2%82",
		"https://auth.acme.com//token":          "https://auth.acme.com//token",
		"https://auth.acme.com:4443/token":      "https://auth.acme.com:4443/token",
	} {
		if got, err := normalise(raw); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "token", "//auth.acme.com/token", "ftp://auth.acme.com/", "https:/token", "https://", "https:auth.acme.com",
		"https://auth.acme.com/./token", "https://auth.acme.com/%2e%2e/token", "https://auth.acme.com/tok en",
		"https://auth.acme.com/\ttoken", "https://аuth.acme.com/token", "https://user:pw@auth.acme.com/token",
		"https://auth.acme.com/%zz", "javascript:alert(1)", "http://:", "http://0%80/", "http://[fe80::1%25eth0]/",
	} {
		if got, err := normalise(raw); err == nil {
			t.Errorf("%q became %q", raw, got)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{
		"https://auth.acme.com/token", "HTTPS://A:443/%7e?x#y", "http://[::1]:80/%2F", "https://a/%", "https://a/..", "https://a:443:443/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := normalise(raw)
		if err != nil {
			return
		}
		twice, err := normalise(once)
		if err != nil || twice != once {
			t.Fatalf("%q: %q then %q, %v", raw, once, twice, err)
		}
		if strings.ContainsAny(once, "?# ") {
			t.Fatalf("%q: %q", raw, once)
		}
	})
}

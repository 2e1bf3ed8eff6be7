package cimd_test

import (
	neturl "net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
)

// What is accepted reads the same to another parser, and has no second spelling.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		address, "https://a.example/%2E", "https://a.example:443/c", "https://a@b.example/c", "https://127.1/c", "http://localhost:1/c", "https://a.example/c?x#y",
		"https://a.example/caf%C3%A9", "https://a.example/..;/c", "https://[::1]/c",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, raw string, dev bool) {
		u, err := cimd.ParseURL(raw, dev)
		if err != nil {
			if u != (cimd.URL{}) {
				t.Errorf("%q: a URL came with the error", raw)
			}
			return
		}
		other, err := neturl.Parse(raw)
		if err != nil {
			t.Fatalf("%q is accepted, and no URL: %v", raw, err)
		}
		name := strings.Trim(u.Host(), "[]")
		if u.String() != raw || len(raw) > cimd.MaxURL || other.Hostname() != name || other.User != nil || other.RawQuery != "" || other.ForceQuery ||
			other.Fragment != "" || other.Opaque != "" || other.String() != raw || other.JoinPath().String() != raw {
			t.Errorf("%q reads as %q", raw, other)
		}
		if !u.Loopback() && (other.Scheme != "https" || other.Port() != "" || !strings.Contains(name, ".")) || u.Loopback() && !dev {
			t.Errorf("%q is accepted", raw)
		}
	})
}

// Whatever is read holds to the rules that clients live by.
func FuzzParse(f *testing.F) {
	f.Add(encode(f, members()))
	f.Add(encode(f, confidential(f)))
	f.Add(encode(f, with(without(confidential(f), "jwks"), "jwks_uri", "https://a.example/k")))
	f.Add([]byte(`{"client_id":"` + address + `","redirect_uris":["http://localhost"]}`))
	u := url(f, address)
	f.Fuzz(func(t *testing.T, document []byte) {
		d, err := cimd.Parse(document, u)
		if err != nil {
			_ = code(t, err)
			return
		}
		if d.URL() != u || len(d.RedirectURIs()) == 0 || len(document) > cimd.MaxBytes || d.Fingerprint() == "" {
			t.Errorf("read %+v", d)
		}
		if d.Method() != client.MethodNone && d.Method() != client.MethodPrivateKeyJWT {
			t.Errorf("method %s", d.Method())
		}
		for _, grant := range d.GrantTypes() {
			if grant != cimd.GrantAuthorizationCode && grant != cimd.GrantRefreshToken {
				t.Errorf("grant %s", grant)
			}
		}
		for _, uri := range d.RedirectURIs() {
			parsed, err := neturl.Parse(uri)
			if err != nil {
				t.Fatalf("redirect %q: %v", uri, err)
			}
			local := slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, parsed.Hostname())
			if parsed.User != nil || parsed.Fragment != "" || parsed.Scheme == "http" && !local || parsed.Scheme != "http" && parsed.Scheme != "https" && !strings.Contains(parsed.Scheme, ".") {
				t.Errorf("redirect %q", uri)
			}
		}
	})
}

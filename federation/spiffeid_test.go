package federation_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

func TestParseSPIFFEID(t *testing.T) {
	for id, want := range map[string][2]string{
		"spiffe://acme.example":                       {"acme.example", ""},
		"spiffe://acme.example/agents/builder":        {"acme.example", "/agents/builder"},
		"spiffe://a_b-c.1/Ns/x.y_z-1":                 {"a_b-c.1", "/Ns/x.y_z-1"},
		"spiffe://acme.example/...":                   {"acme.example", "/..."},
		"spiffe://10.2.3.4/a":                         {"10.2.3.4", "/a"},
		"spiffe://" + strings.Repeat("a", 255) + "/b": {strings.Repeat("a", 255), "/b"},
	} {
		trustDomain, path, ok := federation.ParseSPIFFEID(id)
		if !ok || trustDomain != want[0] || path != want[1] {
			t.Errorf("%s: %q, %q, %v", id, trustDomain, path, ok)
		}
	}
	for _, id := range []string{
		"", "spiffe:", "spiffe://", "spiffe:///a", "SPIFFE://acme.example/a", "Spiffe://acme.example/a", "https://acme.example/a", "spiffe:acme.example/a",
		"spiffe://ACME.example/a", "spiffe://acme.example:8443/a", "spiffe://user@acme.example/a", "spiffe://user:pw@acme.example/a", "spiffe://[::1]/a",
		"spiffe://acme.example/", "spiffe://acme.example//a", "spiffe://acme.example/a/", "spiffe://acme.example/a//b", "spiffe://acme.example/./a",
		"spiffe://acme.example/a/../b", "spiffe://acme.example/a/..", "spiffe://acme.example/a?b", "spiffe://acme.example/a#b", "spiffe://acme.example?a",
		"spiffe://acme.example/%61", "spiffe://acme.example/a b", "spiffe://acme.example/ä", "spiffe://acmé.example/a", "spiffe://acme.example/a\n",
		" spiffe://acme.example/a", "spiffe://acme.example/a\x00", "spiffe://acme.example/a*", "spiffe://acme.example/\u212a",
		"spiffe://" + strings.Repeat("a", 256) + "/b", "spiffe://acme.example/" + strings.Repeat("a", 2048),
	} {
		if trustDomain, path, ok := federation.ParseSPIFFEID(id); ok || trustDomain != "" || path != "" {
			t.Errorf("%q: %q, %q", id, trustDomain, path)
		}
	}
	if issuer := federation.SPIFFEIssuer("acme.example"); issuer != "spiffe://acme.example" {
		t.Errorf("issuer %s", issuer)
	}
}

// What is taken is a URL to everybody, with the same parts.
func FuzzParseSPIFFEID(f *testing.F) {
	for _, seed := range []string{"spiffe://acme.example/agents/builder", "spiffe://acme.example", "spiffe://a/../b", "spiffe://a:1/b", "spiffe://a/%2e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		trustDomain, path, ok := federation.ParseSPIFFEID(id)
		if !ok {
			return
		}
		u, err := url.Parse(id)
		if err != nil || u.Scheme != "spiffe" || u.Host != trustDomain || u.Path != path || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
			federation.SPIFFEIssuer(trustDomain)+path != id {
			t.Fatalf("%q: %v, %v", id, u, err)
		}
	})
}

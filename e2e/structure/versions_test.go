package structure

import (
	"cmp"
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Versions that a dependency of ours would lower, each with what is fixed in it. A
// module that is not in the build list is not asked for.
var floors = []struct{ module, atLeast, reason string }{
	{"github.com/jackc/pgx/v5", "v5.9.2", "CVE-2026-41889: placeholder confusion"},
	{"github.com/quic-go/quic-go", "v0.59.1", "GO-2026-5676: HTTP/3 memory (comes with gin)"},
	{"golang.org/x/net", "v0.56.0", "several, fixed up to there (comes with gin)"},
	{"github.com/crewjam/saml", "v0.5.1", "CVE-2022-41912, CVE-2023-28119, CVE-2023-45683"},
	{"github.com/russellhaering/goxmldsig", "v1.6.1", "CVE-2026-33487 and unbounded canonicalisation (comes with crewjam/saml)"},
	{"github.com/beevik/etree", "v1.8.1", "unbounded depth (comes with crewjam/saml)"},
	{"github.com/go-jose/go-jose/v4", "v4.1.4", "CVE-2026-34986: panic while decrypting"},
	{"github.com/open-policy-agent/opa", "v1.21.3", "GHSA-g2pf-6v5v-qcc8: bundle signatures"},
	{"golang.org/x/oauth2", "v0.27.0", "CVE-2025-22868: memory while parsing a JWS"},
	{"github.com/modelcontextprotocol/go-sdk", "v1.4.1", "CVE-2026-27896, GHSA-q382"},
	{"github.com/go-viper/mapstructure/v2", "v2.4.0", "GO-2025-3787, GO-2025-3900: values in errors"},
	{"github.com/hashicorp/go-retryablehttp", "v0.7.7", "CVE-2024-6104: credentials in logs"},
	{"github.com/golang-jwt/jwt/v5", "v5.2.2", "CVE-2025-30204: header memory"},
}

func TestForcedVersions(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-mod=readonly", "-m", "-json=Path,Version,Replace", "all")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -m all: %v", err)
	}
	versions := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var m struct {
			Path, Version string
			Replace       *struct{ Path string }
		}
		if err := dec.Decode(&m); err != nil {
			t.Fatal(err)
		}
		versions[m.Path] = m.Version
		// Modules of ours stand beside this one; ./ is the folder that was committed.
		if m.Replace != nil && (!own(m.Path) || m.Replace.Path != "./"+room(m.Path)) {
			t.Errorf("%s is replaced by %s: a fork needs a decision record", m.Path, m.Replace.Path)
		}
	}
	for _, f := range floors {
		if v := versions[f.module]; v != "" && compareVersions(v, f.atLeast) < 0 {
			t.Errorf("%s is %s, below %s: %s", f.module, v, f.atLeast, f.reason)
		}
	}
}

// compareVersions orders release versions by their three numbers; what follows a
// hyphen or plus sorts with its release.
func compareVersions(a, b string) int {
	as, bs := numbers(a), numbers(b)
	return cmp.Or(cmp.Compare(as[0], bs[0]), cmp.Compare(as[1], bs[1]), cmp.Compare(as[2], bs[2]))
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	version, _, _ = strings.Cut(version, "+")
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

func TestCompareVersions(t *testing.T) {
	cases := []struct {
		a, b string
		want int
	}{
		{"v1.6.1", "v1.6.1", 0},
		{"v1.5.9", "v1.6.1", -1},
		{"v1.10.0", "v1.9.9", 1},
		{"v0.65.0", "v0.59.1", 1},
		{"v0.0.0-20240320110924-172bf2aee9c8", "v0.0.1", -1},
	}
	for _, c := range cases {
		if got := compareVersions(c.a, c.b); got != c.want {
			t.Errorf("compareVersions(%s, %s) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

package oauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// TestCatalogueIsGenerated holds the constants and pages against the data that they are made from.
func TestCatalogueIsGenerated(t *testing.T) {
	raw, err := os.ReadFile("catalogue.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := yaml.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	generated := oauth.Catalogue()
	if len(rows) != len(generated) {
		t.Fatalf("%d rows in catalogue.yaml, %d in Go: run make generate", len(rows), len(generated))
	}
	for i, row := range rows {
		g := generated[i]
		if row["code"] != string(g.Code) || row["error"] != g.Error || row["status"] != g.Status || row["text"] != g.Text || row["fix"] != g.Fix {
			t.Errorf("row %d: %v differs from %v: run make generate", i, row, g)
		}
		if page, err := os.ReadFile(filepath.Join("..", "..", "docs", "errors", string(g.Code)+".md")); err != nil || !bytes.Contains(page, []byte(g.Fix)) {
			t.Errorf("docs/errors/%s.md is missing or old: run make generate (%v)", g.Code, err)
		}
	}
}

func TestCatalogueRows(t *testing.T) {
	seen := map[oauth.Code]bool{}
	form := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, r := range oauth.Catalogue() {
		t.Run(string(r.Code), func(t *testing.T) {
			if seen[r.Code] {
				t.Error("appears twice")
			}
			seen[r.Code] = true
			if !form.MatchString(string(r.Code)) || !form.MatchString(r.Error) {
				t.Errorf("code %q, error %q", r.Code, r.Error)
			}
			if r.Status < 400 || r.Status > 599 || http.StatusText(r.Status) == "" {
				t.Errorf("status %d", r.Status)
			}
			if r.Section == "" || r.Text == "" || r.Fix == "" {
				t.Error("section, text and fix are required")
			}
			switch r.Who {
			case "admin", "developer", "security", "operator", "person":
			default:
				t.Errorf("who: %q", r.Who)
			}
			if _, ok := oauth.Lookup(r.Face); r.Face != "" && !ok {
				t.Errorf("face %q is not in the catalogue", r.Face)
			}
			// RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
			wire := (&oauth.Error{Code: r.Code}).Wire("https://auth.example", "trc_1")
			if strings.ContainsFunc(wire.Description, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }) {
				t.Errorf("description %q", wire.Description)
			}
		})
	}
}

// TestEveryRoomsCodesAreKnown: a refusal without a row would read `internal`.
func TestEveryRoomsCodesAreKnown(t *testing.T) {
	for _, code := range federation.Codes() {
		row, ok := oauth.Lookup(oauth.Code(code))
		if !ok {
			t.Errorf("federation: %s is not in the catalogue", code)
			continue
		}
		if public := oauth.Public(row.Code).Code; public != oauth.Code(code.Public()) {
			t.Errorf("federation says that %s reads %s outside, the catalogue says %s", code, code.Public(), public)
		}
	}
	for _, code := range []string{
		policy.CodeDenied, policy.CodeNone, policy.CodeUndefined, policy.CodeResultInvalid, policy.CodeError, policy.CodeTimeout, policy.CodeMemory,
	} {
		if row, ok := oauth.Lookup(oauth.Code(code)); !ok || !row.Entitlement {
			t.Errorf("policy: %s is not in the catalogue as a matter of entitlement", code)
		}
	}
}

func TestWire(t *testing.T) {
	untrusted := oauth.Fail(oauth.CodeSignatureInvalid, errors.New("secret cause"))
	untrusted.Received = "kid-7"
	tests := map[string]struct {
		err  error
		want string
	}{
		"a private code shows its face": {
			untrusted, "400 invalid_grant assertion_untrusted: The assertion's issuer, key or signature is not trusted https://a/errors/assertion_untrusted?trace=trc_1",
		},
		"not entitled, by ema-04": {
			oauth.Refuse(oauth.CodePolicyDenied, "", ""), "400 invalid_grant policy_denied: Policy denies this request https://a/errors/policy_denied?trace=trc_1",
		},
		"not entitled, by idjag-06": {
			&oauth.Error{Code: oauth.CodePolicyDenied, AccessDenied: true}, "400 access_denied policy_denied: Policy denies this request https://a/errors/policy_denied?trace=trc_1",
		},
		"invalid stays invalid under idjag-06": {
			&oauth.Error{Code: oauth.CodeAudNotUs, AccessDenied: true}, "400 invalid_grant aud_not_us: The assertion is for another audience https://a/errors/aud_not_us?trace=trc_1",
		},
		"an unknown error says nothing": {
			errors.New("password=hunter2"), "500 server_error internal: Something failed inside the server https://a/errors/internal?trace=trc_1",
		},
		"an unknown code says nothing": {
			&oauth.Error{Code: "nobody_knows"}, "500 server_error internal: Something failed inside the server https://a/errors/internal?trace=trc_1",
		},
		"a wrapped refusal is found": {
			fmt.Errorf("while deciding: %w", oauth.Refuse(oauth.CodeScopeEmpty, "", "")), "400 invalid_scope scope_empty: Nothing is left of the requested scopes https://a/errors/scope_empty?trace=trc_1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := oauth.AsError(test.err).Wire("https://a", "trc_1")
			if got := fmt.Sprint(w.Status, " ", w.Error, " ", w.Description, " ", w.URI); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if raw, err := json.Marshal(w); err != nil || bytes.Contains(raw, []byte("hunter2")) || bytes.Contains(raw, []byte("kid-7")) {
				t.Errorf("the wire carries what is private: %s %v", raw, err)
			}
		})
	}
}

package operations

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wants(t *testing.T, o harness.Output, status int, texts ...string) {
	t.Helper()
	if o.Status != status {
		t.Fatalf("status %d, want %d: %s", o.Status, status, o)
	}
	for _, text := range texts {
		if !strings.Contains(o.Stdout+o.Stderr, text) {
			t.Errorf("%q is missing in\n%s", text, o)
		}
	}
}

// The staged test from the server's own place, a draft that is not saved, and a sample that is not used up.
func TestIdPTest(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		wants(t, w.Run("idp", "test", "okta"), 0, "configuration", "egress", "discovery", "issuer", "usable keys: 1", "algorithms", "clock")

		compact := w.IdP.IDJAG(idptest.Alice)
		o := w.Run("idp", "test", "okta", "--assertion", written(t, "jag", compact))
		wants(t, o, 0, "rehearsed", "signature", "subject", "policy", "the token would say", `"client_id": "claude"`)
		if strings.Contains(o.Stdout, compact) || strings.Contains(w.Server().Log(), compact) {
			t.Error("the assertion is shown")
		}
		w.Redeem(compact).Granted(t) // it was not used up

		wants(t, w.Run("idp", "test", "okta", "--assertion", written(t, "jag", w.IdP.IDJAG(idptest.Alice, idptest.WithAudience(w.Issuer+"/")))), 2, "aud_not_us", w.Issuer+"/", "skipped")
		wants(t, w.Run("idp", "test", "nobody"), 1, "object_unknown")

		// One thing is broken in a draft; the entry stays as it is.
		draft := written(t, "draft.yaml", strings.Replace(w.Fill(strings.TrimSuffix(harness.DefaultIdP, "---")), w.IdP.Issuer(), w.IdP.Issuer()+"/", 1))
		wants(t, w.Run("idp", "test", "--file", draft), 2, "iss_mismatch", "the configured one ends in a slash", "use the second")
		other := written(t, "other.yaml", strings.Replace(w.Fill(strings.TrimSuffix(harness.DefaultIdP, "---")), "name: okta", "name: second", 1))
		wants(t, w.Run("idp", "test", "--file", other), 2, "issuer_taken", "the entry okta has this issuer")
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)

		w.IdP.Fail(idptest.PathDiscovery, idptest.FaultHTML)
		wants(t, w.Run("idp", "test", "okta"), 2, "discovery_failed", "text/html")
	})
}

// An assertion that comes to one replica is shown by the other, once, whatever became of it.
func TestIdPCapture(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		replicas := 2
		if e == harness.SQLite {
			replicas = 1
		}
		w := harness.Start(t, harness.Options{Engine: e, Replicas: replicas})
		last := w.Replicas[replicas-1]

		for _, c := range []struct {
			compact func() string
			status  int
			says    []string
		}{
			{func() string { return w.IdP.IDJAG(idptest.Alice) }, 0, []string{"accepted", "claims (verified)", "policy", "00u1alice"}},
			{func() string { return w.IdP.IDJAG(idptest.Alice, idptest.WithAudience(w.Issuer+"/")) }, 2, []string{"refused: aud_not_us", w.Issuer + "/", "claims (verified)"}},
			{func() string { return w.IdP.IDToken(idptest.Alice, "claude") }, 2, []string{"refused: typ_missing", "exchange it at the IdP"}},
		} {
			done := make(chan harness.Output, 1)
			go func() { done <- w.Run("idp", "capture", "okta", "--for", "1m") }()
			harness.Eventually(t, 20*time.Second, "the capture is read", func() bool {
				compact := c.compact()
				w.Send(last, w.NewCall(compact)) // until the replica knows that somebody waits
				select {
				case o := <-done:
					wants(t, o, c.status, c.says...)
					if strings.Contains(o.Stdout, strings.Split(compact, ".")[0]) {
						t.Error("the compact form is shown")
					}
					return true
				default:
					return false
				}
			})
		}

		// Of another issuer, by a slash: nothing comes.
		armed := w.AdminRequest("POST", "/admin/v1/identity-providers/okta/captures?for=60", nil)
		var arm struct{ ID string }
		if err := json.Unmarshal([]byte(armed.Body), &arm); err != nil || arm.ID == "" {
			t.Fatalf("%d %s", armed.Status, armed.Body)
		}
		w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithClaim("iss", w.IdP.Issuer()+"/"))))
		if waiting := w.AdminRequest("GET", "/admin/v1/identity-providers/okta/captures/"+arm.ID+"?wait=2", nil); !strings.Contains(waiting.Body, "waiting") {
			t.Errorf("%s", waiting.Body)
		}
		if ended := w.AdminRequest("DELETE", "/admin/v1/identity-providers/okta/captures/"+arm.ID, nil); ended.Status != 204 {
			t.Errorf("%d", ended.Status)
		}
	})
}

// Offline; with the entry's keys; and with a server beside.
func TestIdPInspect(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		good := written(t, "jag", w.IdP.IDJAG(idptest.Alice))
		wants(t, w.Run("idp", "inspect", good), 0, "an identity assertion grant", "00u1alice", "exp  ", "skipped")
		wants(t, w.Run("idp", "inspect", written(t, "id", w.IdP.IDToken(idptest.Alice, "claude", idptest.WithClaim("nonce", "n")))), 2, "an ID token", "exchange it at the IdP")

		entry := strings.Replace(w.Fill(strings.TrimSuffix(harness.DefaultIdP, "---")), "\nspec:", "\nspec:\n  jwks: {inline: "+strings.TrimSpace(string(w.IdP.Keys()))+"}", 1)
		wants(t, w.Run("idp", "inspect", good, "--issuer", w.Issuer, "--idp", written(t, "entry.yaml", entry)), 0, "verify signature", "only a server knows")
		unknown, err := idptest.NewKey("key-1", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		wants(t, w.Run("idp", "inspect", written(t, "bad", w.IdP.IDJAG(idptest.Alice, idptest.WithKey(unknown))), "--issuer", w.Issuer, "--idp", written(t, "entry.yaml", entry)), 2, "signature_invalid")
	})
}

// A bundle is made beside the IdP and imported where there is none; keys roll with an overlap; the end is an end.
func TestIdPBundle(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		out := filepath.Join(t.TempDir(), "okta.json")
		wants(t, w.Run("idp", "bundle", "create", "--from", w.IdP.Issuer(), "--allow-private-addresses", "--out", out), 0, "sha256", "+ key-1")
		wants(t, w.Run("idp", "bundle", "import", out, "--idp", "okta", "--dry-run"), 2, "+ key-1  ES256")
		wants(t, w.Run("idp", "bundle", "import", out, "--idp", "okta"), 0, "+ key-1")
		wants(t, w.Run("idp", "bundle", "import", out, "--idp", "okta", "--dry-run"), 0, "= key-1")
		w.IdP.Fail(idptest.PathDiscovery, idptest.FaultDown)
		w.IdP.Fail(idptest.PathKeys, idptest.FaultDown)
		before := w.IdP.IDJAG(idptest.Alice)
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t) // no network

		w.IdP.Fail(idptest.PathDiscovery, "")
		w.IdP.Fail(idptest.PathKeys, "")
		if _, err := w.IdP.Rotate(false); err != nil {
			t.Fatal(err)
		}
		next := filepath.Join(t.TempDir(), "next.json")
		wants(t, w.Run("idp", "bundle", "create", "--idp", "okta", "--out", next, "--not-after", time.Now().Add(100*24*time.Hour).UTC().Format(time.RFC3339)), 0, "+ key-2")
		wants(t, w.Run("idp", "bundle", "import", next, "--idp", "okta", "--keep-old"), 0, "+ key-2", "= key-1")
		w.Redeem(before).Granted(t) // the overlap
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		wants(t, w.Run("idp", "bundle", "import", out, "--idp", "okta"), 1, "--older")
		wants(t, w.Run("idp", "bundle", "import", next, "--idp", "okta"), 0, "- key-1")

		// Changed on the way; another issuer; over.
		text, err := os.ReadFile(next)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, w.Run("idp", "bundle", "import", written(t, "b", strings.Replace(string(text), "key-2", "key-3", 1)), "--idp", "okta"), 1, "its hash is another")
		short := filepath.Join(t.TempDir(), "short.json")
		wants(t, w.Run("idp", "bundle", "create", "--from", w.IdP.Issuer(), "--allow-private-addresses", "--out", short, "--not-after", time.Now().Add(4*time.Second).UTC().Format(time.RFC3339)), 0)
		wants(t, w.Run("idp", "bundle", "import", short, "--idp", "okta", "--older"), 0)
		harness.Eventually(t, 15*time.Second, "the keys are stale", func() bool {
			a := w.Redeem(w.IdP.IDJAG(idptest.Alice))
			if a.Status == 200 {
				return false
			}
			a.Refused(t, 400, "invalid_grant", "assertion_untrusted")
			_, trace, _ := strings.Cut(a.URI, "trace=")
			wants(t, w.Run("explain", trace), 0, "jwks_stale")
			return true
		})
		wants(t, w.Run("idp", "test", "okta"), 2, "jwks_stale", "not_after was")
	})
}

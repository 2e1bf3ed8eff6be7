package operations

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// A person with the trace of a refusal learns what outsiders do not: which check failed, what came and what was expected.
func TestExplain(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		unknown, err := idptest.NewKey("key-of-nobody", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		cases := map[string]struct {
			answer harness.Answer
			says   []string
		}{
			"policy":    {w.Redeem(w.IdP.IDJAG(idptest.Eve)), []string{"policy_denied", "notes"}},
			"audience":  {w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithAudience("https://other.example"))), []string{"aud_not_us", "https://other.example", w.Issuer}},
			"untrusted": {w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithKey(unknown))), []string{"key_unknown", "key-of-nobody"}},
			"scope":     {w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithScope("something"))), []string{"scope_empty", "something"}},
			"subject":   {w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithClaim("sub", "00u9"))), []string{"subject_unmatched"}},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				if c.answer.Status != http.StatusBadRequest {
					t.Fatalf("%d %s", c.answer.Status, c.answer.Body)
				}
				page, err := url.Parse(c.answer.URI)
				if err != nil {
					t.Fatal(err)
				}
				o := w.Run("explain", page.Query().Get("trace"))
				if o.Status != 0 {
					t.Fatal(o)
				}
				for _, part := range c.says {
					if !strings.Contains(o.Stdout, part) {
						t.Errorf("%q is not in:\n%s", part, o.Stdout)
					}
				}
			})
		}
		if o := w.Run("explain", "trc_00000000000000000000000000"); o.Status != 1 {
			t.Error(o)
		}
	})
}

package operations

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// F3, F4: without its database a server says neither that a token is active nor that it is not, says so soon, and recovers.
func TestIntrospectionWithoutDatabase(t *testing.T) {
	for name, how := range map[string]func(*harness.Proxy){"cut": (*harness.Proxy).Cut, "hangs": (*harness.Proxy).Hang} {
		t.Run(name, func(t *testing.T) {
			var line *harness.Proxy
			w := harness.Start(t, harness.Options{
				Engine:  harness.Postgres,
				Objects: strings.Replace(harness.DefaultObjects, "  default_scopes", "  server: {client: claude}\n  default_scopes", 1),
				Dial: func(url string) string {
					through, p := harness.Before(t, url)
					line = p
					return through
				},
			})
			token := w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t).AccessToken
			ask := func() harness.Answer {
				return w.Send(w.Server(), &harness.Call{Path: "/introspect", Header: http.Header{}, Form: url.Values{
					"token": {token}, "client_id": {harness.ClientID}, "client_secret": {w.Secret},
				}})
			}
			active := func() bool { return strings.HasPrefix(ask().Body, `{"active":true,`) }
			if !active() {
				t.Fatal("it is not active")
			}
			how(line)
			for range 3 {
				begun := time.Now()
				a := ask()
				if took := time.Since(begun); took > 6*time.Second {
					t.Errorf("it took %s to say so", took)
				}
				a.Refused(t, http.StatusServiceUnavailable, "temporarily_unavailable", "tenant_unavailable")
				if a.Header.Get("Retry-After") == "" {
					t.Errorf("no Retry-After: %v", a.Header)
				}
			}
			line.Mend()
			harness.Eventually(t, 8*time.Second, "the server recovers", active)
		})
	}
}

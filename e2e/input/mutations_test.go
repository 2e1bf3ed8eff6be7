package input

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// One thing of a valid assertion is broken, and the answer over HTTP is exact, under both error profiles.
func TestMutations(t *testing.T) {
	mutations := idptest.Mutations()
	if len(mutations) < 60 {
		t.Fatalf("%d mutations", len(mutations))
	}
	for _, profile := range []federation.ErrorProfile{federation.ErrorsEMA04, federation.ErrorsIDJAG06} {
		t.Run(string(profile), func(t *testing.T) {
			objects := strings.Replace(harness.DefaultObjects, "profiles: [id-jag]", "profiles: [id-jag]\n    error_profile: "+string(profile), 1)
			each(t, harness.Options{Objects: objects}, func(t *testing.T, w *harness.World) {
				w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t) // and its keys are known
				before := w.IdP.AllRequests()
				for _, m := range mutations {
					t.Run(m.Name, func(t *testing.T) {
						a := w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithMutation(m, w.IdP.IdP)))
						code := string(m.Public())
						if m.StopsInForm() {
							code = "request_malformed"
						}
						a.Refused(t, http.StatusBadRequest, m.OAuthError(profile), code)
					})
				}
				// T3, T53: nothing in a header is fetched, and unknown kids cost one refetch in 30 s.
				if made := w.IdP.AllRequests() - before; made > 2*2 {
					t.Errorf("%d requests to the IdP", made)
				}
				w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
			})
		})
	}
}

func TestVariations(t *testing.T) {
	each(t, harness.Options{}, func(t *testing.T, w *harness.World) {
		for _, v := range idptest.Variations() {
			t.Run(v.Name, func(t *testing.T) {
				a := w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithMutation(v, w.IdP.IdP)))
				if v.Name == "groups_two_thousand" { // well-formed, and not those that the policy names
					a.Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
					return
				}
				a.Granted(t)
			})
		}
	})
}

package input

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const buildObjects = `
apiVersion: chancery/v1
kind: Client
metadata: {name: build}
spec:
  auth: {method: workload}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: release}
spec: {idp: okta, client: build, resources: [notes], scopes: [notes:read], match: {sub: "repo:acme/app:ref:refs/heads/main", claims.repository_id: "718263540"}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: allow-listed-clients
  data: {allow: [{clients: [build], resource: notes, scopes: ["notes:read"]}]}
---`

// objectsFor is a world in which the IdP's entry lists one profile.
func objectsFor(profile federation.Profile, errors federation.ErrorProfile) string {
	listed := strings.NewReplacer("profiles: [id-jag]", "profiles: ["+string(profile)+"]\n    error_profile: "+string(errors),
		"clients: [claude]", "clients: [claude, build]")
	if profile == federation.ProfileWorkload {
		return listed.Replace(harness.DefaultIdP) + harness.DefaultClient + harness.DefaultResource + buildObjects
	}
	return listed.Replace(harness.DefaultObjects)
}

// present is a valid request for an assertion of a profile: a workload shows nothing but its token.
func present(w *harness.World, profile federation.Profile, assertion string) harness.Answer {
	call := w.NewCall(assertion)
	if profile == federation.ProfileWorkload {
		call.With("client_id").With("client_secret")
	}
	return w.Send(w.Server(), call)
}

// One thing of a valid plain assertion or workload's token is broken, and the answer over HTTP is exact, under both
// error profiles and on both engines.
func TestMutationsOfPlainProfiles(t *testing.T) {
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		mutations := idptest.MutationsFor(profile)
		if len(mutations) < 80 {
			t.Fatalf("%d mutations", len(mutations))
		}
		for _, errors := range []federation.ErrorProfile{federation.ErrorsEMA04, federation.ErrorsIDJAG06} {
			t.Run(string(profile)+"/"+string(errors), func(t *testing.T) {
				each(t, harness.Options{Objects: objectsFor(profile, errors)}, func(t *testing.T, w *harness.World) {
					present(w, profile, w.IdP.Assertion(profile, idptest.Alice)).Granted(t) // and its keys are known
					before := w.IdP.AllRequests()
					for _, m := range mutations {
						t.Run(m.Name, func(t *testing.T) {
							code := string(m.Public())
							if m.StopsInForm() {
								code = "request_malformed"
							}
							present(w, profile, w.IdP.Assertion(profile, idptest.Alice, idptest.WithMutation(m, w.IdP.IdP))).
								Refused(t, http.StatusBadRequest, m.OAuthError(errors), code)
						})
					}
					// T3, T53: nothing in a header is fetched, and unknown kids cost one refetch in 30 s.
					if made := w.IdP.AllRequests() - before; made > 2*2 {
						t.Errorf("%d requests to the IdP", made)
					}
					present(w, profile, w.IdP.Assertion(profile, idptest.Alice)).Granted(t)
				})
			})
		}
	}
}

func TestVariationsOfPlainProfiles(t *testing.T) {
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		t.Run(string(profile), func(t *testing.T) {
			each(t, harness.Options{Objects: objectsFor(profile, federation.ErrorsEMA04)}, func(t *testing.T, w *harness.World) {
				for _, v := range idptest.VariationsFor(profile) {
					t.Run(v.Name, func(t *testing.T) {
						a := present(w, profile, w.IdP.Assertion(profile, idptest.Alice, idptest.WithMutation(v, w.IdP.IdP)))
						if v.Name == "groups_two_thousand" { // well-formed, and not those that the policy names
							a.Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
							return
						}
						a.Granted(t)
					})
				}
			})
		})
	}
}

// A valid assertion of each profile where the entry lists another: by a client, and by nobody.
func TestProfilesThatAreNotListed(t *testing.T) {
	for _, test := range []struct {
		listed, presented federation.Profile
		code, nobody      string
	}{
		{federation.ProfileIDJAG, federation.ProfileJWTBearer, "typ_missing", "typ_missing"},
		{federation.ProfileIDJAG, federation.ProfileWorkload, "typ_missing", "typ_missing"},
		{federation.ProfileJWTBearer, federation.ProfileIDJAG, "assertion_untrusted", "client_authentication_required"},
		{federation.ProfileJWTBearer, federation.ProfileWorkload, "subject_unmatched", "client_authentication_required"},
		{federation.ProfileWorkload, federation.ProfileIDJAG, "assertion_untrusted", "client_authentication_required"},
		{federation.ProfileWorkload, federation.ProfileJWTBearer, "workload_unmatched", "workload_unmatched"},
	} {
		t.Run(string(test.presented)+" at "+string(test.listed), func(t *testing.T) {
			each(t, harness.Options{Objects: objectsFor(test.listed, federation.ErrorsEMA04)}, func(t *testing.T, w *harness.World) {
				w.Redeem(w.IdP.Assertion(test.presented, idptest.Alice)).Refused(t, http.StatusBadRequest, "invalid_grant", test.code)
				nobody := present(w, federation.ProfileWorkload, w.IdP.Assertion(test.presented, idptest.Alice))
				if nobody.Status == http.StatusOK || nobody.Code() != test.nobody {
					t.Errorf("without a client: %d %s", nobody.Status, nobody.Body)
				}
			})
		})
	}
}

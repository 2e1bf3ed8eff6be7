package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// I4: what an administrator took away is gone when the answer comes, on every replica.
func TestRevocation(t *testing.T) {
	otherKeys, err := idptest.NewKey("key-2", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	inline := `{"keys":[{{key}}]}`
	cases := []struct {
		name, change, oauthError, code string
		status                         int
	}{
		{"client disabled", strings.Replace(harness.DefaultClient, "spec:", "spec:\n  disabled: true", 1), "invalid_client", "client_authentication_failed", 401},
		{"policy denies", `
apiVersion: chancery/v1
kind: Policy
metadata: {name: stop}
spec:
  role: guard
  modules: {"stop.rego": "package chancery.authz\ndecision := {\"allow\": false, \"deny\": [\"stop\"]}\n"}
`, "invalid_grant", "policy_denied", 400},
		{"policy grants less", strings.Replace(harness.DefaultPolicy, "[notes-editors]", "[nobody]", 1), "invalid_grant", "policy_denied", 400},
		{"client may no more", strings.Replace(harness.DefaultClient, "resources: [notes]", "resources: []", 1), "invalid_grant", "resource_unknown", 400},
		{"tenant suspended", `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec: {status: suspended}
`, "invalid_request", "tenant_unknown", 404},
		{"IdP disabled", strings.Replace(harness.DefaultIdP, "spec:", "spec:\n  disabled: true", 1), "invalid_grant", "assertion_untrusted", 400},
		{"user disabled", `
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: disabled, identities: [{idp: okta, sub: 00u1alice}]}
`, "invalid_grant", "subject_disabled", 400},
		{"resource disabled", strings.Replace(harness.DefaultResource, "spec:", "spec:\n  disabled: true", 1), "invalid_grant", "resource_unknown", 400},
		{"keys swapped", strings.Replace(harness.DefaultIdP, "spec:", "spec:\n  jwks: {inline: "+inline+"}", 1), "invalid_grant", "assertion_untrusted", 400},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Config: map[string]any{"log.level": "info"}})
			db := w.DB.Open(t)
			load := w.StartLoad(t, 32)
			harness.Eventually(t, 20*time.Second, "the load gets tokens", func() bool { return load.Granted() > 200 })
			w.Apply(w.Replicas[i%2], strings.ReplaceAll(c.change, "{{key}}", jwk(t, otherKeys)))
			answered := time.Now()
			after := harness.Count(t, db, "select count(*) from issued_tokens")
			time.Sleep(time.Second)
			if later := harness.Count(t, db, "select count(*) from issued_tokens"); later != after {
				t.Errorf("%d tokens were committed after the administrator's answer", later-after)
			}
			refused := map[int]int{}
			for _, s := range load.Stop() {
				if s.Err != nil {
					t.Errorf("nobody answered: %v", s.Err)
				}
				if !s.Started.After(answered) {
					continue
				}
				if s.Answer.AccessToken != "" {
					t.Errorf("replica %d granted a request that began %s after the answer", s.Replica, s.Started.Sub(answered))
					continue
				}
				refused[s.Replica]++
			}
			if refused[0] < 10 || refused[1] < 10 {
				t.Errorf("refused: %v", refused)
			}
			for _, p := range w.Replicas {
				w.Send(p, w.NewCall(w.IdP.IDJAG(idptest.Alice))).Refused(t, c.status, c.oauthError, c.code)
			}
		})
	}
}

// What is created again under a name inherits nothing.
func TestTombstone(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		replicas := 1
		if e == harness.Postgres {
			replicas = 2
		}
		w := harness.Start(t, harness.Options{Engine: e, Replicas: replicas})
		last := w.Replicas[replicas-1]
		w.Send(last, w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t)
		if _, err := w.Server().Admin.Delete(t.Context(), "Client", harness.ClientID, false); err != nil {
			t.Fatal(err)
		}
		w.Send(last, w.NewCall(w.IdP.IDJAG(idptest.Alice))).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
		w.Apply(w.Server(), harness.DefaultClient)
		w.Send(last, w.NewCall(w.IdP.IDJAG(idptest.Alice))).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
		w.Secret = w.NewSecret("", harness.ClientID)
		// What widens may take the other replica two seconds (I4).
		harness.Eventually(t, 2*time.Second, "the new client is known on every replica", func() bool {
			return w.Send(last, w.NewCall(w.IdP.IDJAG(idptest.Alice))).Status == http.StatusOK
		})

		before, err := w.Server().Admin.Get(t.Context(), "User", "alice")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Server().Admin.Delete(t.Context(), "User", "alice", false); err != nil {
			t.Fatal(err)
		}
		w.Send(last, w.NewCall(w.IdP.IDJAG(idptest.Alice))).Refused(t, http.StatusBadRequest, "invalid_grant", "subject_unmatched")
		w.Apply(w.Server(), harness.DefaultPeople)
		var a harness.Answer
		harness.Eventually(t, 2*time.Second, "the new user is known on every replica", func() bool {
			a = w.Send(last, w.NewCall(w.IdP.IDJAG(idptest.Alice)))
			return a.Status == http.StatusOK
		})
		token := harness.Decode(t, a.AccessToken)
		if token.Claims["sub"] == before.Metadata.UID {
			t.Error("a new user has the old one's id")
		}
	})
}

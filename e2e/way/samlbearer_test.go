package way_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

const samlObjects = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: corp}
spec:
  preset: saml
  saml:
    metadata: |
      METADATA
  assertions: {profiles: [saml2-bearer], max_lifetime: 5m, clock_skew: 30s, clients: [claude], resources: [notes], scopes: ["notes:read", "notes:write"]}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: carol}
spec: {status: active, identities: [{idp: corp, sub: 00u1alice}]}
---`

// TestSAMLBearer: a client exchanges a SAML assertion for a token, once, where nobody signs in.
func TestSAMLBearer(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		idp := samltest.New(func() time.Time { return time.Now().UTC().Truncate(time.Second) })
		metadata := strings.ReplaceAll(strings.TrimSpace(string(idp.Metadata())), "\n", "\n      ")
		objects := strings.Replace(harness.DefaultObjects, "grant-type:jwt-bearer", "grant-type:saml2-bearer", 1) + strings.Replace(samlObjects, "METADATA", metadata, 1)
		w := harness.Start(t, harness.Options{Engine: e, Objects: objects})
		sp := samltest.SP{EntityID: w.Issuer + "/federation/saml/corp/metadata", ACS: w.Issuer + "/federation/saml/corp/acs"}
		exchange := func(audience string) (int, map[string]any, url.Values) {
			d := idp.Bearer(sp, w.Issuer+"/token", audience)
			form := url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}, "assertion": {d.EncodedForToken()},
				"client_id": {"claude"}, "client_secret": {w.Secret},
			}
			status, answer := ask(t, w.Issuer+"/token", form)
			return status, answer, form
		}
		for _, audience := range []string{w.Issuer, w.Issuer + "/token", sp.EntityID} {
			status, answer, form := exchange(audience)
			if status != http.StatusOK || answer["scope"] != "notes:read notes:write" || answer["refresh_token"] != nil {
				t.Errorf("for %s: %d %v", audience, status, answer)
			}
			if status, answer := ask(t, w.Issuer+"/token", form); status != http.StatusBadRequest || !isCode(answer, "saml_replayed") {
				t.Errorf("again: %d %v", status, answer)
			}
		}
		if status, answer, _ := exchange("https://other.example"); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("for another: %d %v", status, answer)
		}
	})
}

func isCode(answer map[string]any, code string) bool {
	description, _ := answer["error_description"].(string)
	return strings.HasPrefix(description, code+": ")
}

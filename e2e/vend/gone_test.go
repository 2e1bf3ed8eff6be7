package vend_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

const branch = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: branch}
spec: {display_name: Branch}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: robot, tenant: branch}
spec: {auth: {method: client_secret_post}, grant_types: [client_credentials], scopes: ["x"], resources: []}
---`

// TestDeletedTenant: a tenant is emptied and deleted while a provider does not answer. What was connected there is ended at the
// provider all the same, once it answers.
func TestDeletedTenant(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		t.Parallel() // it waits most of the time
		w := start(t, harness.Options{Engine: e, Env: environment()})
		tracker := w.serve("tracker", singleUse)
		w.connects(w.signedIn("alice"), tracker)
		given := tracker.secrets()
		w.Apply(w.Server(), branch+strings.Replace(tracker.object, "metadata: {name: tracker}", "metadata: {name: tracker, tenant: branch}", 1))
		file := filepath.Join(t.TempDir(), "refresh-token")
		if err := os.WriteFile(file, []byte(given[len(given)-1]), 0o600); err != nil {
			t.Fatal(err)
		}
		imported := w.Run("connection", "import", "--tenant", "branch", "--provider", "tracker", "--client", "robot", "--file", file)
		if imported.Status != 0 {
			t.Fatalf("%+v", imported)
		}

		tracker.Break("revoke", providertest.Fault{Kind: "status", Status: http.StatusServiceUnavailable})
		told := tracker.Count("revoke")
		for _, path := range []string{"/providers/tracker", "/clients/robot", ""} {
			if a := w.AdminRequest(http.MethodDelete, "/admin/v1/tenants/branch"+path, nil); a.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.Status, a.Body)
			}
		}
		harness.Eventually(t, 20*time.Second, "the provider does not answer", func() bool { return tracker.Count("revoke") > told })
		if ended := w.told("connection.ended"); len(ended) != 0 {
			t.Fatalf("%v", ended)
		}
		var looked time.Time
		harness.Eventually(t, endSoon, "the provider is told", func() bool {
			if time.Since(looked) > 5*time.Second { // whoever changes has it looked at
				looked = time.Now()
				w.Apply(w.Server(), fmt.Sprintf("apiVersion: chancery/v1\nkind: User\nmetadata: {name: carol}\nspec: {email: carol-%d@acme.example}\n", looked.Unix()))
			}
			return tracker.Count("revoke") > told+1
		})
		rows := w.DB.Open(t)
		harness.Eventually(t, 10*time.Second, "nothing of it is left", func() bool {
			return len(harness.Strings(t, rows, "select id from connections where status = 'revoked'")) == 0
		})
		if body := w.told("connection.ended")[0]; !strings.Contains(body, `"at_provider":"revoked"`) {
			t.Error(body)
		}
	})
}

package mcpconformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestMain(m *testing.M) { harness.Main(m) }

// wanted are the checks of the authorization-server mode, all of which must have been made and have passed: the suite
// itself ends well when one of them was skipped.
var wanted = []string{"authorization-server-metadata", "authorization-server-metadata-cimd", "authorization-code-grant"}

// The tenant's metadata says that documents are read, which the suite wants to see.
const documents = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: %s}
spec: {registration: {cimd: {mode: hosts, hosts: [clients.example], resources: [notes], scopes: ["notes:read"]}}}
---`

func TestAuthorizationServer(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e, Objects: fmt.Sprintf(documents, "default") + harness.SignInObjects})
		acme := w.Issuer + "/t/acme"
		w.IdP.AddClient(idptest.Client{
			ID: "chancery-acme", Secret: harness.SignInSecret, RedirectURIs: []string{acme + "/federation/oidc/okta/callback"},
		})
		w.Apply(w.Server(), fmt.Sprintf(documents, "acme"))
		w.Apply(w.Server(), inTenant(strings.ReplaceAll(harness.SignInObjects, "client_id: chancery,", "client_id: chancery-acme,"), "acme"))

		for name, issuer := range map[string]string{"root": w.Issuer, "tenant": acme} {
			t.Run(name, func(t *testing.T) {
				for _, resource := range []string{"", harness.Notes} {
					t.Run("resource "+resource, func(t *testing.T) { passes(t, issuer, resource) })
				}
			})
		}
	})
}

// inTenant puts objects into a tenant.
func inTenant(yaml, tenant string) string {
	return strings.ReplaceAll(yaml, "metadata: {name: ", "metadata: {tenant: "+tenant+", name: ")
}

func passes(t *testing.T, issuer, resource string) {
	t.Helper()
	folder := t.TempDir()
	args := []string{
		"node_modules/@modelcontextprotocol/conformance/dist/index.js", "authorization", "--url", issuer, "--client-id", harness.Host,
		"-p", fmt.Sprint(harness.Port(t)), "-o", folder, "--verbose",
	}
	if resource != "" {
		args = append(args, "--resource", resource)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	suite := exec.CommandContext(ctx, "node_modules/.bin/node", args...)
	out, err := suite.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var trouble, said bytes.Buffer
	suite.Stderr = &trouble
	if err := suite.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(&said, line)
		if strings.HasPrefix(line, issuer+"/authorize?") {
			signIn(t, line)
		}
	}
	if err := suite.Wait(); err != nil {
		t.Errorf("%v\n%s", err, trouble.String())
	}
	checks := checksIn(t, folder)
	for _, name := range wanted {
		if checks[name] != "SUCCESS" {
			t.Errorf("%s: %q", name, checks[name])
		}
	}
	if len(checks) != len(wanted) || t.Failed() {
		t.Errorf("%v\n%s", checks, said.String())
	}
}

// signIn is the person whom the suite asks for.
func signIn(t *testing.T, request string) {
	t.Helper()
	asked, err := url.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	_, page, err := harness.NewPerson(t, "alice").Try(t.Context(), request, asked.Query().Get("redirect_uri"))
	if err != nil || page.Outside == nil {
		t.Errorf("alice was not sent back: %v %+v", err, page)
		return
	}
	// It says where to go a moment before it listens there.
	harness.Eventually(t, 20*time.Second, "the suite takes the answer", func() bool {
		back, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page.Outside.String(), http.NoBody)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(back)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return true
	})
}

// checksIn reads what the suite found.
func checksIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "checks.json" {
			return err
		}
		raw, err := os.ReadFile(path) //nolint:gosec // of this test
		if err != nil {
			return err
		}
		var checks []struct{ ID, Status, ErrorMessage string }
		if err := json.Unmarshal(raw, &checks); err != nil {
			return err
		}
		for _, c := range checks {
			found[c.ID] = strings.TrimSpace(c.Status + " " + c.ErrorMessage)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

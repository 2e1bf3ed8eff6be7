package approvals_test

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const adminObjects = `
apiVersion: chancery/v1
kind: Resource
metadata: {name: admin}
spec: {uri: "ADMIN", scopes: {admin: {risk: high, description: Administer Chancery}}, default_scopes: [admin], token: {lifetime: 1h}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: chancery-cli}
spec:
  display_name: The chancery command
  type: public
  auth: {method: none}
  grant_types: ["urn:ietf:params:oauth:grant-type:device_code"]
  scopes: [admin]
  resources: [admin]
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: administration}
spec:
  role: grant
  applies_to: {resources: [admin]}
  modules: {"admin.rego": "package chancery.authz\n\ndecision := {\"allow\": true, \"scopes\": [\"admin\"], \"reasons\": [{\"code\": \"person\"}]} if input.user.id\n"}
---
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: viewers}
spec: {role: viewer, users: [bob]}
---`

// desk is somebody's terminal.
type desk struct {
	t      *testing.T
	w      *harness.World
	home   string
	server string
}

func (d *desk) command(ctx context.Context, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, harness.Binary(d.t), append(arguments, "--server", d.server)...)
	c.Dir = d.home
	c.Env = []string{"HOME=" + d.home, "PATH=" + os.Getenv("PATH")}
	return c
}

func (d *desk) run(arguments ...string) (string, error) {
	out, err := d.command(d.t.Context(), arguments...).CombinedOutput()
	return string(out), err
}

var userCode = regexp.MustCompile(`^ {4}([A-Z]{4}-[A-Z]{4})$`)

// login has the command wait while the person types its code elsewhere.
func (d *desk) login(name string) {
	d.t.Helper()
	c := d.command(d.t.Context(), "login", "--issuer", d.w.Issuer)
	out, err := c.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := userCode.FindStringSubmatch(lines.Text()); m != nil {
			p := signedIn(d.t, d.w, name)
			page := p.Open(d.w.Issuer + "/device")
			page = p.Send(page.Forms[0], url.Values{"user_code": {m[1]}})
			if page = p.Press(page, "decision", "allow"); page.Status != 200 {
				d.t.Fatalf("%d %s", page.Status, page.Body)
			}
		}
	}
	if err := c.Wait(); err != nil {
		d.t.Fatal(err)
	}
}

// TestPersonsAtTheAdminAPI: a person signs in with the command, does what his binding allows, answers what waits for him, and is
// out at once when his binding, he himself or his token goes.
func TestPersonsAtTheAdminAPI(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		listen := fmt.Sprintf("127.0.0.1:%d", harness.Port(t))
		server := "http://" + listen
		w := world(t, e, map[string]any{"admin.listen": listen, "admin.public_url": server}, strings.Replace(adminObjects, "ADMIN", server, 1))
		bob := &desk{t: t, w: w, home: t.TempDir(), server: server}
		if out, err := bob.run("get", "clients"); err == nil {
			t.Fatalf("nobody reads: %s", out)
		}
		bob.login("bob")
		info, err := os.Stat(filepath.Join(bob.home, ".config", "chancery", "logins.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v %v", info, err)
		}
		if out, err := bob.run("get", "clients"); err != nil || !strings.Contains(out, "claude") {
			t.Fatalf("%v %s", err, out)
		}
		if out, err := bob.run("delete", "client", "claude"); err == nil || !strings.Contains(out, "client.write") {
			t.Fatalf("a viewer deletes: %s", out)
		}

		// What waits for him needs no role; what is for alice is not hers to allow.
		told := waits(t, ask(w, 0, idptest.Alice))
		if out, err := bob.run("approvals", "list"); err != nil || !strings.Contains(out, told.ID) || !strings.Contains(out, "alice@acme.com") {
			t.Fatalf("%v %s", err, out)
		}
		alice := &desk{t: t, w: w, home: t.TempDir(), server: server}
		alice.login("alice")
		if out, err := alice.run("approvals", "allow", told.ID); err == nil || !strings.Contains(out, "approval_not_asked") {
			t.Fatalf("alice allows what is for herself: %s", out)
		}
		if out, err := bob.run("approvals", "allow", told.ID); err != nil || !strings.Contains(out, "allowed") {
			t.Fatalf("%v %s", err, out)
		}
		if out, err := bob.run("approvals", "deny", told.ID); err == nil || !strings.Contains(out, "approval_settled") {
			t.Fatalf("twice: %s", out)
		}
		ask(w, 0, idptest.Alice).Granted(t)

		// The role is that of now.
		w.Apply(w.Server(), strings.Replace("apiVersion: chancery/v1\nkind: RoleBinding\nmetadata: {name: viewers}\nspec: {role: viewer, users: [bob]}\n", "[bob]", "[eve]", 1))
		if out, err := bob.run("get", "clients"); err == nil || !strings.Contains(out, "permission_denied") {
			t.Fatalf("a role that was taken away: %s", out)
		}
		if out, err := bob.run("logout", "--issuer", w.Issuer); err != nil || !strings.Contains(out, "signed out") {
			t.Fatalf("%v %s", err, out)
		}
		if out, err := bob.run("approvals", "list"); err == nil {
			t.Fatalf("after logging out: %s", out)
		}
		if out, err := alice.run("approvals", "list"); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		w.Apply(w.Server(), strings.Replace(strings.Split(harness.DefaultPeople, "---")[0], "status: active", "status: disabled", 1))
		if out, err := alice.run("approvals", "list"); err == nil || !strings.Contains(out, "access_token_invalid") {
			t.Fatalf("somebody who is disabled: %v %s", err, out)
		}
	})
}

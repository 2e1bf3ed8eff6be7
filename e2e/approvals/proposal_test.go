package approvals_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

const fourEyes = `
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: owners}
spec: {role: owner, users: [alice]}
---
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: second}
spec: {role: policy-approver, users: [bob]}
---
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: authors}
spec: {role: policy-author, users: [eve]}
---`

const asksForIt = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec: {approval: {policies: true, trust: true}}
`

// status runs a command and wants its exit status.
func (d *desk) status(want int, arguments ...string) string {
	d.t.Helper()
	c := d.command(d.t.Context(), arguments...)
	out, err := c.CombinedOutput()
	if got := c.ProcessState.ExitCode(); got != want {
		d.t.Fatalf("%v: exit %d, want %d: %v %s", arguments, got, want, err, out)
	}
	return string(out)
}

type proposed struct {
	ID         string `json:"id"`
	State      string `json:"state"`
	Hash       string `json:"hash"`
	ApprovedBy string `json:"approved_by"`
}

// waiting is the newest proposal.
func (d *desk) waiting() proposed {
	d.t.Helper()
	var all []proposed
	out := d.status(0, "proposal", "list", "--output", "json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) == 0 {
		d.t.Fatalf("%v %s", err, out)
	}
	return all[0]
}

// TestFourEyes: what an owner applies waits for another person, who sees exactly it. She herself through another session, a program and
// a person without the role cannot allow it; nor can he whose role went before it was carried out.
func TestFourEyes(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		listen := fmt.Sprintf("127.0.0.1:%d", harness.Port(t))
		server := "http://" + listen
		w := world(t, e, map[string]any{"admin.listen": listen, "admin.public_url": server}, strings.Replace(adminObjects, "ADMIN", server, 1)+fourEyes)
		w.Apply(w.Server(), asksForIt)
		people := map[string]*desk{}
		for _, who := range []string{"alice", "alice again", "bob", "eve"} {
			people[who] = &desk{t: t, w: w, home: t.TempDir(), server: server}
			name, _, _ := strings.Cut(who, " ")
			people[who].login(name)
		}
		alice, bob := people["alice"], people["bob"]
		file := filepath.Join(t.TempDir(), "notes.yaml")
		write := func(note string) {
			if err := os.WriteFile(file, []byte(strings.Replace(notesPolicy, "waits for the approvers.", "waits for "+note+".", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("somebody")
		if out := alice.status(2, "apply", "-f", file, "--dry-run"); !strings.Contains(out, "pending_approval") {
			t.Errorf("a dry run does not tell: %s", out)
		}
		if out := alice.status(2, "apply", "-f", file, "--note", "SEC-112"); !strings.Contains(out, "pending_approval") || !strings.Contains(out, "0 updated") && !strings.Contains(out, "would be updated") {
			t.Errorf("%s", out)
		}
		p := alice.waiting()
		for who, code := range map[string]string{"alice": "approver_is_author", "alice again": "approver_is_author", "eve": "permission_denied"} {
			if out := people[who].status(1, "proposal", "approve", p.ID, "--hash", p.Hash, "--publish"); !strings.Contains(out, code) {
				t.Errorf("%s: %s", who, out)
			}
		}
		if o := w.Run("proposal", "approve", p.ID, "--hash", p.Hash); o.Status != 1 || !strings.Contains(o.Stderr, "approver_no_person") {
			t.Errorf("a program: %s", o)
		}
		if out := alice.status(2, "policy", "publish", p.ID); !strings.Contains(out, "pending_approval") {
			t.Errorf("%s", out)
		}
		if out := bob.status(0, "proposal", "get", p.ID); !strings.Contains(out, "user:alice") || !strings.Contains(out, "SEC-112") || !strings.Contains(out, "~ Policy notes") {
			t.Errorf("%s", out)
		}
		if out := bob.status(1, "proposal", "approve", p.ID, "--hash", strings.Repeat("0", 64)); !strings.Contains(out, "hash") {
			t.Errorf("%s", out)
		}
		bob.status(0, "proposal", "approve", p.ID, "--hash", p.Hash[:12], "--publish")
		if out := alice.status(0, "policy", "history", "notes"); !strings.Contains(out, "user:bob") || !strings.Contains(out, "user:alice") || !strings.Contains(out, "2 *") {
			t.Errorf("%s", out)
		}

		// The demand itself, and a role, wait as well.
		for _, text := range []string{strings.Replace(asksForIt, "true, trust: true", "false", 1), strings.Replace(strings.TrimSuffix(fourEyes[strings.Index(fourEyes, "---")+4:], "---"), "[bob]", "[alice]", 1)} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			alice.status(2, "apply", "-f", file)
		}

		// Bob's word is worth what his role is when it is used.
		write("everybody")
		alice.status(2, "apply", "-f", file)
		p = alice.waiting()
		bob.status(0, "proposal", "approve", p.ID, "--hash", p.Hash)
		alice.status(0, "delete", "rolebinding", "second")
		if out := alice.status(1, "policy", "publish", p.ID); !strings.Contains(out, "permission_denied") {
			t.Errorf("%s", out)
		}
		if out := alice.status(2, "policy", "rollback", "notes", "--to", "1"); !strings.Contains(out, "pending_approval") {
			t.Errorf("%s", out)
		}
		if o := w.Run("audit", "query", "--type", "proposal.refused", "--output", "json"); strings.Count(o.Stdout, `"outcome":"refused"`) != 4 {
			t.Errorf("who tried is not recorded: %s", o)
		}
	})
}

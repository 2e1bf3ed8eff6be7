package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

const resourceText = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes: {"notes:read": {risk: low}, "notes:write": {risk: high, implies: ["notes:read"]}}
`

const clientText = `apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read"]
  resources: [notes]
`

const tenantText = `apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {display_name: Acme, status: active}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes, tenant: acme}
spec:
  uri: https://mcp.acme.example/acme
  scopes: {"notes:read": {risk: low}}
`

func TestApplyLife(t *testing.T) {
	s := serving(t)
	s.file("objects/b/client.yaml", clientText)
	s.file("objects/a.yaml", resourceText)
	s.file("objects/z.yml", tenantText)
	s.file("objects/.hidden.yaml", "not: read")
	s.file("objects/README.md", "not read either")
	objects := s.folder + "/objects"

	// 1. Nothing is there: everything would be made.
	for _, args := range [][]string{{"apply", "-f", objects, "--dry-run"}, {"diff", "-f", objects}} {
		got := s.run(exitDiffers, args...)
		has(t, got.stdout, "+ Resource notes (tenant default)", "+ Client claude (tenant default)", "+ Tenant acme (tenant acme)", "+ Resource notes (tenant acme)", "4 would be created, 0 would be updated")
		if got.stderr != "" {
			t.Errorf("%v said %q", args, got.stderr)
		}
	}
	has(t, s.run(exitDone, "get", "clients").stdout, "KIND")
	hasNot(t, s.run(exitDone, "get", "clients").stdout, "claude")

	// 2. It is made, and then nothing differs.
	has(t, s.run(exitDone, "apply", "-f", objects).stdout, "4 created, 0 updated, 0 deleted, 0 unchanged")
	has(t, s.run(exitDone, "diff", "-f", objects).stdout, "0 would be created, 0 would be updated, 0 would be deleted, 4 unchanged")
	has(t, s.run(exitDone, "apply", "-f", objects, "--dry-run").stdout, "4 unchanged")

	// 3. One thing changes.
	changed := strings.Replace(clientText, `["notes:read"]`, `["notes:read", "notes:write"]`, 1)
	got := s.pipe(exitDiffers, changed, "diff", "-f", "-")
	has(t, got.stdout, "~ Client claude (tenant default)", `spec.scopes: ["notes:read"] → ["notes:read","notes:write"]`)
	s.pipe(exitDone, changed, "apply", "-f", "-")

	// 4. What is left out counts only with --prune, and only what the same manager made.
	s.pipe(exitDone, changed, "diff", "-f", "-")
	s.pipe(exitDone, changed, "diff", "-f", "-", "--prune", "--manager", "somebody-else")
	has(t, s.pipe(exitDiffers, changed, "diff", "-f", "-", "--prune").stdout, "- Resource notes (tenant default)", "1 would be deleted")
	has(t, s.pipe(exitDone, changed, "apply", "-f", "-", "--prune").stdout, "1 deleted")
	hasNot(t, s.run(exitDone, "get", "resources").stdout, "notes")
	has(t, s.run(exitDone, "get", "resources", "--tenant", "acme").stdout, "notes")

	// 5. Deleting.
	s.run(exitDiffers, "delete", "client", "claude", "--dry-run")
	has(t, s.run(exitDone, "get", "client", "claude").stdout, "claude")
	has(t, s.run(exitDone, "delete", "client", "claude").stdout, "- Client claude", "1 deleted")
	has(t, s.run(exitFailed, "get", "client", "claude").stderr, "object_unknown (404)")
	has(t, s.run(exitFailed, "delete", "client", "claude").stderr, "object_unknown (404)")
}

func TestApplyForms(t *testing.T) {
	s := serving(t)
	var plan object.Plan
	got := s.pipe(exitDiffers, resourceText, "diff", "-f", "-", "--output", "json")
	if err := json.Unmarshal([]byte(got.stdout), &plan); err != nil || len(plan.Items) != 1 || plan.Items[0].Action != object.Create || plan.Applied {
		t.Errorf("%v: %s", err, got.stdout)
	}
	has(t, s.pipe(exitDone, resourceText, "apply", "-f", "-", "-o", "yaml").stdout, "- action: create", "applied: true")

	got = s.pipe(exitDone, clientText, "apply", "-f", "-", "--tenant", "default", "-o", "json")
	has(t, got.stdout, `"name": "claude"`)

	var one object.Metadata
	got = s.run(exitDone, "get", "Client", "claude", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &struct{ Metadata *object.Metadata }{&one}); err != nil || one.UID == "" || one.ManagedBy != object.ManagerApply {
		t.Errorf("%v: %s", err, got.stdout)
	}
	if got := s.run(exitDone, "get", "idp", "-o", "json").stdout; got != "[]\n" {
		t.Errorf("none as JSON: %q", got)
	}
	has(t, s.run(exitDone, "get", "clients", "-o", "yaml").stdout, "kind: Client", "uid: "+one.UID)
}

func TestExportAppliesAgain(t *testing.T) {
	s := serving(t)
	s.pipe(exitDone, resourceText+"---\n"+clientText+"---\n"+tenantText, "apply", "-f", "-")
	for _, format := range []string{"yaml", "json"} {
		got := s.run(exitDone, "export", "--all-tenants", "-o", format)
		has(t, got.stdout, "claude", "https://mcp.acme.example/acme")
		hasNot(t, got.stdout, "uid", "managed_by", "revision", "updated_at")
		has(t, s.pipe(exitDone, got.stdout, "diff", "-f", "-").stdout, "0 would be created, 0 would be updated, 0 would be deleted")
	}
	got := s.run(exitDone, "export", "clients")
	has(t, got.stdout, "kind: Client")
	hasNot(t, got.stdout, "kind: Resource", "kind: Tenant", "acme.example/acme")
	if path := s.file("export.yaml", s.run(exitDone, "export", "--tenant", "acme").stdout); true {
		s.run(exitDone, "diff", "-f", path, "--prune")
	}
}

func TestApplyRefusals(t *testing.T) {
	s := serving(t)
	mistyped := strings.Replace(clientText, "scopes:", "scopse:", 1)
	unknownMethod := strings.Replace(clientText, "client_secret_post", "basic", 1)
	first := s.file("first.yaml", resourceText+"---\n"+mistyped)
	second := s.file("second.yaml", unknownMethod)
	twice := s.file("twice.yaml", resourceText+"---\n"+strings.Replace(resourceText, "name: notes", "name: other", 1))
	empty := s.file("empty.yaml", "# nothing\n")
	if err := os.MkdirAll(s.folder+"/none", 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"every problem of every file, at its line", []string{"apply", "-f", first, "-f", second}, []string{
			first + ":14: Client claude: spec: unknown field \"scopse\" (nearest known: \"scopes\")", second + ":5: Client claude: spec.auth.method: ",
		}},
		{"what the server finds, at its line", []string{"apply", "-f", twice}, []string{twice + ":", "Resource other", "(422)", "trc_"}},
		{"no files", []string{"apply"}, []string{"-f FILE"}},
		{"no objects", []string{"apply", "--prune", "-f", empty}, []string{"there is no object in " + empty}},
		{"no file in a folder", []string{"apply", "-f", s.folder + "/none"}, []string{"no .yaml, .yml or .json file"}},
		{"no such file", []string{"diff", "-f", s.folder + "/absent.yaml"}, []string{"no such file"}},
		{"standard input twice", []string{"diff", "-f", "-", "-f", "-"}, []string{"standard input can be read once"}},
		{"unknown tenant", []string{"get", "clients", "--tenant", "Not A Label"}, []string{"no tenant's name"}},
		{"unknown output", []string{"get", "clients", "-o", "xml"}, []string{`--output: "xml"`}},
		{"unknown kind", []string{"get", "gadgets"}, []string{`unknown kind "gadgets"`, "IdentityProvider"}},
		{"unknown flag", []string{"get", "clients", "--wat"}, []string{"unknown flag", "chancery get --help"}},
		{"unknown command", []string{"aply"}, []string{"unknown command"}},
		{"too few arguments", []string{"delete", "client"}, []string{"accepts 2 arg", "chancery delete KIND NAME"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := s
			s.t = t
			got := s.run(exitFailed, test.args...)
			has(t, got.stderr, test.want...)
			hasNot(t, got.stdout+got.stderr, testToken)
		})
	}
	// Nothing of a refused apply was made.
	hasNot(t, s.run(exitDone, "get", "resources").stdout, "notes")
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string]object.Kind{
		"Client": object.KindClient, "clients": object.KindClient, "CLIENT": object.KindClient, "idp": object.KindIdentityProvider,
		"identity-providers": object.KindIdentityProvider, "identityproviders": object.KindIdentityProvider, "policies": object.KindPolicy, "policy": object.KindPolicy,
	} {
		if got, err := kindOf(name); err != nil || got != want {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	for _, name := range []string{"", "polic", "Nonsense"} {
		if got, err := kindOf(name); err == nil {
			t.Errorf("%q is %s", name, got)
		}
	}
}

package vend_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// administration lets people into the admin API, by what roles they have.
func administration(server string) string {
	return strings.ReplaceAll(`
apiVersion: chancery/v1
kind: Resource
metadata: {name: admin}
spec: {uri: "ADMIN", scopes: {admin: {risk: high, description: Administer Chancery}}, default_scopes: [admin], token: {lifetime: 1h}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: console}
spec:
  type: public
  auth: {method: none}
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code]
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
---`, "ADMIN", server)
}

// roles are all that there are; docs/operations.md describes them.
var roles = []string{"owner", "admin", "policy-author", "policy-approver", "idp-admin", "operator", "auditor", "viewer"}

// reads lists the GET routes of the admin API, with what is there filled in.
func (l *leaks) reads() []string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "admin", "openapi.yaml"))
	if err != nil {
		l.t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		l.t.Fatal(err)
	}
	named := map[string]string{
		"resources": "notes", "clients": harness.ClientID, "identity-providers": harness.IdPName, "users": "alice", "policies": "lending", "workloads": "none",
		"role-bindings": "reader", "providers": "tracker",
	}
	var all []string
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		if _, ok := document.Paths[path]["get"]; !ok {
			continue
		}
		collection := ""
		for name := range named {
			if strings.Contains(path, "/"+name+"/{name}") {
				collection = name
			}
		}
		filled := strings.NewReplacer("{tenant}", "default", "{name}", cmp.Or(named[collection], "none"), "{revision}", "1").Replace(path)
		ids := []string{"none"}
		if strings.Contains(path, "/connections/{id}") {
			ids = l.connections()
		}
		for _, id := range ids {
			all = append(all, strings.ReplaceAll(filled, "{id}", id))
		}
	}
	if len(all) < 40 {
		l.t.Fatalf("%d routes: %v", len(all), all)
	}
	return all
}

// routes reads everything that the admin API gives, in every role, and by the admin credential.
func (l *leaks) routes(alice *harness.Person) {
	l.t.Helper()
	request := harness.NewCodeRequest("admin")
	base, _, _ := strings.Cut(l.Server().Admin.String(), " ")
	request.Form.Set("client_id", "console")
	request.Form.Set("resource", base)
	answer := alice.Authorize(request.URL(l.Issuer), harness.HostRedirect)
	granted := l.Send(l.Server(), &harness.Call{Form: request.Exchange(answer.Get("code")), Header: http.Header{}}).Granted(l.t)
	all := l.reads()
	read := map[string]int{}
	for _, role := range append(slices.Clone(roles), "") {
		token := l.AdminToken
		if role != "" {
			token = granted.AccessToken
			l.Apply(l.Server(), fmt.Sprintf("apiVersion: chancery/v1\nkind: RoleBinding\nmetadata: {name: reader}\nspec: {role: %s, users: [alice], tenants: all}\n", role))
		}
		for _, path := range all {
			status, body := l.get(base+path, token)
			if status >= 500 && status != http.StatusServiceUnavailable {
				l.t.Errorf("%s, %s: %d %s", role, path, status, body)
			}
			if status == http.StatusOK {
				read[role]++
			}
			l.keep("the admin API, to "+cmp.Or(role, "the admin credential"), body)
			if strings.Contains(path, "/connections/con_") && (role == "owner" || role == "operator" || role == "") && status != http.StatusOK {
				l.t.Errorf("%s does not see %s: %d", role, path, status)
			}
		}
	}
	for _, role := range append(slices.Clone(roles), "") {
		if read[role] == 0 {
			l.t.Errorf("%s reads nothing: that proves nothing", role)
		}
	}
	if read["auditor"] >= read["owner"] || read["owner"] < 30 {
		l.t.Errorf("read: %v", read)
	}
}

// get reads one answer, or what comes of one that does not end.
func (l *leaks) get(address, token string) (int, string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	if strings.HasSuffix(address, "/tail") {
		ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		address += "?" + url.Values{"after": {"0"}}.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			l.t.Error(err)
		}
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		l.t.Error(err)
	}
	return response.StatusCode, string(body)
}

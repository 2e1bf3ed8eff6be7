package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/secret"
)

type route struct {
	method, path, permission string
}

// routes reads the API's own description.
func (h *house) routes(t *testing.T) []route {
	t.Helper()
	d := h.ok(t, request{method: "GET", path: "/admin/v1/openapi.json", role: admin.RoleViewer}, http.StatusOK)
	paths, _ := d["paths"].(map[string]any)
	var all []route
	for path, methods := range paths {
		operations, _ := methods.(map[string]any)
		for method, o := range operations {
			operation, _ := o.(map[string]any)
			permission, _ := operation["x-permission"].(string)
			all = append(all, route{strings.ToUpper(method), path, permission})
		}
	}
	if len(all) < 77 {
		t.Fatalf("%d operations", len(all))
	}
	return all
}

func (r route) at(tenant string) string {
	return strings.NewReplacer("{tenant}", tenant, "{name}", "notes", "{id}", "trc_1", "{kid}", "k1", "{revision}", "1", "{jti}", knownToken).Replace(r.path)
}

func TestEveryRouteNeedsACredential(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(t) {
		if r.permission == "" {
			continue
		}
		for name, header := range map[string]map[string]string{
			"none":       nil,
			"wrong":      {"Authorization": "Bearer " + strings.Repeat("x", 40)},
			"empty":      {"Authorization": "Bearer "},
			"basic":      {"Authorization": "Basic " + tokenOf(admin.RoleOwner)},
			"cut":        {"Authorization": "Bearer " + tokenOf(admin.RoleOwner)[:20]},
			"as a query": {"X-Token": tokenOf(admin.RoleOwner)},
		} {
			t.Run(r.method+" "+r.path+" "+name, func(t *testing.T) {
				h.refused(t, request{method: r.method, path: r.at("default"), header: header}, http.StatusUnauthorized, "credential_required")
			})
		}
	}
}

func TestEveryRouteNeedsItsPermission(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(t) {
		for _, role := range admin.Roles() {
			if r.permission == "" || role.May(admin.Permission(r.permission)) {
				continue
			}
			h.refused(t, request{method: r.method, path: r.at("default"), role: role}, http.StatusForbidden, "permission_denied")
		}
	}
}

// A tenant that is not there, or not yours to name, is unknown on every route (T64).
func TestEveryRouteOfAnUnknownTenantIsNotThere(t *testing.T) {
	h := newHouse(t)
	for _, r := range h.routes(t) {
		if !strings.Contains(r.path, "{tenant}") || r.permission == "approval.decide" { // no program holds that
			continue
		}
		w := h.do(t, request{method: r.method, path: r.at("nowhere"), role: admin.RoleOwner, body: bodyFor(r)})
		if r.method == http.MethodPut && r.path == "/admin/v1/tenants/{tenant}" {
			continue // makes it
		}
		if w.Code != http.StatusNotFound {
			t.Errorf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
}

func bodyFor(r route) string {
	switch {
	case strings.HasSuffix(r.path, "/apply"):
		return "[" + resourceBody + "]"
	case r.method != http.MethodPut:
		return ""
	case strings.Contains(r.path, "/clients/"):
		return strings.Replace(clientBody, `"claude"`, `"notes"`, 1)
	case strings.Contains(r.path, "/identity-providers/"):
		return `{"apiVersion":"chancery/v1","kind":"IdentityProvider","metadata":{"name":"notes"},"spec":{"issuer":"https://a.com"}}`
	case strings.Contains(r.path, "/providers/"):
		return `{"apiVersion":"chancery/v1","kind":"Provider","metadata":{"name":"notes"},"spec":{"manifest":"static"}}`
	case strings.Contains(r.path, "/workloads/"):
		return `{"apiVersion":"chancery/v1","kind":"Workload","metadata":{"name":"notes"},"spec":{"idp":"github","match":{"sub":"repo:acme/app:ref:refs/heads/main"},"client":"build"}}`
	case strings.Contains(r.path, "/role-bindings/"):
		return `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"notes"},"spec":{"role":"viewer"}}`
	case strings.Contains(r.path, "/users/"):
		return `{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"notes"},"spec":{}}`
	case strings.Contains(r.path, "/policies/"):
		return `{"apiVersion":"chancery/v1","kind":"Policy","metadata":{"name":"notes"},"spec":{"role":"guard","template":"group-scopes"}}`
	default:
		return resourceBody
	}
}

func TestWhatIsNotThereIsSaidOnlyInside(t *testing.T) {
	h := newHouse(t)
	h.refused(t, request{method: "GET", path: "/admin/v1/nothing"}, http.StatusUnauthorized, "credential_required")
	h.refused(t, request{method: "GET", path: "/admin/v1/nothing", role: admin.RoleViewer}, http.StatusNotFound, "route_unknown")
	h.refused(t, request{method: "PATCH", path: "/admin/v1/clients/claude"}, http.StatusUnauthorized, "credential_required")
	h.refused(t, request{method: "PATCH", path: "/admin/v1/clients/claude", role: admin.RoleViewer}, http.StatusMethodNotAllowed, "method_not_allowed")
	h.refused(t, request{method: "GET", path: "/admin/v1/clients/", role: admin.RoleViewer}, http.StatusNotFound, "route_unknown")
	for _, path := range []string{"/livez", "/readyz", "/"} {
		if w := h.do(t, request{method: "GET", path: path}); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestOpenByConfiguration(t *testing.T) {
	h := newHouse(t, func(c *admin.Config) { c.OpenMetrics, c.OpenDescription = true, true })
	for _, path := range []string{"/metrics", "/admin/v1/openapi.json"} {
		if w := h.do(t, request{method: "GET", path: path}); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	h.refused(t, request{method: "GET", path: "/admin/v1/clients"}, http.StatusUnauthorized, "credential_required")
}

func TestConfigurationThatChecksNothing(t *testing.T) {
	valid := newHouse(t).config
	for name, change := range map[string]func(*admin.Config){
		"no objects":         func(c *admin.Config) { c.Objects = nil },
		"no audit":           func(c *admin.Config) { c.Audit = nil },
		"no clock":           func(c *admin.Config) { c.Now = nil },
		"an empty token":     func(c *admin.Config) { c.Credentials = []admin.Credential{{Name: "a", Role: admin.RoleOwner}} },
		"a role of no name":  func(c *admin.Config) { c.Credentials = []admin.Credential{{Token: secret.New("a"), Role: ""}} },
		"a role of our own?": func(c *admin.Config) { c.Credentials = []admin.Credential{{Token: secret.New("a"), Role: "root"}} },
	} {
		t.Run(name, func(t *testing.T) {
			c := valid
			change(&c)
			if _, err := admin.New(c); err == nil {
				t.Fatal("started")
			}
		})
	}
}

func TestObjects(t *testing.T) {
	h := newHouse(t)
	const at = "/admin/v1/resources/notes"
	h.refused(t, request{method: "GET", path: at, role: admin.RoleViewer}, http.StatusNotFound, "object_unknown")

	w := h.do(t, request{method: "PUT", path: at, role: admin.RoleOwner, body: resourceBody})
	tag := w.Header().Get("ETag")
	if w.Code != http.StatusCreated || tag == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	long := h.do(t, request{method: "GET", path: "/admin/v1/tenants/default/resources/notes", role: admin.RoleViewer})
	if long.Code != http.StatusOK || long.Header().Get("ETag") != tag || long.Body.String() != w.Body.String() {
		t.Fatalf("%d %s", long.Code, long.Body)
	}
	// What was read can be put back.
	if again := h.do(t, request{method: "PUT", path: at, role: admin.RoleOwner, body: long.Body.String()}); again.Code != http.StatusOK || again.Header().Get("ETag") != tag {
		t.Fatalf("%d %s", again.Code, again.Body)
	}
	changed := strings.Replace(resourceBody, `"scopes"`, `"token":{"lifetime":"5m"},"scopes"`, 1)
	for name, test := range map[string]struct {
		header map[string]string
		status int
		code   string
	}{
		"another tag":       {map[string]string{"If-Match": `"res_0.1"`}, http.StatusPreconditionFailed, "precondition_failed"},
		"a weak tag":        {map[string]string{"If-Match": "W/" + tag}, http.StatusPreconditionFailed, "precondition_failed"},
		"it is there":       {map[string]string{"If-None-Match": "*"}, http.StatusPreconditionFailed, "precondition_failed"},
		"both":              {map[string]string{"If-None-Match": "*", "If-Match": tag}, http.StatusBadRequest, "condition_invalid"},
		"a form":            {map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, http.StatusUnsupportedMediaType, "content_type_unsupported"},
		"a compressed body": {map[string]string{"Content-Encoding": "gzip"}, http.StatusUnsupportedMediaType, "content_type_unsupported"},
		"another origin":    {map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := request{method: "PUT", path: at, role: admin.RoleOwner, body: changed, header: test.header}
			if test.code == "" {
				if w := h.do(t, r); w.Code != test.status || !strings.Contains(w.Body.String(), "cross_origin") {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				return
			}
			h.refused(t, r, test.status, test.code)
		})
	}
	if w := h.do(t, request{method: "PUT", path: at, role: admin.RoleOwner, body: changed, header: map[string]string{"If-Match": tag}}); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	h.refused(t, request{method: "DELETE", path: at, role: admin.RoleOwner, header: map[string]string{"If-Match": tag}}, http.StatusPreconditionFailed, "precondition_failed")
	h.ok(t, request{method: "DELETE", path: at, role: admin.RoleOwner}, http.StatusOK)
	h.refused(t, request{method: "DELETE", path: at, role: admin.RoleOwner}, http.StatusNotFound, "object_unknown")
}

func TestBodiesThatSayOtherThanThePath(t *testing.T) {
	h := newHouse(t)
	for name, test := range map[string]struct{ from, to, code string }{
		"tenant":           {`{"name":"notes"}`, `{"name":"notes","tenant":"acme"}`, "path_mismatch"},
		"name":             {`{"name":"notes"}`, `{"name":"memos"}`, "path_mismatch"},
		"kind":             {resourceBody, strings.Replace(clientBody, "claude", "notes", 1), "path_mismatch"},
		"two objects":      {resourceBody, "[" + resourceBody + "," + strings.ReplaceAll(resourceBody, "notes", "memos") + "]", "body_malformed"},
		"no object":        {resourceBody, "[]", "body_malformed"},
		"an unknown field": {`"spec":{`, `"spec":{"is_admin":true,`, "object_invalid"},
		"an outer field":   {`"spec":{`, `"tenant_id":"ten_1","spec":{`, "object_invalid"},
		"a field twice":    {`"kind":"Resource"`, `"kind":"Resource","kind":"Resource"`, "object_invalid"},
		"trailing text":    {resourceBody, resourceBody + "{}", "object_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(resourceBody, test.from, test.to, 1)
			h.refused(t, request{method: "PUT", path: "/admin/v1/resources/notes", role: admin.RoleOwner, body: body}, http.StatusBadRequest, test.code)
		})
	}
	// The server's members are the server's.
	body := strings.Replace(resourceBody, `{"name":"notes"}`, `{"name":"notes","managed_by":"config","revision":99}`, 1)
	made := h.ok(t, request{method: "PUT", path: "/admin/v1/resources/notes", role: admin.RoleOwner, body: body}, http.StatusCreated)
	if m, _ := made["metadata"].(map[string]any); m["managed_by"] != "api" || m["revision"] != float64(1) {
		t.Fatalf("%v", m)
	}
}

func TestPathsAndQueriesThatAreReadTwoWays(t *testing.T) {
	h := newHouse(t)
	for path, code := range map[string]string{
		"/admin/v1/clients/a%2fb":                  "path_invalid",
		"/admin/v1/clients/a%0d%0ab":               "path_invalid",
		"/admin/v1/tenants/%2e%2e/clients":         "path_invalid",
		"/admin/v1/clients?limit=0":                "parameter_invalid",
		"/admin/v1/clients?limit=1001":             "parameter_invalid",
		"/admin/v1/clients?limit=1&limit=2":        "parameter_repeated",
		"/admin/v1/clients?sort=name":              "parameter_unknown",
		"/admin/v1/clients?cursor=x":               "cursor_invalid",
		"/admin/v1/clients?cursor=%00":             "query_malformed",
		"/admin/v1/audit/events?client=%ff":        "query_malformed",
		"/admin/v1/audit/events?clinet=claude":     "parameter_unknown",
		"/admin/v1/audit/events?since=yesterday":   "parameter_invalid",
		"/admin/v1/audit/events?outcome=ok":        "parameter_invalid",
		"/admin/v1/audit/events?type=token.stolen": "parameter_invalid",
		"/admin/v1/audit/events?cursor=forged":     "cursor_invalid",
		"/admin/v1/audit/tail?wait=31":             "parameter_invalid",
	} {
		h.refused(t, request{method: "GET", path: path, role: admin.RoleOwner}, http.StatusBadRequest, code)
	}
}

func TestPages(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		name := fmt.Sprintf("r%d", i)
		h.ok(t, request{method: "PUT", path: "/admin/v1/resources/" + name, role: admin.RoleOwner, body: strings.ReplaceAll(resourceBody, "notes", name)}, http.StatusCreated)
	}
	seen, path := 0, "/admin/v1/resources?limit=2"
	for {
		p := h.ok(t, request{method: "GET", path: path, role: admin.RoleViewer}, http.StatusOK)
		items, _ := p["items"].([]any)
		seen += len(items)
		next, more := p["next"].(string)
		if !more {
			break
		}
		path = "/admin/v1/resources?limit=2&cursor=" + next
	}
	if seen != 5 {
		t.Fatalf("%d of 5", seen)
	}
}

func TestApply(t *testing.T) {
	h := newHouse(t)
	both := "[" + resourceBody + "," + clientBody + "]"
	plan := h.ok(t, request{method: "POST", path: "/admin/v1/apply?dry_run=true", role: admin.RoleOwner, body: both}, http.StatusOK)
	if plan["applied"] != false {
		t.Fatalf("%v", plan)
	}
	h.ok(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RoleOwner, body: both}, http.StatusOK)
	h.refused(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RolePolicyAuthor, body: both}, http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "POST", path: "/admin/v1/apply?prune=true", role: admin.RolePolicyAuthor, body: "[]"}, http.StatusForbidden, "permission_denied")
	h.refused(t, request{method: "POST", path: "/admin/v1/apply?manager=config", role: admin.RoleOwner, body: both}, http.StatusForbidden, "manager_reserved")
	h.refused(t, request{method: "POST", path: "/admin/v1/apply?manager=A", role: admin.RoleOwner, body: both}, http.StatusBadRequest, "parameter_invalid")
	taken := "[" + strings.Replace(resourceBody, `"name":"notes"`, `"name":"memos"`, 1) + "]"
	p := h.refused(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RoleOwner, body: taken}, http.StatusUnprocessableEntity, "object_invalid")
	if len(p.Errors) != 1 || p.Errors[0].Code != "resource_uri_taken" {
		t.Fatalf("%+v", p)
	}
	other := "[" + strings.Replace(resourceBody, `{"name":"notes"}`, `{"name":"notes","tenant":"acme"}`, 1) + "]"
	h.refused(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RoleOwner, body: other}, http.StatusBadRequest, "path_mismatch")
}

func TestSecrets(t *testing.T) {
	h := newHouse(t)
	h.ok(t, request{method: "POST", path: "/admin/v1/apply", role: admin.RoleOwner, body: "[" + resourceBody + "," + clientBody + "]"}, http.StatusOK)
	const at = "/admin/v1/clients/claude/secrets"
	made := h.ok(t, request{method: "POST", path: at, role: admin.RoleOwner}, http.StatusCreated)
	text, _ := made["secret"].(string)
	if len(made) != 3 || made["id"] == "" || !strings.HasPrefix(text, "chs_") || made["created_at"] == nil {
		t.Fatalf("%v", made)
	}
	if w := h.do(t, request{method: "GET", path: at, role: admin.RoleOwner}); strings.Contains(w.Body.String(), "chs_") || strings.Contains(w.Body.String(), "igest") {
		t.Fatalf("%s", w.Body)
	}
	h.ok(t, request{method: "POST", path: at, role: admin.RoleOwner}, http.StatusCreated)
	h.refused(t, request{method: "POST", path: at, role: admin.RoleOwner}, http.StatusConflict, "too_many_secrets")
	secretID, _ := made["id"].(string)
	h.ok(t, request{method: "DELETE", path: at + "/" + secretID, role: admin.RoleOwner}, http.StatusNoContent)
	h.refused(t, request{method: "DELETE", path: at + "/" + secretID, role: admin.RoleOwner}, http.StatusNotFound, "object_unknown")
	h.refused(t, request{method: "POST", path: "/admin/v1/clients/nobody/secrets", role: admin.RoleOwner}, http.StatusNotFound, "object_unknown")
	referring := strings.Replace(clientBody, `"client_secret_basic"`, `"client_secret_basic","secret":{"file":"/etc/passwd"}`, 1)
	p := h.refused(t, request{method: "PUT", path: "/admin/v1/clients/claude", role: admin.RoleOwner, body: referring}, http.StatusUnprocessableEntity, "object_invalid")
	if p.Errors[0].Code != "secret_reference" {
		t.Fatalf("%+v", p)
	}
}

func TestKeysAuditAndStories(t *testing.T) {
	h := newHouse(t)
	if w := h.do(t, request{method: "GET", path: "/admin/v1/keys", role: admin.RoleOwner}); strings.Contains(strings.ToLower(w.Body.String()), "seal") {
		t.Fatalf("%s", w.Body)
	}
	h.ok(t, request{method: "POST", path: "/admin/v1/keys/rotate", role: admin.RoleOperator}, http.StatusOK)
	h.refused(t, request{method: "POST", path: "/admin/v1/keys/rotate?algorithm=HS256", role: admin.RoleOperator}, http.StatusBadRequest, "parameter_invalid")
	h.ok(t, request{method: "POST", path: "/admin/v1/keys/k1/retire", role: admin.RoleOperator}, http.StatusOK)
	h.refused(t, request{method: "POST", path: "/admin/v1/keys/k9/revoke", role: admin.RoleOperator}, http.StatusNotFound, "key_unknown")
	h.ok(t, request{method: "GET", path: "/admin/v1/audit/events?client=claude&type=token.issued&limit=7&outcome=allowed", role: admin.RoleAuditor}, http.StatusOK)
	if f := h.book.asked; f.Client != "claude" || f.Limit != 7 || f.Outcome != "allowed" || len(f.Types) != 1 {
		t.Fatalf("%+v", f)
	}
	h.ok(t, request{method: "GET", path: "/admin/v1/audit/tail?wait=5", role: admin.RoleAuditor}, http.StatusOK)
	h.ok(t, request{method: "GET", path: "/admin/v1/audit/tail?position=p1&wait=5", role: admin.RoleAuditor}, http.StatusOK)
	h.ok(t, request{method: "GET", path: "/admin/v1/audit/checkpoint-keys", role: admin.RoleAuditor}, http.StatusOK)
	h.ok(t, request{method: "GET", path: "/admin/v1/explain/trc_1", role: admin.RoleAuditor}, http.StatusOK)
	h.refused(t, request{method: "GET", path: "/admin/v1/explain/trc_2", role: admin.RoleAuditor}, http.StatusNotFound, "object_unknown")
}

// An error that nobody foresaw says nothing of itself outside.
func TestUnknownErrorsSayNothing(t *testing.T) {
	h := newHouse(t)
	h.store.Fail = fmt.Errorf("pq: password authentication failed for user %q", "chancery")
	p := h.refused(t, request{method: "PUT", path: "/admin/v1/resources/notes", role: admin.RoleOwner, body: resourceBody}, http.StatusInternalServerError, "server_error")
	if strings.Contains(p.Detail, "password") {
		t.Fatalf("%+v", p)
	}
}

func TestBodyLimit(t *testing.T) {
	h := newHouse(t)
	body := strings.Replace(resourceBody, `"scopes"`, `"x":"`+strings.Repeat("x", 1<<20)+`","scopes"`, 1)
	h.refused(t, request{method: "PUT", path: "/admin/v1/resources/notes", role: admin.RoleOwner, body: body}, http.StatusRequestEntityTooLarge, "body_too_large")
}

func TestTenantsOverTheAPI(t *testing.T) {
	h := newHouse(t)
	const acme = `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"acme"},"spec":{}}`
	h.refused(t, request{method: "PUT", path: "/admin/v1/tenants/acme", role: admin.RoleAdmin, body: acme}, http.StatusForbidden, "permission_denied")
	h.ok(t, request{method: "PUT", path: "/admin/v1/tenants/acme", role: admin.RoleOwner, body: acme}, http.StatusCreated)
	h.ok(t, request{method: "PUT", path: "/admin/v1/tenants/acme/resources/notes", role: admin.RoleOwner, body: resourceBody}, http.StatusCreated)
	h.refused(t, request{method: "GET", path: "/admin/v1/resources/notes", role: admin.RoleOwner}, http.StatusNotFound, "object_unknown")
	h.refused(t, request{method: "DELETE", path: "/admin/v1/tenants/acme", role: admin.RoleOwner}, http.StatusConflict, "in_use")
	h.ok(t, request{method: "DELETE", path: "/admin/v1/tenants/acme/resources/notes", role: admin.RoleOwner}, http.StatusOK)
	h.ok(t, request{method: "DELETE", path: "/admin/v1/tenants/acme", role: admin.RoleOwner}, http.StatusOK)
	h.refused(t, request{method: "GET", path: "/admin/v1/tenants/acme/resources", role: admin.RoleOwner}, http.StatusNotFound, "tenant_unknown")
}

// No text of the corpus is an object, so that none may pass; and none may end the process.
func TestBodiesOfJSONTestSuite(t *testing.T) {
	corpora := os.Getenv("CHANCERY_CORPORA")
	if corpora == "" {
		t.Skip("CHANCERY_CORPORA is not set: the corpora are no part of the repository")
	}
	files, err := filepath.Glob(filepath.Join(corpora, "jsontestsuite", "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	h := newHouse(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		inside := strings.Replace(`{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"u"},"spec":{"attributes":{"a":X}}}`, "X", string(text), 1)
		if len(text) > 0 {
			if w := h.do(t, request{method: "PUT", path: "/admin/v1/users/u", role: admin.RoleOwner, body: string(text)}); w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d %s", filepath.Base(file), w.Code, w.Body)
			}
		}
		w := h.do(t, request{method: "PUT", path: "/admin/v1/users/u", role: admin.RoleOwner, body: inside})
		accepted := w.Code == http.StatusOK || w.Code == http.StatusCreated
		name := filepath.Base(file)
		if !accepted && w.Code != http.StatusBadRequest || strings.HasPrefix(name, "n_") && accepted {
			t.Errorf("%s inside an object: %d %s", name, w.Code, w.Body)
		}
		if accepted && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: the answer is no JSON", name)
		}
	}
}

package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/idptest"
)

const trustText = resourceText + "---\n" + clientText + `---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  preset: generic
  issuer: IDP
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [claude], resources: [notes], scopes: ["notes:read", "notes:write"]}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, identities: [{idp: acme, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  template: group-scopes
  data: {grants: [{groups: [notes-editors], resource: notes, scopes: ["notes:write"]}]}
`

// working is a server on which alice's agent gets tokens; redeem presents one
// assertion of hers.
func working(t *testing.T) (s shell, fresh func() string, redeem func(assertion string) (int, map[string]any)) {
	t.Helper()
	s = serving(t)
	idp := idptest.Start(t, idptest.Options{
		Audiences: []idptest.Audience{{Issuer: "http://127.0.0.1:1", Resources: []string{"https://mcp.acme.example/notes"}, Scopes: []string{"notes:read"}}},
		Clients:   []idptest.Client{{ID: "claude"}},
	})
	s.pipe(exitDone, strings.ReplaceAll(trustText, "IDP", idp.Issuer()), "apply", "-f", "-")
	var made secretRecord
	if err := json.Unmarshal([]byte(s.run(exitDone, "secret", "create", "claude", "-o", "json").stdout), &made); err != nil {
		t.Fatal(err)
	}
	fresh = func() string { return idp.IDJAG(idptest.Alice) }
	redeem = func(assertion string) (int, map[string]any) {
		t.Helper()
		form := url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}, "client_id": {"claude"}, "client_secret": {made.Secret},
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.public+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var body map[string]any
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body
	}
	return s, fresh, redeem
}

// TestDay is an administrator's: trust is applied, an agent gets a token, a
// replay is refused and explained, the client is removed and gets nothing more.
func TestDay(t *testing.T) {
	s, fresh, redeem := working(t)
	assertion := fresh()
	if status, body := redeem(assertion); status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	status, body := redeem(assertion)
	if status != http.StatusBadRequest {
		t.Fatalf("%d %v", status, body)
	}
	uri, _ := body["error_uri"].(string)
	_, trace, _ := strings.Cut(uri, "trace=")
	told := s.run(exitDone, "explain", trace).stdout
	has(t, told, trace, "refused jti_replayed", "client claude", "To fix (")
	hasNot(t, told, assertion)

	issued := s.run(exitDone, "audit", "query", "--type", "token.issued", "--client", "claude", "-o", "json").stdout
	var e struct{ Decision, Trace string }
	if err := json.Unmarshal([]byte(issued), &e); err != nil || e.Decision == "" {
		t.Fatalf("%v: %s", err, issued)
	}
	if byDecision := s.run(exitDone, "explain", e.Decision).stdout; byDecision != s.run(exitDone, "explain", e.Trace).stdout {
		t.Errorf("a decision and its trace tell different stories:\n%s", byDecision)
	} else {
		has(t, byDecision, "✓", "policy notes revision 1 (grant)", "group_grants_scope")
	}

	s.run(exitDone, "delete", "client", "claude")
	if status, body := redeem(fresh()); status != http.StatusUnauthorized {
		t.Errorf("a deleted client: %d %v", status, body)
	}
}

// TestInitThenServe: what init writes is what serve and the commands need.
func TestInitServesCommands(t *testing.T) {
	s := alone(t)
	s.run(exitDone, "init", "--out", s.folder)
	config := filepath.Join(s.folder, "chancery.yaml")
	has(t, s.run(exitDone, "config", "validate", "--config", config).stdout, "valid (profile dev)")
	// Nobody serves: the credential and the address were found, the connection was not.
	has(t, s.run(exitFailed, "get", "clients", "--config", config, "--server", "http://127.0.0.1:1").stderr, "connection refused")
}

package assembly_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const objects = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  preset: generic
  issuer: IDP
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [agent], resources: [notes], scopes: ["notes:read", "notes:write"]}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: agent}
spec:
  auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write"]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes: {"notes:read": {risk: low}, "notes:write": {risk: high, implies: ["notes:read"]}}
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

const secretText = "a-supplied-secret-of-enough-characters"

// TestServe starts a whole server on SQLite and redeems one assertion.
func TestServe(t *testing.T) {
	folder := t.TempDir()
	idp := idptest.Start(t, idptest.Options{
		Audiences: []idptest.Audience{{Issuer: "http://127.0.0.1:1", Resources: []string{"https://mcp.acme.example/notes"}, Scopes: []string{"notes:read", "notes:write"}}},
		Clients:   []idptest.Client{{ID: "agent"}},
	})
	file := filepath.Join(folder, "objects.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(objects, "IDP", idp.Issuer())), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Sources{File: os.DevNull, Environ: []string{"AGENT_SECRET=" + secretText}, Flags: map[string]any{
		"server.public_url":  "http://127.0.0.1:1",
		"server.listen":      "127.0.0.1:0",
		"admin.listen":       "127.0.0.1:0",
		"database.url":       "sqlite://" + filepath.Join(folder, "chancery.db"),
		"vault.keyring.file": filepath.Join(folder, "keyring"),
		"objects":            []string{file},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := assembly.New(t.Context(), assembly.Options{Config: loaded, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	assertion := idp.IDJAG(idptest.Alice)
	for i, want := range []int{http.StatusOK, http.StatusBadRequest} {
		status, body := redeem(t, "http://"+server.PublicAddress(), assertion)
		if status != want {
			t.Errorf("redemption %d: %d %v, want %d", i+1, status, body, want)
		}
	}
}

func redeem(t *testing.T, server, assertion string) (int, map[string]any) {
	t.Helper()
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}, "client_id": {"agent"}, "client_secret": {secretText},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body map[string]any
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

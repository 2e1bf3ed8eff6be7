package assembly_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const (
	issuer     = "http://127.0.0.1:1"
	secretText = "a-supplied-secret-of-enough-characters"
	adminToken = "an-admin-credential-of-enough-characters"
)

const providerDoc = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  preset: generic
  issuer: IDP
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [agent], resources: [notes], scopes: ["notes:read", "notes:write"]}
  claims: {groups: groups, groups_from: [claim]}
---`

const clientDoc = `
apiVersion: chancery/v1
kind: Client
metadata: {name: agent}
spec:
  auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write"]
  resources: [notes]
---`

const restDocs = `
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

const objects = providerDoc + clientDoc + restDocs

// place is an empty database with the rest of what a server needs, and an IdP.
type place struct {
	folder, url, ownerURL string
	idp                   *idptest.Running
}

// eachEngine runs a test at a fresh place on each engine.
func eachEngine(t *testing.T, test func(t *testing.T, p *place)) {
	t.Helper()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			p := newPlace(t)
			if e.Name != "sqlite" {
				d := e.Empty(t)
				p.url, p.ownerURL = d.URL, d.OwnerURL
			}
			test(t, p)
		})
	}
}

// newPlace is on SQLite.
func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{folder: t.TempDir()}
	p.url = "sqlite://" + filepath.Join(p.folder, "chancery.db")
	p.idp = idptest.Start(t, idptest.Options{
		Audiences: []idptest.Audience{{Issuer: issuer, Resources: []string{"https://mcp.acme.example/notes"}, Scopes: []string{"notes:read", "notes:write"}}},
		Clients:   []idptest.Client{{ID: "agent"}},
	})
	return p
}

// write puts objects into the file that the configuration names.
func (p *place) write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(p.folder, "objects.yaml")
	must(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "IDP", p.idp.Issuer())), 0o600))
	return file
}

type settings map[string]any

func (p *place) load(t *testing.T, changes settings) *config.Loaded {
	t.Helper()
	flags := settings{
		"server.public_url": issuer, "server.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0",
		"database.url": p.url, "vault.keyring.file": filepath.Join(p.folder, "keyring"),
	}
	if p.ownerURL != "" {
		flags["database.owner_url"] = p.ownerURL
	}
	maps.Copy(flags, changes)
	loaded, err := config.Load(config.Sources{
		File: os.DevNull, Environ: []string{"AGENT_SECRET=" + secretText, "CHANCERY_ADMIN_TOKEN=" + adminToken, "AGENT_SECRET_HEADER=Authorization: Bearer collector"}, Flags: flags,
	})
	must(t, err)
	return loaded
}

func (p *place) options(t *testing.T, changes settings) assembly.Options {
	t.Helper()
	return assembly.Options{Config: p.load(t, changes), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now}
}

// start runs a server until stop, or the test's end.
func (p *place) start(t *testing.T, changes settings) (s *assembly.Server, stop func()) {
	t.Helper()
	s, err := assembly.New(t.Context(), p.options(t, changes))
	must(t, err)
	must(t, s.Start(t.Context()))
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// refuses expects that a server does not start, for a reason, and that nothing stays open: another one starts at once.
func (p *place) refuses(t *testing.T, changes settings, reason string) {
	t.Helper()
	_, err := assembly.New(t.Context(), p.options(t, changes))
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("started with %v: %v, want %q", changes, err, reason)
	}
}

func (p *place) admin(t *testing.T, s *assembly.Server) *client.Client {
	t.Helper()
	c, err := client.New("http://"+s.AdminAddress(), secret.New(adminToken), "default", &http.Client{Timeout: 10 * time.Second})
	must(t, err)
	return c
}

// redeem presents a fresh assertion of alice, or the one given.
func (p *place) redeem(t *testing.T, s *assembly.Server, clientSecret string, assertion ...string) (status int, code string) {
	t.Helper()
	if assertion == nil {
		assertion = []string{p.idp.IDJAG(idptest.Alice)}
	}
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": assertion, "client_id": {"agent"}, "client_secret": {clientSecret},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.PublicAddress()+"/token", strings.NewReader(form.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	var body struct {
		AccessToken string `json:"access_token"`
		Description string `json:"error_description"`
	}
	must(t, json.NewDecoder(response.Body).Decode(&body))
	code, _, _ = strings.Cut(body.Description, ":")
	if (response.StatusCode == http.StatusOK) != (body.AccessToken != "") {
		t.Errorf("answered %d with %+v", response.StatusCode, body)
	}
	return response.StatusCode, code
}

// expects redeems and compares.
func (p *place) expects(t *testing.T, s *assembly.Server, status int, code string) {
	t.Helper()
	if gotStatus, gotCode := p.redeem(t, s, secretText); gotStatus != status || gotCode != code {
		t.Errorf("answered %d %s, want %d %s", gotStatus, gotCode, status, code)
	}
}

func get(t *testing.T, address string, header ...string) (status int, h http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	must(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	_ = response.Body.Close()
	return response.StatusCode, response.Header
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

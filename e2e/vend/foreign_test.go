package vend_test

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// foreign is an authorization server that others wrote, whose refresh tokens are good once.
type foreign struct {
	issuer   string
	narrows  bool                                                 // by RFC 8693
	fill     func(*harness.Page) (harness.Form, url.Values, bool) // what alice does at its pages
	end      func()                                               // takes back what it gave
	manifest struct {
		Authorize  string `json:"authorization_endpoint"`
		Token      string `json:"token_endpoint"`
		Revoke     string `json:"revocation_endpoint"`
		Introspect string `json:"introspection_endpoint"`
		UserInfo   string `json:"userinfo_endpoint"`
	}
}

const foreignObject = `
apiVersion: chancery/v1
kind: Provider
metadata: {name: foreign}
spec:
  display_name: Tracker
  own_manifest:
    name: foreign
    extends: oauth2
    authorization_url: {{authorize}}
    token_url: {{token}}
    revoke: {url: "{{revoke}}", format: form, auth: client_secret_basic}
    probe: {url: "{{userinfo}}", id: sub, label: [sub]}
    scopes: {always: [openid], unlisted: [openid]}
    refresh: {rotation: single_use}
    {{narrow}}
  network: {allow_private_addresses: true}
  client_id: client-1
  client_secret: {env: CHANCERY_E2E_PROVIDER_SECRET}
  scope_map: {"issues:read": [a], "issues:write": [b]}
  default_scopes: ["issues:read", "issues:write"]
  allow: {clients: [claude], resources: [notes]}
---`

// seen is what an authorization server says of a token that it gave (RFC 7662).
type seen struct {
	Active bool   `json:"active"`
	Scope  string `json:"scope"`
}

// renewed is within which time a token is refreshed: those of these servers live for 64 seconds, of which 60 are kept.
const renewed = 15 * time.Second

// suite: connect, lend, refresh and refresh again with what the first refresh gave, narrow where it can be done, lose, connect
// again by the link, and take back.
func (f *foreign) suite(t *testing.T, w scene) {
	t.Helper()
	f.discover(t)
	narrow := ""
	if f.narrows {
		narrow = "downscope: {method: token_exchange}"
	}
	w.Apply(w.Server(), strings.NewReplacer("{{authorize}}", f.manifest.Authorize, "{{token}}", f.manifest.Token, "{{revoke}}", f.manifest.Revoke,
		"{{userinfo}}", f.manifest.UserInfo, "{{narrow}}", narrow).Replace(foreignObject))
	alice := w.signedIn("alice")
	f.connect(t, w, alice, "/connect/foreign")

	// 1. All of it is lent, and the server that gave it says so.
	token := w.token(idptest.Alice)
	ask := func(keys string) harness.Answer {
		return w.Send(w.Server(), w.vend(token, "foreign").With("scope", keys))
	}
	both := "issues:read issues:write"
	first := ask(both).Granted(t)
	if got := f.introspect(t, first.AccessToken); !got.Active || !holds(got.Scope, "a", "b") {
		t.Fatalf("lent a token of which the server says %+v", got)
	}

	// 2. Twice refreshed: the second time with the successor.
	last := first.AccessToken
	for range 2 {
		var next harness.Answer
		harness.Eventually(t, renewed, "the token is refreshed", func() bool {
			next = ask(both).Granted(t)
			return next.AccessToken != last
		})
		last = next.AccessToken
		if got := f.introspect(t, last); !got.Active || !holds(got.Scope, "a", "b") {
			t.Fatalf("refreshed to %+v", got)
		}
	}

	// 3. Less, and what is said of it is true.
	less := ask("issues:read").Granted(t)
	var said struct {
		Narrowed bool `json:"narrowed"`
	}
	if err := json.Unmarshal([]byte(less.Body), &said); err != nil {
		t.Fatal(err)
	}
	got := f.introspect(t, less.AccessToken)
	if !got.Active || said.Narrowed != f.narrows || holds(got.Scope, "b") == f.narrows || !holds(got.Scope, "a") {
		t.Errorf("narrowed: %v, and the server says %+v", said.Narrowed, got)
	}

	// 4. The server takes it back: its person is asked, and mends it at the link.
	f.end()
	var lost harness.Answer
	harness.Eventually(t, renewed, "what was taken back is noticed", func() bool {
		lost = ask(both)
		return lost.Status != http.StatusOK
	})
	lost.Refused(t, http.StatusBadRequest, "interaction_required", "reauthorization_required")
	f.connect(t, w, alice, strings.TrimPrefix(lost.Interaction, w.Issuer))
	last = ask(both).Granted(t).AccessToken

	// 5. She takes it back, and it is over at the server.
	if got := f.introspect(t, last); !got.Active {
		t.Fatalf("%+v", got)
	}
	page := alice.Open(w.Issuer + "/connections")
	for _, form := range page.Forms {
		for _, b := range form.Buttons {
			if b.Name == "remove" {
				says(t, alice.Send(form, url.Values{b.Name: {b.Value}}), http.StatusOK, "is removed here, and ended there")
			}
		}
	}
	if got := f.introspect(t, last); got.Active {
		t.Errorf("it lives on: %+v", got)
	}
	ask(both).Refused(t, http.StatusBadRequest, "interaction_required", "connection_required")
}

func holds(scope string, wanted ...string) bool {
	has := map[string]bool{}
	for one := range strings.FieldsSeq(scope) {
		has[one] = true
	}
	for _, one := range wanted {
		if !has[one] {
			return false
		}
	}
	return true
}

// connect goes from a page of ours to the server's pages and back.
func (f *foreign) connect(t *testing.T, w scene, p *harness.Person, path string) {
	t.Helper()
	p.Fill = func(page *harness.Page) (harness.Form, url.Values, bool) {
		if strings.HasPrefix(page.URL.String(), w.Issuer) {
			return harness.Form{}, nil, false
		}
		return f.fill(page)
	}
	defer func() { p.Fill = nil }()
	page := p.GoOn(p.Open(w.Issuer + path))
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), w.Issuer) {
		t.Fatalf("ends at %s: %d %s", page.URL, page.Status, page.Body)
	}
	if listed := p.Open(w.Issuer + "/connections"); !strings.Contains(listed.Body, `name="test"`) {
		t.Fatalf("not connected: %s", listed.Body)
	}
}

func (f *foreign) discover(t *testing.T) {
	t.Helper()
	f.send(t, http.MethodGet, f.issuer+"/.well-known/openid-configuration", nil, &f.manifest)
	if f.manifest.Token == "" || f.manifest.Revoke == "" || f.manifest.Introspect == "" {
		t.Fatalf("%+v", f.manifest)
	}
}

func (f *foreign) introspect(t *testing.T, token string) (s seen) {
	t.Helper()
	f.send(t, http.MethodPost, f.manifest.Introspect, url.Values{"token": {token}}, &s)
	return s
}

func (f *foreign) send(t *testing.T, method, address string, form url.Values, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("client-1", providertest.ClientSecret)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		t.Fatalf("%s: %v %d %s", address, err, response.StatusCode, text)
	}
}

// typed fills in whatever asks for a person's name.
func typed(filled url.Values) func(*harness.Page) (harness.Form, url.Values, bool) {
	return func(page *harness.Page) (harness.Form, url.Values, bool) {
		if len(page.Forms) == 0 {
			return harness.Form{}, nil, false
		}
		f := page.Forms[0]
		fields := maps.Clone(f.Fields)
		for name, values := range filled {
			if f.Fields.Has(name) {
				fields[name] = values
			}
		}
		return f, fields, true
	}
}

// What is borrowed from panva's oidc-provider, installed by deploy/ci/install-tools.sh.
func TestBorrowFromPanva(t *testing.T) {
	w := start(t, harness.Options{Engine: harness.SQLite, Env: environment()})
	clients, err := json.Marshal([]any{map[string]any{
		"client_id": "client-1", "client_secret": providertest.ClientSecret, "redirect_uris": []string{w.Issuer + "/connect/foreign/callback"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	lender := exec.CommandContext(t.Context(), "node", filepath.Join("..", "idp", "panva", "lender.mjs"))
	lender.Env = append(lender.Environ(), "CHANCERY_CLIENTS="+string(clients))
	var complaints strings.Builder
	lender.Stderr = &complaints
	in, err := lender.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := lender.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lender.Start(); err != nil {
		t.Fatalf("node: %v (deploy/ci/install-tools.sh panva)", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = lender.Wait()
		if t.Failed() {
			t.Log(complaints.String())
		}
	})
	lines := bufio.NewScanner(out)
	says := func(prefix string) string {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), prefix) {
				return lines.Text()
			}
		}
		t.Fatalf("oidc-provider says nothing: %s", complaints.String())
		return ""
	}
	f := &foreign{issuer: says("http://127.0.0.1:"), fill: typed(url.Values{"login": {"alice"}, "password": {"x"}})}
	f.end = func() {
		if _, err := io.WriteString(in, "end\n"); err != nil {
			t.Fatal(err)
		}
		says("ended")
	}
	f.suite(t, w)
}

// What is borrowed from Keycloak, with its standard token exchange.
func TestBorrowFromKeycloak(t *testing.T) {
	w := start(t, harness.Options{Engine: harness.SQLite, Env: environment()})
	password := rand.Text()
	keycloak := harness.StartKeycloak(t, "testdata/lender-realm.json", "",
		"CLIENT_SECRET="+providertest.ClientSecret, "REDIRECT="+w.Issuer+"/connect/foreign/callback", "PASSWORD="+password)
	const admin = "/admin/realms/lender"
	list := func(path string) (found []struct{ ID, Name string }) {
		if err := json.Unmarshal(keycloak.Admin(t, http.MethodGet, admin+path, "application/json", nil), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	client := list("/clients?clientId=client-1")[0].ID
	for _, name := range []string{"a", "b"} {
		keycloak.Admin(t, http.MethodPost, admin+"/client-scopes", "application/json",
			[]byte(`{"name":"`+name+`","protocol":"openid-connect","attributes":{"include.in.token.scope":"true"}}`))
	}
	for _, made := range list("/client-scopes") {
		if made.Name == "a" || made.Name == "b" {
			keycloak.Admin(t, http.MethodPut, admin+"/clients/"+client+"/optional-client-scopes/"+made.ID, "application/json", nil)
		}
	}
	person := list("/users?exact=true&username=alice")[0].ID
	f := &foreign{issuer: keycloak.URL + "/realms/lender", narrows: true, fill: typed(url.Values{"username": {"alice"}, "password": {password}})}
	f.end = func() { keycloak.Admin(t, http.MethodPost, admin+"/users/"+person+"/logout", "application/json", nil) }
	f.suite(t, w)
	t.Logf("Keycloak %s", keycloak.Version)
}

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	vault    = "https://mcp.acme.example/vault"
	bank     = "https://mcp.acme.example/bank"
	document = "https://clients.example/agent.json"
	wallet   = "https://wallet.example/agent.json"
	program  = "com.acme.notes:/callback"
	passkeys = "urn:chancery:acr:passkey"
)

// town is the product with its neighbours: an OpenID provider and two SAML IdPs, places that clients have answers sent
// to, and a browser for everybody.
type town struct {
	*harness.World

	*driver

	works *samltest.IdP // of tenant default; sam and sue are there
	app   string        // where a program on the machine waits, as a redirect URI
	bare  string        // the issuer of a tenant with one IdP and without passkeys
}

func newTown(t *testing.T) *town {
	t.Helper()
	documents, pictures := t.TempDir(), filepath.Join("..", "..", "build", "pages", "product")
	for file, text := range map[string]string{
		"agent.json":  `{"client_id":"` + document + `","client_name":"Notebook","redirect_uris":["https://clients.example/callback","http://127.0.0.1/callback"],"grant_types":["authorization_code","refresh_token"]}`,
		"wallet.json": `{"client_id":"` + wallet + `","client_name":"Acme Payroll","redirect_uris":["https://elsewhere.example/callback"]}`,
	} {
		if err := os.WriteFile(filepath.Join(documents, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := func() time.Time { return time.Now().UTC().Truncate(time.Second) }
	town := &town{works: samltest.New(now)}
	other := samltest.New(now)
	other.EntityID, other.SSO, other.SLO = "https://idp.other.example/metadata", "https://idp.other.example/sso", "https://idp.other.example/slo"

	objects := strings.NewReplacer("WORKS", inYAML(town.works.Metadata())).Replace(objectsOfTown)
	town.World = harness.Start(t, harness.Options{
		Engine: harness.SQLite, Host: "localhost", Objects: objects, Config: map[string]any{"clients.preload": documents}, IdP: idptest.Options{Users: people()},
	})
	town.bare = town.Issuer + "/t/bare"
	town.IdP.AddClient(idptest.Client{
		ID: harness.SignInClientID, Secret: harness.SignInSecret, RedirectURIs: []string{town.Issuer + "/federation/oidc/okta/callback", town.Issuer + "/end_session"},
	})
	town.IdP.AddAudience(idptest.Audience{Issuer: town.Issuer, Resources: []string{harness.Notes, vault}, Scopes: []string{"notes:read", "notes:write", "vault:open"}})
	town.Apply(town.Server(), strings.NewReplacer("OTHER", inYAML(other.Metadata())).Replace(objectsOfBare))

	arrived := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		said := `<!doctype html><html lang="en"><title>Arrived</title><h1>Arrived</h1></html>`
		if r.Method == http.MethodPost {
			said += `<p>by POST</p>`
		}
		_, _ = io.WriteString(w, said)
	})
	local := httptest.NewServer(arrived)
	t.Cleanup(local.Close)
	town.app = local.URL + "/callback"
	hosts := map[string]http.Handler{
		"idp.example": town.works.Handler(serviceProvider(town.Issuer), samltest.Person{Name: "sam", Email: "sam@works.example", Groups: []string{"notes-editors"}}, samltest.Person{Name: "sue", Email: "sue@works.example", Groups: []string{"notes-editors"}},
			samltest.Person{Name: "nina", Email: "nina@works.example", Groups: []string{"notes-editors"}}),
		"idp.other.example": other.Handler(serviceProvider(town.bare), samltest.Person{Name: "sid", Email: "sid@other.example", Groups: []string{"notes-editors"}}),
	}
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := hosts[r.Host]; ok && r.URL.Path != "/slo" {
			h.ServeHTTP(w, r)
			return
		}
		arrived(w, r)
	}))
	t.Cleanup(elsewhere.Close)
	at, err := url.Parse(elsewhere.URL)
	if err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscan(at.Port(), &port); err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs(pictures)
	if err != nil {
		t.Fatal(err)
	}
	town.driver = drive(t, folder, port)
	return town
}

func serviceProvider(issuer string) samltest.SP {
	return samltest.SP{EntityID: issuer + "/federation/saml/works/metadata", ACS: issuer + "/federation/saml/works/acs"}
}

func inYAML(text []byte) string {
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n      ")
}

// people of the OpenID provider: one for each test, so that none sees another's sessions and consents.
func people() []idptest.User {
	var all []idptest.User
	for _, name := range []string{"alice", "bob", "carol", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "leo", "mia", "ned", "oda", "pia"} {
		u := idptest.User{
			Name: name, Subject: "00u" + name, Email: name + "@acme.com", EmailVerified: true, DisplayName: strings.ToUpper(name[:1]) + name[1:] + " Example",
			Groups: []string{idptest.GroupEditors},
		}
		if name == "gus" || name == "hal" {
			u.StepUp = []string{"phr"}
		}
		all = append(all, u)
	}
	return all
}

// browser opens a window that may go where anybody of the town is.
func (town *town) browser(t *testing.T, h how) *window {
	t.Helper()
	app, _, _ := strings.Cut(strings.TrimPrefix(town.app, "http://"), "/")
	h.Origins = append(h.Origins, town.Issuer, town.IdP.Issuer(), "http://"+app)
	for _, host := range []string{"idp", "idp.other", "app", "clients", "elsewhere"} {
		h.Origins = append(h.Origins, "https://"+host+".example")
	}
	return town.open(t, h)
}

// request is an authorization request of client host; the changes are name and value by turns.
func (town *town) request(scope string, changes ...string) harness.CodeRequest {
	r := harness.NewCodeRequest(scope)
	r.Form.Set("redirect_uri", town.app)
	for i := 0; i+1 < len(changes); i += 2 {
		r.Form.Set(changes[i], changes[i+1])
	}
	return r
}

// signIn is what a person does at the IdPs.
func (w *window) signIn(who string) {
	w.t.Helper()
	w.see("Sign in as")
	w.press(strings.ToUpper(who[:1]) + who[1:] + " Example")
}

func (w *window) signInBySAML(who string) {
	w.t.Helper()
	w.see("Who are you?")
	w.press(who)
	w.press("Continue")
}

// throughOkta chooses the OpenID provider and signs in there.
func (w *window) throughOkta(who string) {
	w.t.Helper()
	w.see("Sign in")
	w.press("Continue with Acme Okta")
	w.signIn(who)
}

// answer waits for the answer to a request, at the place that it names.
func (w *window) answer(r harness.CodeRequest) url.Values {
	w.t.Helper()
	return query(w.t, w.arrive(r.Form.Get("redirect_uri")+"?"))
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return at.Query()
}

// tokens exchanges the code of an answer.
func (town *town) tokens(t *testing.T, issuer string, r harness.CodeRequest, answer url.Values) map[string]any {
	t.Helper()
	if answer.Get("code") == "" || answer.Get("state") != r.State || answer.Get("iss") != issuer {
		t.Fatalf("answered %v", answer)
	}
	status, tokens := ask(t, issuer+"/token", r.Exchange(answer.Get("code")))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	return tokens
}

func text(members map[string]any, name string) string {
	s, _ := members[name].(string)
	return s
}

// refreshed tells whether a refresh token still gives something.
func (town *town) refreshed(t *testing.T, tokens map[string]any) (map[string]any, bool) {
	t.Helper()
	status, answer := ask(t, town.Issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(tokens, "refresh_token")}, "client_id": {harness.Host}})
	return answer, status == http.StatusOK
}

// ask posts a form as a program does.
func ask(t *testing.T, target string, form url.Values) (int, map[string]any) {
	t.Helper()
	return post(t, target, "application/x-www-form-urlencoded", form.Encode())
}

func post(t *testing.T, target, kind, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("%s: %d %s", target, response.StatusCode, raw)
	}
	return response.StatusCode, members
}

package vend_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	grantType   = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessToken = "urn:ietf:params:oauth:token-type:access_token"
	scope       = "issues:read"
)

// providerObject is a service with a fake behind it.
const providerObject = `
apiVersion: chancery/v1
kind: Provider
metadata: {name: {{name}}}
spec:
  display_name: Tracker
  own_manifest:
    name: {{name}}
    extends: oauth2
    authorization_url: {{fake}}/as.example.com/authorize
    token_url: {{fake}}/as.example.com/token
    revoke: {url: "{{fake}}/as.example.com/revoke", format: form}
    probe: {url: "{{fake}}/as.example.com/me", id: id, label: [login]}
    refresh: {{refresh}}
  network: {allow_private_addresses: true}
  client_id: client-1
  client_secret: {{secret}}
  scope_map: {"issues:read": [a], "issues:write": [b]}
  default_scopes: ["issues:read"]
  allow: {clients: [claude], resources: [notes]}
---`

const lending = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: lending}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [vend]}
  modules: {"lending.rego": "package chancery.authz\ndecision := {\"allow\": true, \"scopes\": input.requested.scopes} if input.client.name == \"claude\"\n"}
---`

const (
	singleUse   = "{rotation: single_use}"
	reuseWindow = "{rotation: reuse_window, reuse_window: 5m}"
)

// objects are those of sign-in, and a client that may borrow.
var objects = strings.NewReplacer(
	"applies_to: {resources: [notes]}", "applies_to: {resources: [notes], actions: [issue, authorize, refresh, connect]}",
	`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "`+grantType+`"]`,
).Replace(harness.SignInObjects) + lending

// scene is a world in which agents borrow.
type scene struct {
	*harness.World
	t *testing.T

	secret, reference string // ours at the fakes, and where it is
}

func start(t *testing.T, o harness.Options) scene {
	t.Helper()
	if o.Objects == "" {
		o.Objects = objects
	}
	return scene{harness.Start(t, o), t, providertest.ClientSecret, "{env: " + harness.ProviderSecret + "}"}
}

// environment has our secret at the fakes, unless it is given otherwise.
func environment(more ...string) []string {
	return append(more, harness.ProviderSecret+"="+providertest.ClientSecret)
}

// service is a fake provider. The token that comes of a code is due at once; those that come of a refresh live for an hour.
type service struct {
	*providertest.Server
	name   string
	object string // as it was applied

	mu    sync.Mutex
	given []string // every access and refresh token
}

// serve starts a fake provider, and makes it known.
func (w scene) serve(name, refresh string) *service {
	w.t.Helper()
	s := &service{name: name}
	p, ok := providertest.Named("oauth2")
	if !ok {
		w.t.Fatal("no profile")
	}
	p.Redirect = w.Issuer + "/connect/" + name + "/callback"
	if refresh == reuseWindow {
		p.Rotation, p.Window = "reuse_window", 5*time.Minute
	}
	p.Secret = w.secret
	plain := p.Issued
	p.Issued = func(i providertest.Issued) map[string]any {
		if !i.Again {
			i.Life = 15 * time.Second
		}
		s.mu.Lock()
		s.given = append(s.given, i.Access, i.Refresh)
		s.mu.Unlock()
		return plain(i)
	}
	s.Server = providertest.Start(p, time.Now)
	w.t.Cleanup(s.Close)
	s.object = strings.NewReplacer("{{name}}", name, "{{fake}}", s.URL(), "{{refresh}}", refresh, "{{secret}}", w.reference).Replace(providerObject)
	w.Apply(w.Server(), s.object)
	return s
}

// secrets are the tokens that the provider gave so far.
func (s *service) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.given), func(one string) bool { return one == "" })
}

// presented counts how often each refresh token came to the provider.
func (s *service) presented() map[string]int {
	all := map[string]int{}
	for _, r := range s.Seen() {
		if r.Form.Get("grant_type") == "refresh_token" {
			all[r.Form.Get("refresh_token")]++
		}
	}
	return all
}

// signedIn is a person who is signed in.
func (w scene) signedIn(name string) *harness.Person {
	w.t.Helper()
	p := harness.NewPerson(w.t, name)
	says(w.t, p.GoOn(p.Open(w.Issuer+"/account")), http.StatusOK, "Your account")
	return p
}

func says(t *testing.T, page *harness.Page, status int, text string) {
	t.Helper()
	if page.Status != status || !strings.Contains(page.Body, text) {
		t.Fatalf("%d, want %d and %q: %s", page.Status, status, text, page.Body)
	}
}

// returns has a person go to the provider and come back.
func (w scene) returns(p *harness.Person, s *service) *harness.Page {
	w.t.Helper()
	s.As(p.Name)
	p.StopAt(s.URL())
	away := p.Press(p.Open(w.Issuer+"/connect/"+s.name), "decision", "allow")
	p.StopAt("")
	if away.Outside == nil {
		w.t.Fatalf("no way to the provider: %d %s", away.Status, away.Body)
	}
	back, err := s.Visit(away.Outside.String())
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Open(away.Outside.Query().Get("redirect_uri") + "?" + back.Encode())
}

// connects has a person connect an account, or do so again.
func (w scene) connects(p *harness.Person, s *service) {
	w.t.Helper()
	says(w.t, p.Press(w.returns(p, s), "decision", "allow"), http.StatusOK, "Tracker")
}

// token is one of ours for a person's agent.
func (w scene) token(who string) string {
	w.t.Helper()
	return w.Redeem(w.IdP.IDJAG(who)).Granted(w.t).AccessToken
}

// vend is the request for a provider's token.
func (w scene) vend(token, provider string) *harness.Call {
	form := url.Values{
		"grant_type": {grantType}, "subject_token": {token}, "subject_token_type": {accessToken}, "audience": {provider}, "scope": {scope},
		"client_id": {harness.ClientID}, "client_secret": {w.Secret},
	}
	return &harness.Call{Form: maps.Clone(form), Header: http.Header{}}
}

// borrow sends it to a replica.
func (w scene) borrow(p *harness.Process, who, provider string) harness.Answer {
	w.t.Helper()
	return w.Send(p, w.vend(w.token(who), provider))
}

// told lists the bodies of the audit events of a type.
func (w scene) told(kind string) []string {
	w.t.Helper()
	return harness.Strings(w.t, w.DB.Open(w.t), "select body from audit_events where type = '"+kind+"' and body is not null")
}

// metric is the value of a line of the metrics of a process, as text; "" for none.
func (w scene) metric(line string) string {
	w.t.Helper()
	a := w.AdminRequest(http.MethodGet, "/metrics", nil)
	if a.Status != http.StatusOK {
		w.t.Fatalf("%d %s", a.Status, a.Body)
	}
	for one := range strings.Lines(a.Body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(one), line+" "); ok {
			return value
		}
	}
	return ""
}

// people who borrow.
const (
	alice = idptest.Alice
	bob   = idptest.Bob
)

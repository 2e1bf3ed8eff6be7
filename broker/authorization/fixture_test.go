package authorization_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
)

const (
	issuer    = "https://auth.acme.com"
	redirect  = "https://app.example/cb"
	notesURI  = "https://mcp.acme.com/notes"
	wikiURI   = "https://mcp.acme.com/wiki"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
	jkt       = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" // RFC 9449 §6.1
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 400_000_000, time.UTC)

const objects = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.com/notes
  scopes: {"notes:read": {risk: low}, "notes:write": {risk: high, implies: ["notes:read"]}, "notes:admin": {risk: high}, openid: {}}
  default_scopes: ["notes:read"]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.com/wiki", scopes: {"wiki:read": {}, email: {}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: old}
spec: {uri: "https://mcp.acme.com/old", disabled: true, scopes: {"old:read": {}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: payroll}
spec: {uri: "https://mcp.acme.com/payroll", scopes: {"payroll:read": {}}}
`

// asked is a valid request before it is parsed; a test breaks one thing of it.
type asked struct {
	form       url.Values
	client     client.Client
	redirects  []string
	mustPush   bool
	via        authorization.Via
	tenant     *snapshot.Tenant
	thumbprint string
	now        time.Time
}

type change func(*asked)

func picture(t testing.TB) *snapshot.Tenant {
	t.Helper()
	_, source := snapshottest.New(t, issuer, func() time.Time { return now }, objects)
	tenant, err := source.Get(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

func valid(t *snapshot.Tenant) *asked {
	return &asked{
		form: url.Values{
			"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {redirect}, "state": {"s1"}, "scope": {"notes:read notes:write"},
			"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {notesURI},
		},
		client: client.Client{
			UID: "cli_1", Name: "app", ClientID: "app", Type: client.Confidential, Auth: client.Auth{Method: client.MethodBasic},
			GrantTypes: []string{"authorization_code", "refresh_token"},
			Scopes:     []string{"notes:write", "wiki:read", "old:read", "profile", "email"}, Resources: []string{"notes", "wiki", "old"},
		},
		redirects: []string{redirect, "https://app.example/other?tenant=1", "http://127.0.0.1/cb", "http://[::1]:7777/cb", "http://localhost/cb", "com.example.app:/cb"},
		via:       authorization.Browser, tenant: t, now: now,
	}
}

func (a *asked) parse(t testing.TB) (authorization.Request, error) {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	if err != nil {
		return authorization.Request{}, err
	}
	party := authorization.Party{RedirectURIs: a.redirects, MustPush: a.mustPush}
	if a.client.ClientID != "" {
		party.Client = &a.client
	}
	return authorization.Parse(authorization.Ask{Form: form, Via: a.via, Party: party, Tenant: a.tenant, Now: a.now, Thumbprint: a.thumbprint, Hint: hints})
}

// hints knows one ID token.
func hints(token string) (string, bool) { return "usr_alice", token == "a.b.c" }

func param(name string, values ...string) change {
	return func(a *asked) { a.form[name] = values }
}

func without(name string) change { return func(a *asked) { a.form.Del(name) } }

func both(changes ...change) change {
	return func(a *asked) {
		for _, c := range changes {
			c(a)
		}
	}
}

// mustParse requires that a request is accepted.
func mustParse(t testing.TB, a *asked) authorization.Request {
	t.Helper()
	r, err := a.parse(t)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shown and returned require that a refusal is of the one kind, and not of the other.
func shown(t *testing.T, err error, want oauth.Code) {
	t.Helper()
	s, ok := errors.AsType[*authorization.Shown](err)
	if !ok || s.Refusal.Code != want || oauth.AsError(err).Code != want {
		t.Errorf("got %v, want %s shown", err, want)
	}
}

func returned(t *testing.T, err error, want oauth.Code) *authorization.Returned {
	t.Helper()
	r, ok := errors.AsType[*authorization.Returned](err)
	if !ok || r.Refusal.Code != want || oauth.AsError(err).Code != want {
		t.Fatalf("got %v, want %s returned", err, want)
	}
	return r
}

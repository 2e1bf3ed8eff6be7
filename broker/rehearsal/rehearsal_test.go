package rehearsal_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/keys/keystest"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/policy"
)

const ours = "https://auth.acme.com"

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  issuer: ISSUER
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [agent], resources: [notes], scopes: ["notes:read", "notes:write"]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: agent}
spec:
  auth: {method: METHOD}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write"]
  resources: [notes]
  plan: pro
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {}, "notes:write": {}}, token: {claims: [groups]}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, groups: [staff], identities: [{idp: acme, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: everything}
spec:
  role: grant
  modules:
    m.rego: |
      package chancery.authz

      decision := {"allow": input.client.auth_method == "METHOD", "scopes": ["notes:read"], "reasons": [{"code": "test_rule", "detail": "all"}]}
`

const workload = `---
apiVersion: chancery/v1
kind: Workload
metadata: {name: main}
spec: {idp: acme, match: {sub: "repo:acme/app:ref:refs/heads/main"}, client: agent, resources: [notes], scopes: ["notes:read"]}
`

type scene struct {
	t      *testing.T
	idp    *idptest.Running
	source *snapshot.Source
	stage  rehearsal.Stage
	ledger *untouched
}

// untouched is what a rehearsal must not touch.
type untouched struct{ touched bool }

func (u *untouched) Commit(context.Context, ledger.Entry) error { u.touched = true; return nil }
func (u *untouched) Add(audit.Event, string)                    { u.touched = true }
func (u *untouched) Granted(string, string, oauth.Code)         { u.touched = true }
func (u *untouched) Checked([]audit.Check)                      { u.touched = true }
func (u *untouched) Decided(time.Duration, string)              { u.touched = true }

func newScene(t *testing.T, method string) *scene {
	t.Helper()
	idp := idptest.Start(t, idptest.Options{
		Clients: []idptest.Client{{ID: "agent"}}, Audiences: []idptest.Audience{{Issuer: ours, Resources: []string{"https://mcp.acme.com/notes"}, Scopes: []string{"notes:read", "notes:write"}}},
	})
	text := strings.NewReplacer("ISSUER", idp.Issuer(), "METHOD", method).Replace(objects)
	if method == "private_key_jwt" {
		text = strings.Replace(text, "{method: private_key_jwt}", "{method: private_key_jwt, jwks_uri: https://keys.invalid/}", 1)
	}
	if method == "workload" {
		text = strings.Replace(text, "[id-jag]", "[workload]", 1) + workload
	}
	_, source := snapshottest.New(t, ours, time.Now, text)
	getter := fetch.New(fetch.Policy{Mode: "allow"})
	cache := jwks.NewCache(getter, time.Now)
	t.Cleanup(cache.Close)
	clients, err := client.NewAuthenticator(source.Clients(), cache, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	evaluator := policy.NewInProcess(5 * time.Second)
	t.Cleanup(evaluator.Close)
	u := &untouched{}
	return &scene{t: t, idp: idp, source: source, ledger: u, stage: rehearsal.Stage{
		Clients: source.Clients(), Fetch: getter, Now: time.Now,
		Grant: grant.Config{
			Clients: clients, Assertions: &assertion.Verifier{Keys: cache, Now: time.Now}, Directories: source.Users(), Policy: evaluator, Records: records{},
			Signers: keystest.Rings(t, time.Now), Journal: u, Lane: u, Pictures: source, Observer: u, Now: time.Now,
		},
	}}
}

func (s *scene) run(compact string) rehearsal.Result {
	s.t.Helper()
	picture, err := s.source.Get(s.t.Context(), "default")
	if err != nil {
		s.t.Fatal(err)
	}
	result, err := s.stage.Run(s.t.Context(), rehearsal.Ask{Tenant: picture, Assertion: compact})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.ledger.touched {
		s.t.Fatal("a rehearsal was recorded")
	}
	return result
}

// Every method: the stand-in comes in the client's own way, which the policy asks for.
func TestGranted(t *testing.T) {
	for _, method := range []string{"client_secret_basic", "client_secret_post", "private_key_jwt"} {
		t.Run(method, func(t *testing.T) {
			s := newScene(t, method)
			compact := s.idp.IDJAG("alice")
			for range 2 { // it is not used up
				result := s.run(compact)
				if !result.Granted || result.Code != "" {
					t.Fatalf("%+v", result)
				}
				var claims struct {
					Issuer string `json:"iss"`
					Scope  string `json:"scope"`
					Plan   string `json:"plan"`
					Client string `json:"client_id"`
				}
				if err := json.Unmarshal(result.Token, &claims); err != nil || claims.Issuer != ours || claims.Scope != "notes:read" || claims.Plan != "pro" || claims.Client != "agent" {
					t.Errorf("%s %v", result.Token, err)
				}
				if !strings.Contains(string(result.Policy), "test_rule") {
					t.Errorf("policy %s", result.Policy)
				}
				if last := result.Rows[len(result.Rows)-1]; last.Check != "token" || last.Status != diagnose.Pass {
					t.Errorf("%+v", result.Rows)
				}
			}
		})
	}
}

// One mutation of a valid assertion, one code: the same as at the token endpoint.
func TestRefused(t *testing.T) {
	s := newScene(t, "client_secret_post")
	for name, c := range map[string]struct {
		compact string
		code    federation.Code
		check   string
	}{
		"audience":       {s.idp.IDJAG("alice", idptest.WithAudience(ours+"/")), federation.CodeAudNotUs, "aud"},
		"resource":       {s.idp.IDJAG("alice", idptest.WithResource("https://mcp.acme.com/other")), federation.CodeResourceUnknown, "resource"},
		"subject":        {s.idp.IDJAG("eve"), federation.CodeSubjectUnmatched, ""},
		"no scope":       {s.idp.IDJAG("alice", idptest.WithoutClaim("scope")), federation.CodeScopeNotAsserted, "scope"},
		"unknown client": {s.idp.IDJAG("alice", idptest.WithClientID("nobody")), federation.Code(oauth.CodeClientAuthenticationFailed), "request"},
	} {
		t.Run(name, func(t *testing.T) {
			result := s.run(c.compact)
			if result.Granted || result.Code != string(c.code) || result.Token != nil {
				t.Fatalf("%+v", result)
			}
			var failed []diagnose.Row
			for _, row := range result.Rows {
				if row.Status == diagnose.Fail {
					failed = append(failed, row)
				}
			}
			if len(failed) != 1 || failed[0].Code != c.code || failed[0].Change == "" || c.check != "" && failed[0].Check != c.check {
				t.Errorf("%+v", failed)
			}
			if last := result.Rows[len(result.Rows)-1]; last.Check != "token" || last.Status != diagnose.Skipped {
				t.Errorf("last row %+v", last)
			}
		})
	}
}

// A workload's token leads to its client by a rule: no credential is stood in for, and the assertion names no client.
func TestWorkload(t *testing.T) {
	s := newScene(t, "workload")
	compact := s.idp.Workload(idptest.WithAudience(ours))
	if result := s.run(compact); !result.Granted {
		t.Fatalf("%+v", result)
	}
	if result := s.run(s.idp.Workload(idptest.WithAudience(ours), idptest.WithClaim("sub", "repo:acme/app:ref:refs/heads/dev"))); result.Granted || result.Code != string(oauth.CodeWorkloadUnmatched) {
		t.Fatalf("%+v", result)
	}
}

func TestIncomplete(t *testing.T) {
	if _, err := (rehearsal.Stage{}).Run(t.Context(), rehearsal.Ask{}); !errors.Is(err, rehearsal.ErrIncomplete) {
		t.Error(err)
	}
	if text := (rehearsal.Ask{Assertion: "secret"}).String(); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

// records write a decision down as it is.
type records struct{}

func (records) Record(_ tenant.UID, _ *policy.Set, in *policy.Input, d policy.Decision) (input, result []byte, err error) {
	if input, err = in.JSON(); err == nil {
		result, err = json.Marshal(d)
	}
	return input, result, err
}

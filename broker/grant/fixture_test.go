package grant_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/keys/keystest"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/policy"
)

const (
	issuer     = "https://auth.acme.com"
	notesURI   = "https://mcp.acme.com/notes"
	wikiURI    = "https://mcp.acme.com/wiki"
	secretText = snapshottest.Secret
	idpIssuer  = "https://idp.acme.com"
)

// now is a whole second and a bit, so that what is cut to seconds shows.
var now = time.Date(2026, 11, 21, 12, 0, 0, 400_000_000, time.UTC)

const configuration = `apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec: {plan: enterprise}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  preset: generic
  issuer: https://idp.acme.com
  jwks: {inline: KEYS}
  assertions: {profiles: [id-jag], algorithms: [ES256], clients: [agent], resources: [notes, wiki, old], scopes: ["notes:read", "notes:write", "wiki:read"]}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: agent}
spec:
  auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write", "wiki:read"]
  resources: [notes, wiki, old]
  plan: pro
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.com/notes
  scopes: {"notes:read": {risk: low}, "notes:write": {risk: high, implies: ["notes:read"]}, "notes:admin": {risk: high}}
  default_scopes: ["notes:read"]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.com/wiki", scopes: {"wiki:read": {}}}
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

      decision := {"allow": true, "scopes": input.resource.scopes, "reasons": [{"code": "test_rule", "detail": "all"}]}
`

// world is the grant with everything real but the ledger, the lane and the network.
type world struct {
	*grant.Grants
	idp     *idptest.IdP
	source  *snapshot.Source
	journal *journal
	lane    *lane
	seen    *observer
	rings   *keys.Rings
	now     time.Time
	store   *snapshottest.Shelf
}

// change is a difference to the configuration above.
type change struct{ from, to string }

// policyOf replaces the policy by one whose decision is the given expression.
func policyOf(decision string) change {
	return change{`decision := {"allow": true, "scopes": input.resource.scopes, "reasons": [{"code": "test_rule", "detail": "all"}]}`, "decision := " + decision}
}

func newWorld(t *testing.T, changes ...change) *world {
	t.Helper()
	w := &world{journal: &journal{}, lane: &lane{}, seen: &observer{}, now: now}
	clock := func() time.Time { return w.now }
	text := configuration
	for _, c := range changes {
		if !strings.Contains(text, c.from) {
			t.Fatalf("the configuration does not hold %q", c.from)
		}
		text = strings.Replace(text, c.from, c.to, 1)
	}
	idp, err := idptest.New(idptest.Options{
		Issuer: issuerIn(text), Now: clock, Clients: []idptest.Client{{ID: "agent"}},
		Audiences: []idptest.Audience{{Issuer: issuer, Resources: []string{notesURI}, Scopes: []string{"notes:read", "notes:write"}}},
	})
	must(t, err)
	w.idp = idp
	w.store, w.source = snapshottest.New(t, issuer, clock, strings.Replace(text, "KEYS", strings.TrimSpace(string(idp.Keys())), 1))
	cache := jwks.NewCache(fetch.New(fetch.Policy{Mode: "deny"}), clock)
	t.Cleanup(cache.Close)
	clients, err := client.NewAuthenticator(w.source.Clients(), cache, clock)
	must(t, err)
	w.rings = keystest.Rings(t, clock)
	w.Grants, err = grant.New(grant.Config{
		Clients: clients, Assertions: &assertion.Verifier{Keys: cache, Now: clock}, Directories: w.source.Users(),
		Policy: policy.NewInProcess(5 * time.Second), Records: masks(t), Signers: w.rings, Journal: w.journal, Lane: w.lane,
		Pictures: w.source, Observer: w.seen, Now: clock,
	})
	must(t, err)
	return w
}

// masks write decisions down in the clear, so that tests see what policy saw.
func masks(t *testing.T) *decision.Masks {
	t.Helper()
	m, err := decision.NewMasks(pseudonymKey{}, []string{"!assertion.claims", "!user.sub", "!user.email", "!user.attributes", "!requested.authorization_details", "!network.ip"})
	must(t, err)
	return m
}

type pseudonymKey struct{}

func (pseudonymKey) Derive(string) ([][]byte, error) { return [][]byte{make([]byte, 32)}, nil }

// issuerIn is the issuer of the one IdP in a configuration.
func issuerIn(text string) string {
	_, rest, _ := strings.Cut(text, "\n  issuer: ")
	found, _, _ := strings.Cut(rest, "\n")
	return found
}

// assertion is a valid ID-JAG of alice, changed by options.
func (w *world) assertion(t *testing.T, options ...idptest.Option) string {
	t.Helper()
	compact, err := w.idp.IDJAG(idptest.Alice, options...)
	must(t, err)
	return compact
}

// ask is a token request; change what should be different.
type ask struct {
	form   url.Values
	proofs []string
	trace  string
}

func (w *world) ask(t *testing.T, options ...idptest.Option) ask {
	t.Helper()
	return ask{trace: "trc_1", form: url.Values{
		"grant_type": {oauth.GrantTypeJWTBearer}, "assertion": {w.assertion(t, options...)},
		"client_id": {"agent"}, "client_secret": {secretText},
	}}
}

func (a ask) with(name string, values ...string) ask {
	a.form[name] = values
	return a
}

func (w *world) send(t *testing.T, a ask) (grant.Response, error) {
	t.Helper()
	return w.sendWith(t, t.Context(), a)
}

func (w *world) sendWith(t *testing.T, ctx context.Context, a ask) (grant.Response, error) {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	must(t, err)
	picture, err := w.source.Get(t.Context(), "default")
	must(t, err)
	return w.Token(ctx, grant.Request{Tenant: picture, Trace: a.trace, Remote: "192.0.2.1", Form: form, Proofs: a.proofs})
}

// granted sends what must be granted, and returns the token's claims.
func (w *world) granted(t *testing.T, a ask) (grant.Response, token.Token) {
	t.Helper()
	response, err := w.send(t, a)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	picture, err := w.source.Get(t.Context(), "default")
	must(t, err)
	ring, err := w.rings.Ring(t.Context(), picture.UID)
	must(t, err)
	minted, err := token.Verify(response.AccessToken, token.Expectation{Issuer: issuer, Audience: response.Resource, Ring: ring, Now: w.now})
	must(t, err)
	return response, minted
}

// answer is a refusal as it leaves.
type answer struct {
	wire       oauth.Wire
	retryAfter time.Duration
}

// refused sends what must be refused with a code.
func (w *world) refused(t *testing.T, a ask, code oauth.Code) answer {
	t.Helper()
	response, err := w.send(t, a)
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != code {
		t.Fatalf("answered %v, want %s", err, code)
	}
	if response != (grant.Response{}) {
		t.Fatalf("a refusal with %+v", response)
	}
	return answer{wire: refusal.Wire(issuer, a.trace), retryAfter: refusal.RetryAfter}
}

// holder is a client's DPoP key.
type holder struct {
	key        *ecdsa.PrivateKey
	jwk        map[string]any
	thumbprint string
}

func newHolder(t *testing.T) holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	raw, err := key.PublicKey.Bytes()
	must(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": encode(raw[1:33]), "y": encode(raw[33:])}
	encoded, err := json.Marshal(jwk)
	must(t, err)
	parsed, err := jwks.ParseKey(encoded)
	must(t, err)
	return holder{key: key, jwk: jwk, thumbprint: parsed.Thumbprint}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package grant_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	redirectURI = "http://127.0.0.1/cb"
	verifier    = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// appSpec makes the agent a client that people use.
var appSpec = []change{
	{`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: [authorization_code, refresh_token]
  redirect_uris: ["http://127.0.0.1/cb", "https://agent.example/cb"]`},
	{"claims: {groups: groups, groups_from: [claim]}", "oidc: {client_id: chancery, client_secret: {env: OIDC_SECRET}}\n  claims: {groups: groups, groups_from: [claim]}"},
}

// public makes it a public client.
var publicSpec = change{"auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}", "type: public\n  auth: {method: none}"}

// rootKeys are keys in their order.
type rootKeys struct{ keys [][]byte }

func (k *rootKeys) Derive(purpose string) ([][]byte, error) {
	all := make([][]byte, len(k.keys))
	for i, key := range k.keys {
		sum := sha256.Sum256(append([]byte(purpose), key...))
		all[i] = sum[:]
	}
	return all, nil
}

// people is a world in which alice has signed in, and a database of families and sessions in memory.
type people struct {
	*world
	keys     *rootKeys
	codes    *code.Codes
	tokens   *refresh.Tokens
	limits   refresh.Limits
	session  *session.Session // nil: it has ended
	idle     bool             // it is, and lasts
	profile  *session.Profile
	fails    error
	families *families
}

// families keeps what the journal was told, as the database does.
type families struct {
	mu   sync.Mutex
	all  map[string]*refresh.Family
	now  func() time.Time
	fail error
	took int64 // the version at which everything was taken back
}

func (f *families) TakenBack(_ context.Context, _ tenant.UID, g refresh.Given) (bool, error) {
	if g.UserUID == "" || g.ClientUID == "" || g.IdPUID == "" || g.Version < 1 {
		return false, errors.New("something given by nobody")
	}
	return f.took > g.Version, f.fail
}

func (f *families) Family(_ context.Context, t tenant.UID, id string) (refresh.Family, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.all[id]
	switch {
	case f.fail != nil:
		return refresh.Family{}, f.fail
	case !ok || found.Tenant != t:
		return refresh.Family{}, refresh.ErrUnknown
	}
	copied := *found
	copied.Now = f.now()
	return copied, nil
}

// settle does what an entry says; nothing where its family has moved.
func (f *families) settle(e ledger.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := e.Rotation; r != nil {
		found := f.all[r.Family]
		if found == nil || found.End != nil || found.Generation != r.From {
			return ledger.ErrMoved
		}
		if !r.Repeat {
			found.Generation++
			found.RotatedAt, found.IdleUntil = f.now(), f.now().Add(r.Idle)
		}
	}
	if n := e.Family; n != nil {
		f.all[n.ID] = &refresh.Family{
			Family: *n, Generation: 1, BeganAt: f.now(), RotatedAt: f.now(), IdleUntil: f.now().Add(n.Idle), ExpiresAt: f.now().Add(n.Absolute),
		}
	}
	if e.Ending != nil {
		f.end(e.Ending.Origin, e.Ending.Why)
	}
	return nil
}

func (f *families) end(origin, why string) {
	for _, found := range f.all {
		if found.Origin == origin && found.End == nil {
			found.End = &refresh.End{Why: why, At: f.now()}
		}
	}
}

// only is the one family there is.
func (f *families) only(t *testing.T) *refresh.Family {
	t.Helper()
	if len(f.all) != 1 {
		t.Fatalf("%d families", len(f.all))
	}
	return slices.Collect(maps.Values(f.all))[0]
}

func newPeople(t *testing.T, changes ...change) *people {
	t.Helper()
	w := newWorld(t, append(slices.Clone(appSpec), changes...)...)
	p := &people{
		world: w, keys: &rootKeys{keys: [][]byte{{1}}},
		limits:   refresh.Limits{Grace: 10 * time.Second, Idle: 24 * time.Hour, Absolute: 72 * time.Hour},
		families: &families{all: map[string]*refresh.Family{}, now: func() time.Time { return w.now }},
	}
	var err error
	p.codes, err = code.New(p.keys, func() time.Time { return w.now })
	must(t, err)
	p.tokens, err = refresh.NewTokens(p.keys)
	must(t, err)
	w.journal.families = p.families
	c := w.Config
	c.People = &grant.People{Codes: p.codes, Tokens: p.tokens, Families: p.families, Sessions: p, Limits: p.limits, Clients: w.source.Clients()}
	w.Grants, err = grant.New(c)
	must(t, err)
	picture := p.picture(t)
	p.session = &session.Session{
		Handle: [32]byte{7}, Tenant: picture.UID, UserUID: p.uid(t, "alice"), IdPUID: p.idpUID(t), Proof: session.Proof{
			ACR: "phr", AMR: []string{"hwk"}, AuthTime: w.now.Add(-time.Minute).Truncate(time.Second),
		}, StartedAt: w.now.Add(-time.Minute), SeenAt: w.now, ExpiresAt: w.now.Add(8 * time.Hour),
	}
	p.profile = &session.Profile{GroupsState: "complete", Groups: []string{"editors"}, Subject: "00u1alice", Name: "Alice", Email: "alice@acme.com"}
	return p
}

func (p *people) picture(t *testing.T) *snapshot.Tenant {
	t.Helper()
	picture, err := p.source.Get(t.Context(), "default")
	must(t, err)
	return picture
}

func (p *people) uid(t *testing.T, name string) string {
	t.Helper()
	found, err := p.store.Get(t.Context(), p.picture(t).UID, "User", name)
	must(t, err)
	return found.UID
}

func (p *people) idpUID(t *testing.T) string {
	t.Helper()
	found, err := p.store.Get(t.Context(), p.picture(t).UID, "IdentityProvider", "acme")
	must(t, err)
	return found.UID
}

// edit applies an object as changed, on another replica.
func (p *people) edit(t *testing.T, kind object.Kind, name string, change func(spec map[string]any)) {
	t.Helper()
	stored, err := p.store.Get(t.Context(), p.picture(t).UID, kind, name)
	must(t, err)
	var spec map[string]any
	must(t, json.Unmarshal(stored.Spec, &spec))
	change(spec)
	stored.Spec, err = json.Marshal(spec)
	must(t, err)
	stored.Revision++
	_, err = p.store.Apply(t.Context(), object.Write{Tenant: stored.Tenant, Changes: []object.Change{{Stored: stored, Narrows: true}}})
	must(t, err)
	p.refreshed(t)
}

// decides changes what policy says.
func (p *people) decides(t *testing.T, decision string) {
	t.Helper()
	p.edit(t, object.KindPolicy, "everything", func(spec map[string]any) {
		spec["modules"] = map[string]any{"m.rego": "package chancery.authz\n\ndecision := " + decision + "\n"}
	})
}

// refreshed has the replica see it.
func (p *people) refreshed(t *testing.T) {
	t.Helper()
	before := p.picture(t)
	p.store.Newer++
	_, err := p.source.Refresh(t.Context(), before)
	must(t, err)
}

// Alive, Lasts and Profile are a keeper of one session.
func (p *people) Alive(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*session.Session, error) {
	if p.idle {
		return nil, p.fails
	}
	return p.Lasts(ctx, t, handle)
}

func (p *people) Lasts(_ context.Context, _ *snapshot.Tenant, handle [32]byte) (*session.Session, error) {
	if p.fails != nil || p.session == nil || handle != [32]byte{7} {
		return nil, p.fails
	}
	return p.session, nil
}

func (p *people) Profile(context.Context, *snapshot.Tenant, string, string) (session.Profile, bool, error) {
	if p.profile == nil {
		return session.Profile{}, false, p.fails
	}
	return *p.profile, true, p.fails
}

// request is what the browser comes with; change what should be different.
func (p *people) request(t *testing.T, params map[string]string) authorization.Request {
	t.Helper()
	form := url.Values{
		"client_id": {"agent"}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "state": {"s"}, "resource": {notesURI},
		"scope": {"openid notes:read notes:write offline_access"}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"}, "nonce": {"n1"},
	}
	for name, value := range params {
		form[name] = strings.Fields(value)
		if name == "scope" {
			form[name] = []string{value}
		}
	}
	parsed, err := oauth.ParseForm([]byte(form.Encode()))
	must(t, err)
	picture := p.picture(t)
	found, err := p.source.Clients().Lookup(t.Context(), picture.UID, "agent")
	must(t, err)
	request, err := authorization.Parse(authorization.Ask{
		Form: parsed, Via: authorization.Browser, Party: authorization.Party{Client: found, RedirectURIs: found.RedirectURIs}, Tenant: picture, Now: p.now,
	})
	must(t, err)
	return request
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *people) consideration(t *testing.T, params map[string]string) grant.Consideration {
	t.Helper()
	return grant.Consideration{Tenant: p.picture(t), Trace: "trc_1", Remote: "192.0.2.1", Request: p.request(t, params), Session: *p.session}
}

// code has alice agree to what policy lets the agent have.
func (p *people) code(t *testing.T, params map[string]string) string {
	t.Helper()
	k := p.consideration(t, params)
	considered, err := p.Consider(t.Context(), k)
	must(t, err)
	sealed, err := p.Code(t.Context(), grant.CodeOrder{Consideration: k, Considered: considered, Identity: k.Request.Identity(), Offline: k.Request.Offline()})
	must(t, err)
	return sealed.Reveal()
}

// exchange is a valid token request with a code.
func (p *people) exchange(t *testing.T, params map[string]string) ask {
	t.Helper()
	return ask{trace: "trc_2", form: url.Values{
		"grant_type": {oauth.GrantTypeAuthorizationCode}, "code": {p.code(t, params)}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		"client_id": {"agent"}, "client_secret": {secretText},
	}}
}

// refresh is a valid token request with a refresh token.
func (p *people) refresh(token string) ask {
	return ask{trace: "trc_3", form: url.Values{
		"grant_type": {oauth.GrantTypeRefreshToken}, "refresh_token": {token}, "client_id": {"agent"}, "client_secret": {secretText},
	}}
}

// first has a refresh token.
func (p *people) first(t *testing.T, params map[string]string) grant.Response {
	t.Helper()
	response, _ := p.granted(t, p.exchange(t, params))
	if response.RefreshToken == "" {
		t.Fatal("no refresh token")
	}
	return response
}

// unnamed is a request without the client's secret.
func (a ask) unnamed() ask {
	a.form.Del("client_secret")
	return a
}

var proofs int

// proved adds a fresh proof.
func (a ask) proved(t *testing.T, h holder, at time.Time) ask {
	t.Helper()
	proofs++
	a.proofs = []string{h.proof(t, at, func(c map[string]any) { c["jti"] = fmt.Sprint("proof-", proofs) })}
	return a
}

package authorize_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/saml"
)

const (
	issuer   = "https://auth.acme.com"
	notes    = "https://mcp.acme.com/notes"
	callback = "https://agents.acme.com/callback"
	verifier = "a-verifier-that-is-long-enough-for-rfc-7636-0123"
)

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec: {preset: generic, issuer: "https://okta.test", oidc: {client_id: chancery, client_secret: {env: IDP}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {description: "Read notes", risk: low}, "notes:write": {description: "Change notes", risk: high}}, default_scopes: ["notes:read"]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: agent}
spec: {type: public, redirect_uris: ["https://agents.acme.com/callback", "http://127.0.0.1/callback", "com.acme.agent:/callback"], post_logout_redirect_uris: ["https://agents.acme.com/bye"],
  grant_types: [authorization_code, refresh_token], scopes: ["notes:read", "notes:write", profile, email], resources: [notes]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: pusher}
spec: {auth: {method: client_secret_basic, secret: {env: PUSHER}}, redirect_uris: ["https://agents.acme.com/callback"], require_pushed_authorization_requests: true, grant_types: [authorization_code], scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: bare}
spec: {}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta, tenant: acme}
spec: {preset: generic, issuer: "https://okta.test", oidc: {client_id: chancery, client_secret: {env: IDP}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes, tenant: acme}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: agent, tenant: acme}
spec: {type: public, redirect_uris: ["https://agents.acme.com/callback"], grant_types: [authorization_code], scopes: ["notes:read"], resources: [notes]}
`

const secondIdP = `---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: entra}
spec: {preset: generic, issuer: "https://entra.test", oidc: {client_id: chancery, client_secret: {env: IDP}}, domains: [partner.example]}
`

// house is the way with fakes at its edges: the IdP, policy and the database.
type house struct {
	t        *testing.T
	server   *broker.Server
	desk     *authorize.Desk
	source   *snapshot.Source
	requests *requests
	pushes   *pushes
	sessions *sessions
	idp      *provider
	grants   *grants
	consents *consents
	lane     *lane
	ways     *ways
	budget   *budget
	now      time.Time
	vouch    func(*client.Client) // edits what the registry gives
}

func newHouse(t *testing.T, more ...string) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), lane: &lane{}}
	clock := func() time.Time { return h.now }
	_, h.source = snapshottest.New(t, issuer, clock, objects+strings.Join(more, ""))
	h.requests = &requests{kept: map[string]authorize.Pending{}}
	h.sessions = &sessions{h: h, alive: map[string]session.Session{}}
	h.idp = &provider{h: h, who: "usr_alice", proof: session.Proof{}}
	h.grants = &grants{h: h}
	h.consents = &consents{}
	h.ways, h.budget = &ways{}, &budget{}
	rules, err := consent.NewRules(h.consents, clock)
	must(t, err)
	h.pushes = &pushes{kept: map[authorization.Handle]authorization.PushedRequest{}}
	pushed, err := authorization.NewPushes(h.pushes, clock)
	must(t, err)
	authenticator, err := client.NewAuthenticator(registry{h.source.Clients(), h}, noKeys{}, clock)
	must(t, err)
	h.desk, err = authorize.New(authorize.Config{
		Clients: authenticator, Registry: registry{h.source.Clients(), h}, Requests: h.requests, Pushes: pushed, Sessions: h.sessions, SignIns: h.idp,
		Grants: h.grants, Consents: rules, Hints: hints{}, Budget: h.budget, Journal: h, Lane: h.lane, Log: slog.New(slog.DiscardHandler), Now: clock, Ways: h.ways,
	})
	must(t, err)
	h.server, err = broker.New(broker.Config{
		PublicURL: issuer, Pictures: h.source, Tokens: h, Introspection: about{}, JWKS: h, Ready: func(context.Context) error { return nil }, Observer: h,
		People: h.desk, InFlight: 64, Log: slog.New(slog.DiscardHandler), Now: clock,
	})
	must(t, err)
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The house is whatever else the listener needs.

func (h *house) Token(context.Context, grant.Request) (grant.Response, error) {
	return grant.Response{}, nil
}
func (h *house) TurnAway(grant.Request, error)                    {}
func (h *house) JWKS(context.Context, tenant.UID) ([]byte, error) { return []byte("{}"), nil }
func (h *house) Request(string, int, time.Duration)               {}
func (h *house) Commit(context.Context, ledger.Entry) error       { return nil }

// budget lets everybody in until it is said to be spent.
type budget struct {
	spent bool
	taken int
}

func (b *budget) Take(netip.Prefix) (time.Duration, bool) {
	b.taken++
	return 1500 * time.Millisecond, !b.spent
}

type about struct{}

func (about) Introspect(context.Context, introspect.Request) ([]byte, error) { return nil, nil }
func (about) Revoke(context.Context, introspect.Request) error               { return nil }
func (about) TurnAway(introspect.Request, error)                             {}

type registry struct {
	client.Registry
	h *house
}

func (r registry) Lookup(ctx context.Context, t tenant.UID, id string) (*client.Client, error) {
	c, err := r.Registry.Lookup(ctx, t, id)
	if err != nil || r.h.vouch == nil {
		return c, err
	}
	changed := *c
	r.h.vouch(&changed)
	return &changed, nil
}

type noKeys struct{}

func (noKeys) Keys(context.Context, string, jwks.Source, string) ([]jwks.Key, error) { return nil, nil }

func (noKeys) Renew(context.Context, string, jwks.Source, []jwks.Key) ([]jwks.Key, bool, error) {
	return nil, false, nil
}

type lane struct {
	mu     sync.Mutex
	events []audit.Event
}

func (l *lane) Add(e audit.Event, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// requests is the contract of authorize.Requests in memory.
type requests struct {
	mu   sync.Mutex
	kept map[string]authorize.Pending
	full bool // of strangers'
}

func key(t tenant.UID, handle [32]byte) string { return t.String() + string(handle[:]) }

func (r *requests) Keep(_ context.Context, t tenant.UID, p authorize.Pending) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full && p.ProvedBy == "" {
		return authorize.ErrCrowded
	}
	r.kept[key(t, p.Handle)] = p
	return nil
}

func (r *requests) Find(_ context.Context, t tenant.UID, handle [32]byte, now time.Time) (authorize.Pending, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.kept[key(t, handle)]
	if !ok || !now.Before(p.ExpiresAt) {
		return authorize.Pending{}, authorize.ErrNotWaiting
	}
	return p, nil
}

func (r *requests) Move(_ context.Context, t tenant.UID, handle [32]byte, turn int64, to authorize.Progress) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.kept[key(t, handle)]
	if !ok || p.Turn != turn {
		return authorize.ErrNotWaiting
	}
	p.Progress, p.Turn = to, turn+1
	r.kept[key(t, handle)] = p
	return nil
}

func (r *requests) Take(_ context.Context, t tenant.UID, handle [32]byte, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.kept[key(t, handle)]
	if !ok || !now.Before(p.ExpiresAt) {
		return authorize.ErrNotWaiting
	}
	delete(r.kept, key(t, handle))
	return nil
}

type pushes struct {
	kept map[authorization.Handle]authorization.PushedRequest
	full bool // of strangers'
}

func (p *pushes) Push(_ context.Context, _ tenant.UID, h authorization.Handle, r authorization.PushedRequest) error {
	if p.full && r.ProvedBy == "" {
		return authorization.ErrCrowded
	}
	p.kept[h] = r
	return nil
}

func (p *pushes) Take(_ context.Context, _ tenant.UID, h authorization.Handle, clientUID string, now time.Time) (authorization.PushedRequest, error) {
	r, ok := p.kept[h]
	if !ok || r.ClientUID != clientUID || !now.Before(r.ExpiresAt) {
		return authorization.PushedRequest{}, authorization.ErrNotPushed
	}
	delete(p.kept, h)
	return r, nil
}

// sessions keeps people signed in by a cookie that names the session.
type sessions struct {
	h     *house
	alive map[string]session.Session
	n     int
	err   error
}

func (s *sessions) Current(_ context.Context, t *snapshot.Tenant, r *http.Request) (*session.Session, error) {
	if s.err != nil {
		return nil, s.err
	}
	for _, c := range r.CookiesNamed(session.CookieName(t)) {
		if one, ok := s.alive[c.Value]; ok && one.Tenant == t.UID {
			return &one, nil
		}
	}
	return nil, nil //nolint:nilnil // nobody
}

func (s *sessions) start(t *snapshot.Tenant, user, idpUID string, proof session.Proof) (session.Session, *http.Cookie) {
	s.n++
	name := fmt.Sprintf("session-%d", s.n)
	one := session.Session{
		Handle: sha256.Sum256([]byte(name)), ID: "id-of-" + name, Tenant: t.UID, UserUID: user, IdPUID: idpUID, Proof: proof, StartedAt: s.h.now, SeenAt: s.h.now, ExpiresAt: s.h.now.Add(8 * time.Hour),
	}
	s.alive[name] = one
	return one, cookie(session.CookieName(t), name, 0)
}

// listed is how many one list shows.
const listed = 5

func (s *sessions) List(_ context.Context, t *snapshot.Tenant, user string) ([]session.Session, error) {
	var all []session.Session
	for _, one := range s.alive {
		if one.Tenant == t.UID && one.UserUID == user {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b session.Session) int { return a.StartedAt.Compare(b.StartedAt) })
	return all[:min(len(all), listed)], nil
}

func (s *sessions) Profile(_ context.Context, _ *snapshot.Tenant, user, _ string) (session.Profile, bool, error) {
	return session.Profile{Name: user, Email: strings.TrimPrefix(user, "usr_") + "@acme.com"}, true, nil
}

func (s *sessions) End(_ context.Context, _ *snapshot.Tenant, handle [32]byte, _ string) error {
	for name, one := range s.alive {
		if one.Handle == handle {
			delete(s.alive, name)
		}
	}
	return nil
}

func (s *sessions) EndAll(_ context.Context, t *snapshot.Tenant, user, _ string) error {
	for name, one := range s.alive {
		if one.Tenant == t.UID && one.UserUID == user {
			delete(s.alive, name)
		}
	}
	return nil
}

func (s *sessions) Forget(t *snapshot.Tenant) *http.Cookie {
	return cookie(session.CookieName(t), "", -1)
}

// provider is an IdP behind one address: whoever the test says comes back.
type provider struct {
	h       *house
	who     string
	proof   session.Proof
	asks    []signin.Ask
	refuse  error // at the departure
	arrives error // at the return
	left    []string
	logout  signin.Departure
	tokens  []string
}

func (s *provider) Depart(_ context.Context, _ *snapshot.Tenant, idp *federation.IdentityProvider, ask signin.Ask, _ *http.Request) (signin.Departure, error) {
	if s.refuse != nil {
		return signin.Departure{}, s.refuse
	}
	s.asks = append(s.asks, ask)
	return signin.Departure{URL: "https://" + idp.Name + ".test/authorize?state=" + url.QueryEscape(ask.Then), Cookies: []*http.Cookie{cookie("__Host-departure", "1", 0)}}, nil
}

func (s *provider) ArriveOpenID(_ context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, values url.Values, _ *http.Request) (signin.Arrival, error) {
	then := values.Get("state")
	if s.arrives != nil {
		return signin.Arrival{Then: then}, s.arrives
	}
	one, cookie := s.h.sessions.start(t, s.who, idp.UID, s.proof)
	return signin.Arrival{Session: one, Then: then, Cookies: []*http.Cookie{cookie}}, nil
}

func (s *provider) ArriveSAML(_ context.Context, _ *snapshot.Tenant, _ *federation.IdentityProvider, form url.Values, _ *http.Request) (signin.Arrival, error) {
	if form.Get("SAMLResponse") == "unasked" {
		return signin.Arrival{Confirm: "waits", Person: "alice@acme.com"}, nil
	}
	return signin.Arrival{}, oauth.Refuse(oauth.CodeSAMLMalformed, "", "")
}

func (s *provider) Confirm(_ context.Context, t *snapshot.Tenant, handle string, _ *http.Request) (signin.Arrival, error) {
	if handle != "waits" {
		return signin.Arrival{}, oauth.Refuse(oauth.CodeSignInExpired, "", "")
	}
	one, cookie := s.h.sessions.start(t, s.who, t.SignIn.IdPs[0].UID, s.proof)
	return signin.Arrival{Session: one, Cookies: []*http.Cookie{cookie}}, nil
}

func (s *provider) HomeRealm(t *snapshot.Tenant, hint string) (*federation.IdentityProvider, bool) {
	_, domain, _ := strings.Cut(hint, "@")
	uid := t.SignIn.Domains[domain]
	for _, idp := range t.SignIn.IdPs {
		if idp.UID == uid {
			return idp, true
		}
	}
	return nil, false
}

func (s *provider) BackChannelLogout(_ context.Context, _ *snapshot.Tenant, _ *federation.IdentityProvider, token string) error {
	if token != "good" {
		return oauth.Refuse(oauth.CodeLogoutTokenMalformed, "", "")
	}
	s.tokens = append(s.tokens, token)
	return nil
}

func (s *provider) SingleLogout(context.Context, *snapshot.Tenant, *federation.IdentityProvider, saml.Incoming, *http.Request) (signin.Departure, error) {
	return s.logout, nil
}

func (s *provider) SignOut(ctx context.Context, t *snapshot.Tenant, one session.Session, back string) (signin.Departure, error) {
	s.left = append(s.left, back)
	return s.logout, s.h.sessions.End(ctx, t, one.Handle, "")
}

func (s *provider) Returned(_ context.Context, _ *snapshot.Tenant, state string, _ *http.Request) (string, []*http.Cookie, bool) {
	return "/signed_out", nil, state == "left"
}

func (s *provider) SAMLMetadata(*snapshot.Tenant, *federation.IdentityProvider) ([]byte, error) {
	return []byte("<EntityDescriptor/>"), nil
}

// grants is policy, and the code.
type grants struct {
	h          *house
	err        error
	needs      string // the acr without which policy asks for a step-up
	considered int
	orders     []grant.CodeOrder
	issue      error
	mu         sync.Mutex
}

func (g *grants) Consider(_ context.Context, c grant.Consideration) (grant.Considered, error) {
	g.mu.Lock()
	g.considered++
	g.mu.Unlock()
	if g.err != nil {
		return grant.Considered{}, g.err
	}
	if g.needs != "" && c.Session.Proof.ACR != g.needs {
		refusal := oauth.Refuse(oauth.CodeStepUpRequired, c.Session.Proof.ACR, g.needs)
		refusal.Members = map[string]any{"acr_values": g.needs, "max_age": int64(300)}
		return grant.Considered{}, refusal
	}
	var all grant.Considered
	for _, r := range c.Request.Resources() {
		all.Resources = append(all.Resources, grant.ConsideredResource{Resource: r, Scopes: oauth.Intersect(c.Request.Scopes(), r.ScopeNames)})
		all.Decisions = append(all.Decisions, "dec_1")
	}
	return all, nil
}

func (g *grants) Code(_ context.Context, o grant.CodeOrder) (secret.Text, error) {
	if g.issue != nil {
		return secret.Text{}, g.issue
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.orders = append(g.orders, o)
	return secret.New("the-code"), nil
}

// consents is the contract of consent.Store in memory.
type consents struct {
	mu     sync.Mutex
	kept   []consent.Consent
	events []audit.Event
}

func (c *consents) Of(_ context.Context, t tenant.UID, user, client string) ([]consent.Consent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.kept), func(one consent.Consent) bool {
		return one.Tenant != t || one.UserUID != user || client != "" && one.ClientUID != client
	}), nil
}

func (c *consents) Give(_ context.Context, given []consent.Consent, e audit.Event) error {
	for _, one := range given {
		c.kept = append(slices.DeleteFunc(c.kept, same(one)), one)
	}
	c.events = append(c.events, e)
	return nil
}

func (c *consents) Withdraw(_ context.Context, t tenant.UID, user, client, resource string, e audit.Event) error {
	n := len(c.kept)
	c.kept = slices.DeleteFunc(c.kept, same(consent.Consent{Tenant: t, UserUID: user, ClientUID: client, ResourceUID: resource}))
	if len(c.kept) == n {
		return consent.ErrNone
	}
	c.events = append(c.events, e)
	return nil
}

func (c *consents) Use(_ context.Context, used []consent.Consent) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range used {
		at := slices.IndexFunc(c.kept, same(one))
		if at < 0 {
			c.kept = append(c.kept, one)
			continue
		}
		c.kept[at].UsedAt = one.UsedAt
	}
	return nil
}

func same(a consent.Consent) func(consent.Consent) bool {
	return func(b consent.Consent) bool {
		return a.Tenant == b.Tenant && a.UserUID == b.UserUID && a.ClientUID == b.ClientUID && a.ResourceUID == b.ResourceUID
	}
}

// hints reads hints of the form user/client.
type hints struct{}

func (hints) Hint(_ context.Context, _ *snapshot.Tenant, token string) (subject, clientID string, err error) {
	subject, clientID, ok := strings.Cut(token, "/")
	if !ok {
		return "", "", fmt.Errorf("no hint of ours")
	}
	return subject, clientID, nil
}

type ways struct{ way *authorize.Way }

func (w *ways) Offered(context.Context, *snapshot.Tenant, session.Session, []string) (authorize.Way, bool, error) {
	if w.way == nil {
		return authorize.Way{}, false, nil
	}
	return *w.way, true, nil
}

// browser keeps cookies, and comes from nowhere or from a page of ours.
type browser struct {
	h       *house
	cookies map[string]string
	site    string // Sec-Fetch-Site of its forms
	below   string // the tenant's path
	meant   bool   // a press of the person's leads to what it does
}

func (h *house) browser() *browser {
	return &browser{h: h, cookies: map[string]string{}, site: "same-origin"}
}

func cookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// pairs takes names with their values.
func pairs(all []string) func(yield func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for pair := range slices.Chunk(all, 2) {
			if !yield(pair[0], pair[len(pair)-1]) {
				return
			}
		}
	}
}

// seen is what a browser got.
type seen struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (b *browser) open(path string) seen { return b.send(http.MethodGet, path, nil) }

func (b *browser) post(path string, form url.Values) seen { return b.send(http.MethodPost, path, form) }

func (b *browser) send(method, path string, form url.Values) seen {
	b.h.t.Helper()
	path = strings.TrimPrefix(path, issuer)
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(b.h.t.Context(), method, issuer+path, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", b.site)
	}
	if b.meant {
		r.Header.Set("Sec-Fetch-User", "?1")
	}
	for name, value := range b.cookies {
		r.AddCookie(cookie(name, value, 0))
	}
	w := httptest.NewRecorder()
	b.h.server.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return seen{t: b.h.t, status: w.Code, header: w.Header(), body: w.Body.String()}
}

// follow goes on, by redirects and pages that go on by themselves, as long as the way is ours or the IdP's.
func (b *browser) follow(s seen) seen {
	b.h.t.Helper()
	for range 20 {
		to := s.onward()
		if u, err := url.Parse(to); err == nil && strings.HasSuffix(u.Host, ".test") {
			idp := strings.TrimSuffix(u.Host, ".test")
			to = b.below + "/federation/oidc/" + idp + "/callback?code=1&state=" + url.QueryEscape(u.Query().Get("state"))
		}
		if !strings.HasPrefix(to, "/") {
			return s
		}
		s = b.open(to)
	}
	b.h.t.Fatal("round in a circle")
	return s
}

var (
	refreshes = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]+)"`)
	tokens    = regexp.MustCompile(`name="token" value="([^"]+)"`)
	actions   = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
)

// onward is where the browser goes by itself; within here without our name.
func (s seen) onward() string {
	if to := s.header.Get("Location"); to != "" {
		return to
	}
	if m := refreshes.FindStringSubmatch(s.body); m != nil {
		return strings.TrimPrefix(html.UnescapeString(m[1]), "https://auth.acme.com")
	}
	return ""
}

func (s seen) find(pattern *regexp.Regexp, what string) string {
	s.t.Helper()
	m := pattern.FindStringSubmatch(s.body)
	if m == nil {
		s.t.Fatalf("%d: no %s on the page:\n%s", s.status, what, s.body)
	}
	return html.UnescapeString(m[1])
}

// press sends a page's form with these values.
func (b *browser) press(s seen, fields ...string) seen {
	b.h.t.Helper()
	form := url.Values{"token": {s.find(tokens, "token")}}
	for name, value := range pairs(fields) {
		form.Set(name, value)
	}
	return b.post(s.find(actions, "form"), form)
}

// answered is the answer to the client in an address.
func (s seen) answered() url.Values {
	s.t.Helper()
	u, err := url.Parse(s.onward())
	if err != nil || !strings.HasPrefix(s.onward(), callback) {
		s.t.Fatalf("%d: no answer to the client: %q\n%s", s.status, s.onward(), s.body)
	}
	return u.Query()
}

// shows is the code on an error page.
func (s seen) shows(code oauth.Code) {
	s.t.Helper()
	row := oauth.Public(code)
	if s.status != row.Status || !strings.Contains(s.body, string(code)) || s.header.Get("Location") != "" || s.header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("%d, want %d %s:\n%s", s.status, row.Status, code, s.body)
	}
}

// asks is a good request; pairs change it, an empty value removes.
func asks(changes ...string) string {
	digest := sha256.Sum256([]byte(verifier))
	form := url.Values{
		"response_type": {"code"}, "client_id": {"agent"}, "redirect_uri": {callback}, "state": {"st"}, "scope": {"notes:read"}, "resource": {notes},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
	}
	for name, value := range pairs(changes) {
		form.Set(name, value)
		if value == "" {
			form.Del(name)
		}
	}
	return "/authorize?" + form.Encode()
}

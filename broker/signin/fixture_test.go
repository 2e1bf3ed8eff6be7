package signin_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/provision"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
	"github.com/chancery-dev/chancery/vault"
)

const (
	ours   = "https://auth.acme.com"
	client = "0oa1chancery"
	secret = "a-secret-at-the-idp"
	self   = ours + "/federation/saml/corp/metadata"
	acs    = ours + "/federation/saml/corp/acs"
	slo    = ours + "/federation/saml/corp/slo"
)

func callback(idp string) string { return ours + "/federation/oidc/" + idp + "/callback" }

// box seals for tests: a blob opens only where it was sealed for.
type box struct{}

type boxed struct {
	AAD  vault.AAD
	Text []byte
}

func (box) Seal(_ context.Context, text []byte, aad vault.AAD) ([]byte, error) {
	if _, err := aad.Bytes(); err != nil {
		return nil, err
	}
	return json.Marshal(boxed{aad, text})
}

func (box) Open(_ context.Context, blob []byte, aad vault.AAD) ([]byte, error) {
	var b boxed
	if json.Unmarshal(blob, &b) != nil || b.AAD != aad {
		return nil, vault.ErrUnopened
	}
	return b.Text, nil
}

// lane remembers what was refused; so does a journal that is one too.
type lane struct {
	mu     sync.Mutex
	events []audit.Event
}

func (l *lane) Add(e audit.Event, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// count is how many events tell of a refusal.
func (l *lane) count(code oauth.Code) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(l.events), func(e audit.Event) bool { return e.Code != string(code) }))
}

// bounded is the lane of strangers, of which the other knows too.
type bounded struct{ all, strangers *lane }

func (b bounded) Add(e audit.Event, source string) {
	b.all.Add(e, source)
	b.strangers.Add(e, source)
}

type journal struct {
	*lane
	ledger *ledger.Ledger
}

func (j journal) Commit(ctx context.Context, e ledger.Entry) error {
	err := j.ledger.Commit(ctx, e)
	if conflict, lost := errors.AsType[*ledger.Conflict](err); lost {
		j.Add(e.Conflict(conflict.Lost), "")
	} else if err == nil {
		j.Add(e.Event, "")
	}
	return err
}

// house is a tenant, two OpenID providers, a SAML IdP, and a desk over a real database.
type house struct {
	*signin.Desk
	t       *testing.T
	d       *storetest.Database
	store   *store.Store // of this replica
	offset  atomic.Int64
	path    *object.Path
	source  *snapshot.Source
	keeper  *session.Keeper
	makers  *provision.Provisioner
	lane    *lane // all that is told
	bounded *lane // of it, what is told of strangers
	rp      *oidc.RelyingParty
	okta    *idptest.Running
	other   *idptest.Running
	corp    *samltest.IdP
	sp      samltest.SP
	changes []func(*snapshot.Tenant)
}

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec:
  issuer: OKTA
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256]}
  subject: {match: [sub], provision: just_in_time, email_domains: [acme.com]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: other}
spec:
  issuer: OTHER
  network: {allow_private_addresses: true}
  assertions: {profiles: [id-jag], algorithms: [ES256]}
  subject: {match: [sub]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: corp}
spec:
  issuer: CORP
  assertions: {profiles: [id-jag], algorithms: [ES256], saml_entity_ids: [CORP]}
  subject: {match: [sub_id, sub], provision: just_in_time, email_domains: [acme.com]}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, identities: [{idp: okta, sub: ALICE}]}
`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHouse(t *testing.T, d *storetest.Database) *house {
	t.Helper()
	h := &house{t: t, d: d, store: d.Store, lane: &lane{}, bounded: &lane{}}
	start := func(name string) *idptest.Running {
		return idptest.Start(t, idptest.Options{Now: h.now, Clients: []idptest.Client{{
			ID: client, Secret: secret, RedirectURIs: []string{callback(name), ours + "/signed-out"},
		}}})
	}
	h.okta, h.other, h.corp = start("okta"), start("other"), samltest.New(h.now)
	key := samltest.RSAKey(3)
	h.sp = samltest.SP{EntityID: self, ACS: acs, SLO: slo, Certificate: samltest.Certificate(key, h.now().Add(-time.Hour), h.now().AddDate(1, 0, 0))}
	h.build(t)
	alice, err := h.okta.User(idptest.Alice)
	must(t, err)
	h.apply(strings.NewReplacer("OKTA", h.okta.Issuer(), "OTHER", h.other.Issuer(), "CORP", h.corp.EntityID, "ALICE", alice.Subject).Replace(objects))
	return h
}

// build makes another desk over the same database, as another replica would.
func (h *house) build(t *testing.T) {
	t.Helper()
	writer := h.d.Ledger(t, h.store)
	stored := h.d.ObjectsOf(t, h.store)
	var err error
	h.path, err = object.NewPath(object.Config{Store: stored, Keys: stored, Secrets: stored, Checker: regocheck.Checker{}, Now: h.now})
	must(t, err)
	quiet := slog.New(slog.DiscardHandler)
	h.source, err = snapshot.New(snapshot.Config{Store: stored, Versions: h.store, PublicURL: ours, Now: h.now, Log: quiet})
	must(t, err)
	h.keeper, err = session.New(session.Config{Store: h.store.Sessions(writer), Directories: h.source.Users(), Now: h.now, Log: quiet})
	must(t, err)
	told := journal{h.lane, writer}
	h.makers, err = provision.New(provision.Config{Path: h.path, Objects: stored, Directories: h.source.Users(), Journal: told, Now: h.now, Log: quiet})
	must(t, err)
	door := fetch.New(fetch.Policy{Mode: "allow"})
	keys := jwks.NewCache(door, h.now)
	t.Cleanup(keys.Close)
	h.rp = oidc.New(door, keys, h.now)
	h.Desk, err = signin.New(signin.Config{
		OpenID: h.rp, SAML: &saml.Verifier{Now: h.now}, Sessions: h.keeper, Endings: h.store.Sessions(writer), Departures: h.store.Departures(),
		Directories: h.source.Users(), Provisioner: h.makers, Linker: h.makers, Journal: told, Lane: bounded{h.lane, h.bounded}, Sealer: box{}, Now: h.now, Log: quiet,
	})
	must(t, err)
}

// replica is another process over the same database, where the engine takes more than one.
func (h *house) replica(t *testing.T) *house {
	t.Helper()
	twin := &house{t: t, d: h.d, store: h.store, lane: h.lane, bounded: h.bounded, okta: h.okta, other: h.other, corp: h.corp, sp: h.sp}
	if h.d.Role != "" {
		twin.store = h.d.Open(t)
	}
	twin.build(t)
	return twin
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.offset.Load())).UTC() }

func (h *house) pass(d time.Duration) { h.offset.Add(int64(d)) }

func (h *house) apply(text string) {
	h.t.Helper()
	parsed, err := object.Decode(strings.NewReader(text), object.Options{})
	must(h.t, err)
	_, err = h.path.ApplyAll(h.t.Context(), parsed, object.Request{Manager: object.ManagerApply, By: audit.Principal{Kind: "system"}})
	must(h.t, err)
	must(h.t, h.source.Poll(h.t.Context()))
}

// tenant is the picture now, with the ways to sign in.
func (h *house) tenant() *snapshot.Tenant { return h.tenantNamed("default") }

func (h *house) tenantNamed(name string) *snapshot.Tenant {
	h.t.Helper()
	_ = h.source.Poll(h.t.Context())
	picture, err := h.source.Get(h.t.Context(), name)
	must(h.t, err)
	t := *picture
	t.SignIn = snapshot.SignIn{
		OpenID: map[string]*oidc.Entry{}, Idle: 30 * time.Minute, Absolute: 12 * time.Hour, Domains: map[string]string{},
	}
	for _, idp := range t.Registry.All() {
		t.SignIn.IdPs = append(t.SignIn.IdPs, idp)
		if idp.Name == "corp" {
			p := h.provider(idp)
			if t.SignIn.SAML, err = saml.NewRegistry([]*saml.Provider{p}); err != nil {
				h.t.Fatal(err)
			}
			t.SignIn.Domains["corp.example"] = idp.UID
			continue
		}
		t.SignIn.Domains[idp.Name+".example"] = idp.UID
		t.SignIn.OpenID[idp.UID] = &oidc.Entry{
			Provider: idp, ClientID: client, Authentication: oidc.AuthSecretBasic, Secret: oidc.NewSecret(secret),
			Algorithms: []string{"ES256", "RS256"}, Scopes: []string{"openid", "profile", "email"}, CallbackURL: callback(idp.Name),
			PostLogoutURL: ours + "/signed-out", ClockSkew: 30 * time.Second, Dialect: oidc.Dialect{StepUp: oidc.StepUpACRValues},
		}
	}
	for _, change := range h.changes {
		change(&t)
	}
	return &t
}

func (h *house) provider(idp *federation.IdentityProvider) *saml.Provider {
	return &saml.Provider{
		IdP: idp, EntityID: h.corp.EntityID, Certificates: []*x509.Certificate{h.corp.Certificate},
		SignOn: []saml.Endpoint{{Binding: saml.BindingRedirect, Location: h.corp.SSO}},
		Logout: []saml.Endpoint{{Binding: saml.BindingRedirect, Location: h.corp.SLO}},
		Self: saml.ServiceProvider{
			EntityID: self, ACS: acs, SLO: slo, Signing: []saml.SigningKey{{Certificate: h.sp.Certificate, Signer: samltest.RSAKey(3)}},
		},
		Attributes: saml.AttributeNames{Email: "email"}, SignRequests: true, ACR: map[string]string{"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": "pwd"},
	}
}

func (h *house) idp(t *snapshot.Tenant, name string) *federation.IdentityProvider {
	h.t.Helper()
	idp, ok := t.Registry.Named(name)
	if !ok {
		h.t.Fatalf("no IdP %s", name)
	}
	return idp
}

// browser keeps cookies as one does: by name, Secure ones too.
type browser struct{ cookies map[string]*http.Cookie }

func newBrowser() *browser { return &browser{cookies: map[string]*http.Cookie{}} }

func (b *browser) take(cookies []*http.Cookie) {
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c
	}
}

// request is one of the browser's; from another site only what is SameSite=None comes with a POST.
func (b *browser) request(method string, abroad bool) *http.Request {
	r := httptest.NewRequest(method, ours, nil)
	for _, c := range b.cookies {
		if !abroad || method != http.MethodPost || c.SameSite == http.SameSiteNoneMode {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) //nolint:gosec // as a browser sends it
		}
	}
	return r
}

func (b *browser) clone() *browser {
	return &browser{cookies: maps.Clone(b.cookies)}
}

func (h *house) depart(b *browser, idp string, ask signin.Ask) signin.Departure {
	h.t.Helper()
	t := h.tenant()
	departure, err := h.Depart(h.t.Context(), t, h.idp(t, idp), ask, b.request(http.MethodGet, false))
	must(h.t, err)
	b.take(departure.Cookies)
	return departure
}

// visit goes to an OpenID provider, up to the redirect to us.
func (h *house) visit(target string) url.Values {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, target, nil)
	must(h.t, err)
	plain := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := plain.Do(request)
	must(h.t, err)
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		h.t.Fatalf("%d without a redirect from %s", response.StatusCode, target)
	}
	return location.Query()
}

func (h *house) arrive(b *browser, idp string, values url.Values) (signin.Arrival, error) {
	h.t.Helper()
	t := h.tenant()
	arrival, err := h.ArriveOpenID(h.t.Context(), t, h.idp(t, idp), values, b.request(http.MethodGet, true))
	b.take(arrival.Cookies)
	return arrival, err
}

// signIn goes the whole way at an OpenID provider.
func (h *house) signIn(b *browser, idp string, ask signin.Ask) (signin.Arrival, error) {
	h.t.Helper()
	if ask.LoginHint == "" {
		ask.LoginHint = idptest.Alice
	}
	return h.arrive(b, idp, h.visit(h.depart(b, idp, ask).URL))
}

func (h *house) mustSignIn(b *browser, idp string, ask signin.Ask) signin.Arrival {
	h.t.Helper()
	arrival, err := h.signIn(b, idp, ask)
	must(h.t, err)
	return arrival
}

func (h *house) current(b *browser) *session.Session {
	h.t.Helper()
	s, err := h.keeper.Current(h.t.Context(), h.tenant(), b.request(http.MethodGet, false))
	must(h.t, err)
	return s
}

// refused wants exactly the code, and the story of it in the log.
func (h *house) refused(err error, code oauth.Code) {
	h.t.Helper()
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != code {
		h.t.Fatalf("got %v, want %s", err, code)
	}
	h.lane.mu.Lock()
	defer h.lane.mu.Unlock()
	told := slices.ContainsFunc(h.lane.events, func(e audit.Event) bool { return e.Code == string(code) && e.Outcome == audit.Refused && e.Trace != "" })
	if !told {
		h.t.Errorf("nothing tells of %s", code)
	}
}

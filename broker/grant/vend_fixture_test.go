package grant_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// lendingSpec adds to the configuration a provider, a server of the resource, and somebody else's client.
var lendingSpec = []change{
	{`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange", client_credentials]`},
	{"claims: {groups: groups, groups_from: [claim]}", "oidc: {client_id: chancery, client_secret: {env: OIDC_SECRET}}\n  claims: {groups: groups, groups_from: [claim]}"},
	{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  server: {client: notes-server}\n  token: {claims: [groups]}\n"},
	{"kind: User\nmetadata: {name: alice}", `kind: Client
metadata: {name: notes-server}
spec: {auth: {method: client_secret_post, secret: {env: SERVER_SECRET}}, grant_types: ["urn:ietf:params:oauth:grant-type:token-exchange"]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: other}
spec:
  auth: {method: client_secret_post, secret: {env: OTHER_SECRET}}
  grant_types: ["urn:ietf:params:oauth:grant-type:token-exchange"]
  scopes: ["notes:read"]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: tracker}
spec:
  manifest: linear
  client_id: client-1
  client_secret: {env: TRACKER_SECRET}
  scope_map: {"issues:read": [read], "issues:write": [read, write], "admin": [admin]}
  allow: {clients: [agent], resources: [notes]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}`},
}

// lender is a world in which providers lend. Beside the database all of it is real: the keeper, the seal, and what speaks to
// the provider over HTTP.
type lender struct {
	*world
	server  *providertest.Server
	engine  *provider.Provider
	memory  *connectiontest.Memory
	sealer  vault.Sealer
	keeper  *connection.Keeper
	links   []connect.Order
	revoked map[string]bool
	behind  int64
	vends   []string
	alerts  []connection.AlertKind
	outage  error // of what seals
	findErr error
}

// Standing implements introspect.Records on what the journal was told.
func (l *lender) Standing(ctx context.Context, _ tenant.UID, refs []lifecycle.Ref) (lifecycle.Standing, error) {
	picture, err := l.source.Get(ctx, "default")
	if err != nil {
		return lifecycle.Standing{}, err
	}
	standing := lifecycle.Standing{Version: picture.Version + l.behind, Known: make([]*lifecycle.Known, len(refs))}
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	for i, r := range refs {
		for _, e := range l.journal.entries {
			if k := e.Token; k != nil && k.ID == r.ID {
				standing.Known[i] = &lifecycle.Known{
					ClientUID: k.ClientUID, Subject: k.Subject, IdPUID: k.IdPUID, ResourceUID: k.ResourceID, Audience: k.Audience, ExpiresAt: k.ExpiresAt,
					Revoked: l.revoked[k.ID],
				}
			}
		}
	}
	return standing, nil
}

// Engine, Downstream and Link stand for the rooms beside.
func (l *lender) Engine(context.Context, *snapshot.Tenant, *snapshot.Provider) (*provider.Provider, error) {
	return l.engine, nil
}

func (l *lender) Downstream(context.Context, string, string) (connection.Downstream, error) {
	return connection.Downstream{Provider: l.engine, Rotation: l.engine.Manifest().Refresh.Rotation, ReuseWindow: time.Duration(l.engine.Manifest().Refresh.ReuseWindow)}, nil
}

func (l *lender) Link(_ context.Context, o connect.Order) (string, error) {
	l.links = append(l.links, o)
	return "lnk_01KAK6Z5G00000000000000000", nil
}

func (l *lender) Vended(name string, code oauth.Code) {
	l.vends = append(l.vends, name+"|"+string(code))
}

// shelved is a store that is away when a test says so.
type shelved struct{ *lender }

func (b shelved) Held(ctx context.Context, t string, o connection.Owner, p string) ([]connection.Stored, error) {
	if b.findErr != nil {
		return nil, b.findErr
	}
	return b.memory.Held(ctx, t, o, p)
}

// Seal and Open are the sealer's, unless it is away.
func (l *lender) Seal(ctx context.Context, plaintext []byte, aad vault.AAD) ([]byte, error) {
	return l.sealer.Seal(ctx, plaintext, aad)
}

func (l *lender) Open(ctx context.Context, blob []byte, aad vault.AAD) ([]byte, error) {
	if l.outage != nil {
		return nil, l.outage
	}
	return l.sealer.Open(ctx, blob, aad)
}

func newLender(t *testing.T, changes ...change) *lender {
	t.Helper()
	return newLenderOf(t, "linear", changes...)
}

// newLenderOf speaks to the fake that stands for a manifest.
func newLenderOf(t *testing.T, manifest string, changes ...change) *lender {
	t.Helper()
	all := append([]change{}, lendingSpec...)
	switch manifest {
	case "linear":
	case "client-credentials", "token-exchange": // which a company completes with its addresses
		all = append(all, change{"manifest: linear", "own_manifest: {extends: " + manifest + ", name: " + manifest + ", token_url: https://as.example.com/token}"})
	default:
		all = append(all, change{"manifest: linear", "manifest: " + manifest})
	}
	l := &lender{world: newWorld(t, append(all, changes...)...), revoked: map[string]bool{}}
	clock := func() time.Time { return l.now }
	profile, ok := providertest.Named(manifest)
	if !ok {
		t.Fatal("no fake", manifest)
	}
	l.server = providertest.Start(profile, clock)
	t.Cleanup(l.server.Close)
	picture := l.picture(t)
	p, ok := picture.Provider("tracker")
	if !ok || p.Unusable != "" {
		t.Fatalf("no provider: %+v", p)
	}
	var err error
	l.engine, err = provider.New(p.Manifest, provider.Settings{
		ClientID: providertest.ClientID, ClientSecret: provider.NewSecret(providertest.ClientSecret), RedirectURL: providertest.Redirect,
		Transport: l.server.Transport(), Now: clock,
	})
	must(t, err)
	l.memory, l.sealer = connectiontest.NewMemory(clock), connectiontest.Keyring(t, l.now)
	l.keeper, err = connection.New(connection.Config{
		Store: l.memory, Sealer: l, Providers: l, Shelf: &connectiontest.Shelf{}, Replica: "one", Log: slog.New(slog.DiscardHandler), Now: clock,
		Alert: func(_ context.Context, a connection.Alert) { l.alerts = append(l.alerts, a.Kind) },
	})
	must(t, err)
	lending, err := downstream.NewLender(downstream.Lender{
		Finder: shelved{l}, Keeper: l.keeper, Source: l, Signers: l.rings, Algorithm: "ES256", Log: slog.New(slog.DiscardHandler), Now: clock,
	})
	must(t, err)
	subjects, err := introspect.New(introspect.Config{
		Clients: l.Clients, Registry: l.source.Clients(), Directories: l.source.Users(), Rings: l.rings, Records: l, Pictures: l.source,
		Journal: l.journal, Lane: l.lane, Now: clock,
	})
	must(t, err)
	c := l.Config
	c.Vending = &grant.Vending{Subjects: subjects, Downstream: lending, Connecting: l, Observer: l}
	l.Grants, err = grant.New(c)
	must(t, err)
	return l
}

func (l *lender) picture(t *testing.T) *snapshot.Tenant {
	t.Helper()
	picture, err := l.source.Get(t.Context(), "default")
	must(t, err)
	return picture
}

func (l *lender) uidOf(t *testing.T, kind, name string) string {
	t.Helper()
	found, err := l.store.Get(t.Context(), l.picture(t).UID, object.Kind(kind), name)
	must(t, err)
	return found.UID
}

// token is an access token of alice's for notes.
func (l *lender) token(t *testing.T) string {
	t.Helper()
	response, err := l.send(t, l.ask(t, idptest.WithClaim("groups", []string{"staff"})))
	must(t, err)
	return response.AccessToken
}

// connects has somebody connect an account, through the provider's own pages.
func (l *lender) connects(t *testing.T, owner connection.Owner, login string, scopes ...string) connection.Connection {
	t.Helper()
	l.server.As(login)
	address, departure, err := l.engine.Authorize(provider.Ask{Scopes: scopes})
	must(t, err)
	query, err := l.server.Visit(address)
	must(t, err)
	code, err := l.engine.Arrive(query, departure)
	must(t, err)
	credential, account, err := l.engine.Exchange(t.Context(), code, departure)
	must(t, err)
	p, _ := l.picture(t).Provider("tracker")
	ref := connection.Ref{Tenant: l.picture(t).UID.String(), ID: connection.NewID(l.now), Owner: owner, Provider: p.UID}
	stored := connectiontest.New(t, l.sealer, ref, credential, l.now)
	stored.Account = account
	must(t, l.memory.Create(t.Context(), stored))
	return stored.Connection
}

func (l *lender) alice(t *testing.T) connection.Owner {
	return connection.Owner{Kind: connection.User, UID: l.uidOf(t, "User", "alice")}
}

// exchange is a valid request for a provider's token.
func (l *lender) exchange(t *testing.T) ask {
	t.Helper()
	return ask{trace: "trc_2", form: url.Values{
		"grant_type": {oauth.GrantTypeTokenExchange}, "subject_token": {l.token(t)}, "subject_token_type": {oauth.TypeAccessToken},
		"audience": {"tracker"}, "scope": {"issues:read"}, "client_id": {"agent"}, "client_secret": {secretText},
	}}
}

// lent sends what must be lent, and the provider must take what comes.
func (l *lender) lent(t *testing.T, a ask) grant.Response {
	t.Helper()
	response, err := l.send(t, a)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if response.Vended == nil || response.RefreshToken != "" || !l.server.Works(response.AccessToken) {
		t.Fatalf("lent %+v, which works: %v", response.Vended, l.server.Works(response.AccessToken))
	}
	return response
}

// declined is a refusal, which a test may look at.
type declined struct {
	Members map[string]any
	of      *oauth.Error
}

func (d declined) Wire(issuer, trace string) oauth.Wire { return d.of.Wire(issuer, trace) }

func (d declined) Wait() time.Duration { return d.of.Wait() }

// notLent sends what must be refused with a code, without a token.
func (l *lender) notLent(t *testing.T, a ask, code oauth.Code) declined {
	t.Helper()
	response, err := l.send(t, a)
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != code {
		t.Fatalf("answered %v, want %s", err, code)
	}
	if response != (grant.Response{}) {
		t.Fatalf("a refusal with %+v", response)
	}
	return declined{refusal.Members, refusal}
}

// hides fails where one of the fake's tokens, or ours, is in a text.
func (l *lender) hides(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("a token is in %.200s", text)
		}
	}
}

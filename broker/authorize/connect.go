package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Connects brings people to providers and back; *connect.Desk does.
type Connects interface {
	Open(ctx context.Context, tenant, text string) (connect.Link, error)
	Depart(ctx context.Context, w connect.Wish) (string, error)
	Enter(ctx context.Context, w connect.Wish, user string, entered provider.Secret) (connect.Arrival, error)
	Arrive(ctx context.Context, tenant, providerUID string, query url.Values, p connect.Person) (connect.Arrival, error)
	Waiting(ctx context.Context, tenant, text string, p connect.Person) (connect.Waiting, error)
	Confirm(ctx context.Context, tenant, text string, p connect.Person, site, providerName string, v connect.Visit) (connect.Made, error)
	Decline(ctx context.Context, tenant, text string, p connect.Person) (connect.Waiting, error)
}

// MayConnect asks policy; *grant.Grants does.
type MayConnect interface {
	MayConnect(ctx context.Context, q grant.ConnectQuestion) error
}

// Holdings are the connections that people have.
type Holdings interface {
	// Owned lists what an owner connected anywhere and has not ended.
	Owned(ctx context.Context, t tenant.UID, owner connection.Owner) ([]connection.Connection, error)
	// Test asks the provider whose account a connection is to.
	Test(ctx context.Context, t *snapshot.Tenant, c connection.Connection) (provider.Account, error)
	// Remove ends a connection here, and at the provider as well as it goes: ended tells whether it is.
	Remove(ctx context.Context, t *snapshot.Tenant, c connection.Connection, by downstream.By) (ended bool, err error)
}

// SignInFreshness is how old a sign-in may be with which a person goes to connect an account (or a proof of his own): whoever
// finds a browser that somebody left open must not make agents work with his own account there.
const SignInFreshness = 15 * time.Minute

const (
	connectPath     = "/connect/"
	connectionsPath = "/connections"
)

// Connecting is where people connect accounts at other services, and see what is connected.
type Connecting struct {
	Desk     *Desk
	Connects Connects
	Policy   MayConnect
	Holdings Holdings
}

// NewConnecting refuses one in which a part is missing, and mounts it beside the desk's own pages.
func NewConnecting(c Connecting) (*Connecting, error) {
	if c.Desk == nil || c.Connects == nil || c.Policy == nil || c.Holdings == nil {
		return nil, errors.New("authorize: a part of connecting is missing")
	}
	d := c.Desk
	d.Connected = true
	d.Beside = append(
		d.Beside,
		Route{Path: connectPath + ":provider", Name: "provider", Get: d.shown(c.come), Post: d.shown(c.come)},
		Route{Path: connectPath + ":provider/callback", Name: "provider", Get: d.shown(c.arrive)},
		Route{Path: connectionsPath, Get: d.shown(c.list), Post: d.shown(c.change)},
	)
	d.Errands = append(d.Errands, Errand{Prefix: connect.Prefix, Handle: c.follow})
	return &c, nil
}

// errand is what a person is here for: a provider, and the link that an agent was given, if it was one.
type errand struct {
	provider *snapshot.Provider
	session  *session.Session
	link     *connect.Link
	client   *client.Client // that the link is of
	here     string         // the page's own path, below the issuer
	account  string
	another  bool
	keys     []string // of the provider's scope_map, where the person came by himself
}

// come is the page of a provider, for a person who came by himself or comes back.
func (c *Connecting) come(ctx context.Context, v Visit) (Reply, error) {
	p, err := c.named(v)
	if err != nil {
		return Reply{}, err
	}
	query := v.Request.URL.Query()
	if arrived := query.Get("arrived"); arrived != "" {
		return c.confirm(ctx, v, p, arrived)
	}
	e := errand{provider: p, account: query.Get("account"), another: query.Get("another") == "yes"}
	if e.keys, err = wantedKeys(p, query.Get("scope")); err != nil {
		return Reply{}, err
	}
	kept := url.Values{}
	for _, name := range []string{"account", "another", "scope"} {
		if value := query.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	if e.here = connectPath + p.Name; len(kept) > 0 {
		e.here += "?" + kept.Encode()
	}
	var reply Reply
	if e.session, reply, err = c.Desk.SignedIn(ctx, v, signin.Ask{Then: e.here}); e.session == nil {
		return reply, err
	}
	return c.serve(ctx, v, e)
}

// wantedKeys are what a person connects for who came by himself: what he names, else what the company gives who names
// nothing, else everything that it lends.
func wantedKeys(p *snapshot.Provider, named string) ([]string, error) {
	if named == "" {
		if len(p.DefaultScopes) > 0 {
			return p.DefaultScopes, nil
		}
		return p.Keys(), nil
	}
	keys := strings.Fields(named)
	for _, key := range keys {
		if _, ok := p.ScopeMap[key]; !ok {
			return nil, oauth.Refuse(oauth.CodeProviderScopeUnknown, key, strings.Join(p.Keys(), " "))
		}
	}
	return keys, nil
}

// follow is the page of a link that an agent was given.
func (c *Connecting) follow(ctx context.Context, v Visit) (Reply, error) {
	// 1. The link waits.
	link, err := c.Connects.Open(ctx, v.Tenant.UID.String(), v.Named)
	if err != nil {
		return Reply{}, notConnected(err)
	}
	e := errand{link: &link, here: interactPath + v.Named}
	// 2. Whoever is signed in is the person for whom it waits. Who that is, nobody else is told.
	var reply Reply
	if e.session, reply, err = c.Desk.SignedIn(ctx, v, signin.Ask{Then: e.here, Only: link.UserUID}); e.session == nil {
		return reply, err
	}
	if e.session.UserUID != link.UserUID {
		return Reply{}, oauth.Refuse(oauth.CodeConnectWrongPerson, "another person", "the one for whom it waits")
	}
	// 3. The provider and the client are there still.
	found, ok := v.Tenant.ProviderByUID(link.ProviderUID)
	if !ok || !connectable(found) {
		return Reply{}, oauth.Refuse(oauth.CodeConnectGone, "a provider that is not there any more", "a provider")
	}
	e.provider = found
	if e.client, err = c.clientOf(ctx, v.Tenant, link.ClientID, link.ClientUID); err != nil {
		return Reply{}, err
	}
	return c.serve(ctx, v, e)
}

// clientOf finds the client for which a link is; one that is gone asks for nothing any more.
func (c *Connecting) clientOf(ctx context.Context, t *snapshot.Tenant, clientID, uid string) (*client.Client, error) {
	found, err := c.Desk.Registry.Lookup(ctx, t.UID, clientID)
	if errors.Is(err, client.ErrUnknown) || err == nil && (found.UID != uid || found.Disabled) {
		return nil, oauth.Refuse(oauth.CodeConnectGone, "a client that is not there any more", "a client")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

// named finds the provider of a path. One at which nobody connects is as good as none.
func (c *Connecting) named(v Visit) (*snapshot.Provider, error) {
	p, ok := v.Tenant.Provider(v.Named)
	if !ok || !connectable(p) {
		return nil, oauth.Refuse(oauth.CodeConnectProviderUnknown, v.Named, "a provider at which people connect")
	}
	return p, nil
}

func connectable(p *snapshot.Provider) bool {
	return !p.Disabled && p.OfPeople()
}

// serve shows what the person is asked, or takes what he says.
func (c *Connecting) serve(ctx context.Context, v Visit, e errand) (Reply, error) {
	if !v.posted() {
		return c.ask(ctx, v, e, http.StatusOK, false)
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	again := v.path(e.here)
	if err := v.Check(form, e.topic()...); err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	if form.Get("decision") != "allow" {
		c.declined(v, e.session, e.provider, "not now")
		return c.stopped(v, e.link != nil)
	}
	// 1. The sign-in is fresh: else the person signs in anew, and is asked again.
	if !c.fresh(e.session) {
		idp, ok := idpByUID(v.Tenant, e.session.IdPUID)
		if !ok {
			return Reply{}, failed{error: oauth.Refuse(oauth.CodeSignInIdPUnknown, "an IdP that nobody signs in at", "the session's"), again: again}
		}
		return c.Desk.Depart(ctx, v, idp, signin.Ask{Then: e.here, Only: e.session.UserUID})
	}
	// 2. Policy lets him. It has recorded what it said.
	err = c.Policy.MayConnect(ctx, grant.ConnectQuestion{
		Tenant: v.Tenant, Trace: v.Trace, Remote: v.Remote, Session: *e.session, Provider: e.provider, Client: e.client,
	})
	if err != nil {
		return Reply{}, failed{error: unavailable(err), recorded: true}
	}
	// 3. Off, or the credential is taken here.
	if err := c.Desk.room(v); err != nil {
		return Reply{}, err
	}
	b, ok := browserOf(v.Tenant, v.Request)
	if !ok { // the token has been compared with it
		return Reply{}, oauth.Refuse(oauth.CodeBrowserMismatch, "another browser", "the one that began")
	}
	wish := connect.Wish{
		Tenant: v.Tenant.UID.String(), Person: personOf(v, e.session, b), Provider: e.provider.UID, Scopes: scopesOf(e.provider, e.keys), Account: e.account, Another: e.another,
	}
	if e.link != nil {
		wish.LinkID = v.Named
	}
	if e.provider.Manifest.Kind == provider.Static {
		return c.enter(ctx, v, e, wish, form)
	}
	address, err := c.Connects.Depart(ctx, wish)
	if err != nil {
		return Reply{}, failed{error: notConnected(err), again: again}
	}
	return c.Desk.show(v, http.StatusOK, page.Onward{URL: address})
}

func (c *Connecting) enter(ctx context.Context, v Visit, e errand, wish connect.Wish, form oauth.Form) (Reply, error) {
	back, err := c.Connects.Enter(ctx, wish, form.Get("user"), provider.NewSecret(form.Get("secret")))
	if wrong(err) {
		return c.ask(ctx, v, e, http.StatusBadRequest, true)
	}
	if err != nil {
		return Reply{}, failed{error: notConnected(err), again: v.path(e.here)}
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(arrivedPath(e.provider, back.ID))}, nil
}

// wrong tells that what was typed is no credential, or that the service does not take it.
func wrong(err error) bool {
	refused, ok := errors.AsType[*provider.Error](err)
	return errors.Is(err, provider.ErrNotCredential) || ok && refused.Outcome == provider.Terminal
}

func arrivedPath(p *snapshot.Provider, id string) string {
	return connectPath + p.Name + "?arrived=" + url.QueryEscape(id)
}

func (c *Connecting) fresh(s *session.Session) bool {
	now := c.Desk.Now()
	for _, at := range []time.Time{s.StartedAt, s.Proof.AuthTime} {
		if !at.IsZero() && now.Sub(at) <= SignInFreshness {
			return true
		}
	}
	return false
}

func (e errand) topic() []string {
	topic := []string{"connect", e.provider.UID, handleOf(e.session), e.here}
	if e.link != nil {
		topic = append(topic, e.link.Scopes...)
		return topic
	}
	return append(topic, e.keys...)
}

// ask shows who asks for what. The wishes of a link are the provider's scopes, and shown as the company calls them.
func (c *Connecting) ask(ctx context.Context, v Visit, e errand, status int, wrong bool) (Reply, error) {
	person, err := c.Desk.person(ctx, v.Tenant, e.session)
	if err != nil {
		return Reply{}, err
	}
	token, fresh := v.Token(e.topic()...)
	p := e.provider
	model := page.Connect{
		Action: v.path(e.here), Token: token, Provider: titleOfProvider(p), Person: person, Wrong: wrong,
		Entry: p.Manifest.Kind == provider.Static, User: p.Manifest.Kind == provider.Static && basic(p.Manifest),
	}
	account := e.account
	if e.link != nil {
		model.Client, model.Asked, account = clientOf(e.client), true, e.link.Account
		model.Scopes = shownScopes(p, e.link.Scopes)
	} else {
		model.Scopes = keyScopes(e.keys)
	}
	if model.Account, model.Again, err = c.meant(ctx, v.Tenant, e, account); err != nil {
		return Reply{}, err
	}
	reply, err := c.Desk.show(v, status, model)
	return reply.with(fresh), err
}

// meant is the account that is asked about, where it is connected already.
func (c *Connecting) meant(ctx context.Context, t *snapshot.Tenant, e errand, account string) (label string, again bool, err error) {
	if e.another {
		return "", false, nil
	}
	owned, err := c.Holdings.Owned(ctx, t.UID, connection.Owner{Kind: connection.User, UID: e.session.UserUID})
	if err != nil {
		return "", false, unavailable(err)
	}
	owned = slices.DeleteFunc(owned, func(one connection.Connection) bool { return one.Provider != e.provider.UID })
	one, err := connection.Choose(owned, account)
	if err != nil { // none, or several: it is asked about no account in particular
		return "", false, nil //nolint:nilerr // said above
	}
	return one.Account.Label, true, nil
}

// stopped says that nothing has changed.
func (c *Connecting) stopped(v Visit, agent bool) (Reply, error) {
	if agent {
		return c.Desk.show(v, http.StatusOK, page.Finished{Agent: true, Denied: true})
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(connectionsPath)}, nil
}

func personOf(v Visit, s *session.Session, b browser) connect.Person {
	return connect.Person{UserUID: s.UserUID, Browser: b.digest, Version: v.Tenant.Version}
}

func basic(m provider.Manifest) bool { return strings.EqualFold(m.Present.Scheme, "Basic") }

func titleOfProvider(p *snapshot.Provider) string {
	if p.Title != "" {
		return p.Title
	}
	return p.Name
}

package idptest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Lifetimes of what is issued.
const (
	IDTokenLifetime = time.Hour
	IDJAGLifetime   = 5 * time.Minute
	codeLifetime    = time.Minute
)

// Options describe an IdP. Only Issuer must be given.
type Options struct {
	Issuer    string           // without a trailing slash; requests are served below its path
	Now       func() time.Time // the wall clock when nil
	Users     []User           // People() when nil
	Clients   []Client
	Audiences []Audience
	Algorithm string // of the signing keys: ES256 (when ""), ES384, EdDSA, RS256 or PS256
	// OmitGroups leaves groups out of ID-JAGs, as most IdPs do; ID tokens keep them.
	OmitGroups bool
	// KeysCacheControl is the Cache-Control of the key set; "max-age=300" when "".
	KeysCacheControl string
	// PushedOnly takes authorization requests at PathPushed only (RFC 9126 §5).
	PushedOnly bool
}

// Client is an application that is registered at the IdP.
type Client struct {
	ID           string
	Secret       string // "" for a public client
	RedirectURIs []string
	Key          *Key // of private_key_jwt: instead of a secret
	// IDs is the client's id at each audience's authorization server, by issuer;
	// where there is none, it is the same as here.
	IDs map[string]string
}

// Audience is an authorization server for which the IdP issues ID-JAGs, with the
// resources behind it: the (audience, resource) table of ID-JAG §4.3.
type Audience struct {
	Issuer    string
	Resources []string
	Scopes    []string // what may be asserted; nil for anything
}

// IdP is an identity provider. It is an http.Handler and safe for concurrent use.
type IdP struct {
	options Options
	base    string // path of the issuer
	mux     *http.ServeMux

	mu       sync.Mutex
	users    []User
	clients  []Client
	others   []Audience
	current  string // whom prompt=none finds signed in
	keys     []*Key // the last one signs
	made     int    // keys made so far
	codes    map[string]session
	refresh  map[string]session
	requests map[string]int
	faults   map[string]Fault
	broken   *Mutation
	pushed   map[string]url.Values
	spent    map[string]bool // jti of client assertions
	tampers  map[string]func([]byte) []byte
	brokenID *Mutation       // of ID tokens
	brokenAt *AnswerMutation // of authorization answers
}

// New makes an IdP.
func New(options Options) (*IdP, error) {
	u, err := url.Parse(options.Issuer)
	if err != nil || u.Host == "" || strings.HasSuffix(options.Issuer, "/") {
		return nil, fmt.Errorf("idptest: issuer %q is no URL without a trailing slash", options.Issuer)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Users == nil {
		options.Users = People()
	}
	if options.Algorithm == "" {
		options.Algorithm = "ES256"
	}
	if options.KeysCacheControl == "" {
		options.KeysCacheControl = "max-age=300"
	}
	p := &IdP{
		options: options, base: u.Path, users: slices.Clone(options.Users),
		clients: slices.Clone(options.Clients), others: slices.Clone(options.Audiences),
		codes: map[string]session{}, refresh: map[string]session{},
		requests: map[string]int{}, faults: map[string]Fault{}, pushed: map[string]url.Values{}, spent: map[string]bool{},
		tampers: map[string]func([]byte) []byte{},
	}
	if _, err := p.Rotate(false); err != nil {
		return nil, err
	}
	p.routes()
	return p, nil
}

// Paths below the issuer.
const (
	PathKeys      = "/keys"
	PathAuthorize = "/authorize"
	PathToken     = "/token"
	PathUserinfo  = "/userinfo"
	PathPushed    = "/par"
	PathLogout    = "/logout"
	PathDiscovery = "/.well-known/openid-configuration"
	PathMetadata  = "/.well-known/oauth-authorization-server"
)

func (p *IdP) routes() {
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET "+p.base+PathDiscovery, p.serveMetadata)
	p.mux.HandleFunc("GET "+PathMetadata+p.base, p.serveMetadata) // RFC 8414 §3.1
	p.mux.HandleFunc("GET "+p.base+PathKeys, p.serveKeys)
	p.mux.HandleFunc("GET "+p.base+PathAuthorize, p.serveAuthorize)
	p.mux.HandleFunc("POST "+p.base+PathToken, p.serveToken)
	p.mux.HandleFunc("GET "+p.base+PathUserinfo, p.serveUserinfo)
	p.mux.HandleFunc("POST "+p.base+PathPushed, p.servePushed)
	p.mux.HandleFunc("GET "+p.base+PathLogout, p.serveLogout)
}

// ServeHTTP implements http.Handler.
func (p *IdP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests[r.URL.Path]++
	fault, tamper := p.faults[r.URL.Path], p.tampers[r.URL.Path]
	p.mu.Unlock()
	if fault != "" {
		fault.serve(w, r)
		return
	}
	if tamper != nil {
		p.serveTampered(w, r, tamper)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// Issuer is the issuer, byte for byte as in every token.
func (p *IdP) Issuer() string { return p.options.Issuer }

// TokenEndpoint is where leg 1 is sent.
func (p *IdP) TokenEndpoint() string { return p.options.Issuer + PathToken }

// KeysURI is where the key set is.
func (p *IdP) KeysURI() string { return p.options.Issuer + PathKeys }

// Now is the IdP's clock.
func (p *IdP) Now() time.Time { return p.options.Now() }

// Requests counts the requests to a path of the IdP, such as PathKeys, faults included.
func (p *IdP) Requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[p.base+path]
}

// AllRequests counts every request.
func (p *IdP) AllRequests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	for _, n := range p.requests {
		total += n
	}
	return total
}

// ErrUnknownUser is returned for a name that no user has.
var ErrUnknownUser = errors.New("idptest: unknown user")

// User finds a user by name, email or subject.
func (p *IdP) User(hint string) (User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, user := range p.users {
		if user.is(hint) {
			return user, nil
		}
	}
	return User{}, fmt.Errorf("%w: %q", ErrUnknownUser, hint)
}

// Update changes a user: groups, how the person signed in, …
func (p *IdP) Update(hint string, change func(*User)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.users {
		if p.users[i].is(hint) {
			change(&p.users[i])
			return nil
		}
	}
	return fmt.Errorf("%w: %q", ErrUnknownUser, hint)
}

// SignIn makes a user the one whom prompt=none finds signed in; "" nobody.
func (p *IdP) SignIn(hint string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = hint
}

// AddClient registers a client, or replaces the one with its ID.
func (p *IdP) AddClient(client Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients = append(slices.DeleteFunc(p.clients, func(c Client) bool { return c.ID == client.ID }), client)
}

// AddAudience registers an authorization server, or replaces the one with its issuer.
func (p *IdP) AddAudience(audience Audience) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others = append(slices.DeleteFunc(p.others, func(a Audience) bool { return a.Issuer == audience.Issuer }), audience)
}

func (p *IdP) client(id string) (Client, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{}, false
	}
	return p.clients[i], true
}

func (p *IdP) audience(issuer string) (Audience, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.others, func(a Audience) bool { return a.Issuer == issuer })
	if i < 0 {
		return Audience{}, false
	}
	return p.others[i], true
}

// defaults are the audience and the client of an ID-JAG that names no others.
func (p *IdP) defaults() (audience Audience, client Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.others) > 0 {
		audience = p.others[0]
	}
	if len(p.clients) > 0 {
		client = p.clients[0]
	}
	return audience, client
}

// idAt is a client's id at another authorization server.
func (c Client) idAt(audience string) string {
	if id := c.IDs[audience]; id != "" {
		return id
	}
	return c.ID
}

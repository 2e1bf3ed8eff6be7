package snapshot

import (
	"errors"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// ErrUnknownTenant says that there is no tenant of this name, or that it is not active.
var ErrUnknownTenant = errors.New("no such tenant")

// Tenant is the picture. Everything in it is shared and must not be changed.
type Tenant struct {
	UID     tenant.UID
	Name    string
	Version int64
	Issuer  string // our issuer for this tenant: the public URL, with /t/{name} unless it is the default tenant
	Plan    string
	// TimeZone is where policies' hours and weekdays are; never nil.
	TimeZone *time.Location
	// PublicClientAssertions is true if a client that cannot authenticate may redeem an assertion bound to a key that it proves.
	PublicClientAssertions bool
	Registry               *federation.Registry
	// Workloads are the rules that turn a platform's token into a client, by the uid of their IdP, in the order of
	// their names; disabled ones are left out.
	Workloads    map[string][]federation.Workload
	Policies     *policy.Set
	SignIn       SignIn
	Registration Registration
	// Webhooks are where the company is told of events.
	Webhooks []Webhook

	active bool      // status: active
	again  time.Time // when it is built anew though nothing has changed; zero: not
	// documents are the metadata of SAML IdPs by uid, for the next picture to take over.
	documents map[string]document
	// guards are those of tenant default that bind all; compiled is every policy, for the next picture to take over.
	guards   []*policy.Compiled
	bound    []*policy.Compiled // the guards of tenant default that bind here
	compiled map[revision]*policy.Compiled

	// inherited is the picture of tenant default whose guards bind here; zero for default itself.
	inherited  ledger.Picture
	idps       map[string]*federation.IdentityProvider // by uid
	byName     map[string]*Resource
	byURI      map[string]*Resource // by canonical URI
	inNameForm []*Resource          // sorted by name
	// providers are the downstream services by uid, and by name.
	providers       map[string]*Provider
	providersByName map[string]*Provider
}

// Resource is a protected resource.
type Resource struct {
	UID           string
	Name          string
	URI           string // as registered: the audience of tokens
	Canonical     string // as compared
	Disabled      bool
	Scopes        map[string]string // scope → description
	ScopeNames    []string          // sorted
	Risk          map[string]string
	Implies       map[string][]string // scope → all that it implies, transitively
	DefaultScopes []string
	Lifetime      time.Duration
	DPoPRequired  bool
	Algorithm     string
	TokenClaims   []string
	ServerClient  string // the name of the client that may introspect its tokens; "": nobody
}

// Expand adds to scopes all that they imply.
func (r *Resource) Expand(scopes []string) []string {
	expanded := slices.Clone(scopes)
	for _, s := range scopes {
		expanded = append(expanded, r.Implies[s]...)
	}
	return expanded
}

// Pictures are the versions that a decision on this picture rests on.
func (t *Tenant) Pictures() []ledger.Picture {
	own := ledger.Picture{Tenant: t.UID, Version: t.Version}
	if t.inherited.Tenant.IsZero() {
		return []ledger.Picture{own}
	}
	return []ledger.Picture{own, t.inherited}
}

// IdentityProvider finds a trusted IdP by its uid, disabled or not.
func (t *Tenant) IdentityProvider(uid string) (*federation.IdentityProvider, bool) {
	p, ok := t.idps[uid]
	return p, ok
}

// ResourceByName finds a resource, disabled or not.
func (t *Tenant) ResourceByName(name string) (*Resource, bool) {
	r, ok := t.byName[name]
	return r, ok
}

// ResourceByURI finds a resource by its identifier (RFC 8707 §2), disabled or not.
func (t *Tenant) ResourceByURI(uri string) (*Resource, bool) {
	canonical, err := oauth.CanonicalResource(uri)
	if err != nil {
		return nil, false
	}
	r, ok := t.byURI[canonical]
	return r, ok
}

// HasResource tells whether a URI names one of the tenant's resources.
func (t *Tenant) HasResource(uri string) bool {
	_, ok := t.ResourceByURI(uri)
	return ok
}

// ActiveResources lists the resources that are not disabled, by name.
func (t *Tenant) ActiveResources() []*Resource {
	return slices.DeleteFunc(slices.Clone(t.inNameForm), func(r *Resource) bool { return r.Disabled })
}

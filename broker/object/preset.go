package object

import (
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// preset is what is known of an IdP product. Adding one is adding a row to presets.
type preset struct {
	name string
	// userinfo: its ID tokens leave out what people need who sign in.
	userinfo bool
	// attributes of its SAML assertions that mean something, and the one that has groups.
	attributes SAMLAttributes
	samlGroups string
	// defaults for what the object leaves out.
	algorithms []string
	match      []string
	groups     string
	groupsFrom []string
	// jag bounds entries that list id-jag; tokens bounds those that list only other
	// profiles, whose tokens are made for another purpose and live as long as the
	// product makes them.
	jag, tokens time.Duration
	// cached: platforms hand out one token for its whole life, so under profile
	// workload the same client may present it until it expires.
	cached bool
	// noJTI: its tokens have no jti.
	noJTI bool
	// platform: it speaks of programs and issues no ID-JAG.
	platform bool
	// shared tells an issuer that speaks for everybody in the world (or in a cloud's
	// tenant); identifying are the claims that then say whose a token is.
	shared      func(issuer string) bool
	identifying []identifying
	dialect     func(issuer string) federation.Dialect
	// check refuses an issuer or an entry that would make a check empty, warn says
	// what is likely a mistake.
	check func(s *IdentityProviderSpec) (code, path, text string)
	warn  func(issuer string) (code, text string)
}

// identifying is a claim that tells whose a token is; with prefixes, only a value
// that begins with one of them does; with app, only beside idtyp: app.
type identifying struct {
	claim    string
	prefixes []string
	app      bool
}

// What tokens live, by product. exp − iat, not how long they are good from now.
const (
	lifetimeIDJAG  = 5 * time.Minute  // an assertion is made for one request
	lifetimeGitHub = 15 * time.Minute // what the Actions issuer gives
	lifetimeHour   = time.Hour        // GitLab: a job's default timeout; kubelet: 3600 s; Google: 3600 s; SPIRE: at most, by default 5 m
	// Entra draws 60 to 90 minutes and dates iat 5 minutes back. A managed identity's
	// token lives a day: who trusts those says max_lifetime: 24h5m.
	lifetimeEntra = 95 * time.Minute
)

func presets() []preset {
	generic := preset{
		name:       "generic",
		algorithms: []string{"RS256", "ES256"},
		jag:        lifetimeIDJAG,
		tokens:     lifetimeIDJAG, // nothing is known of it: the least
		match:      []string{"sub_id", "aud_sub", "sub"},
		groups:     "groups",
		groupsFrom: []string{"claim", "directory"},
	}
	okta, keycloak, ping := generic, generic, generic
	okta.name, okta.warn = "okta", warnOkta
	okta.userinfo = true                // tokens of the code flow leave out groups and more
	okta.algorithms = []string{"RS256"} // Okta's org server signs with RS256 only
	keycloak.name, keycloak.warn = "keycloak", warnKeycloak
	keycloak.algorithms = []string{"RS256", "ES256", "PS256", "EdDSA"} // a realm may choose any of them
	ping.name, ping.warn = "ping", warnPing
	ping.algorithms = []string{"RS256", "ES256"} // PingOne signs with RS256; PingFederate may choose

	entra := generic
	entra.name, entra.check, entra.dialect = "entra", checkEntra, entraDialect
	entra.algorithms = []string{"RS256"}
	entra.tokens, entra.cached = lifetimeEntra, true
	// (tid, oid) as in its tokens, never an address (T13).
	entra.attributes = SAMLAttributes{
		Subject: "http://schemas.microsoft.com/identity/claims/objectidentifier", Tenant: "http://schemas.microsoft.com/identity/claims/tenantid",
		Email: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
		AMR:   "http://schemas.microsoft.com/claims/authnmethodsreferences",
	}
	entra.samlGroups = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	// azp and appid are the program that asked, for itself or for a person: in a person's
	// token they say nothing of who holds it.
	entra.shared = always
	entra.identifying = append(claimsOf("oid", "sub"), identifying{claim: "azp", app: true}, identifying{claim: "appid", app: true})

	google := generic
	google.name, google.check = "google", checkGoogle
	google.algorithms = []string{"RS256"}
	google.groupsFrom = []string{"directory"} // its tokens carry no groups
	google.tokens, google.cached, google.noJTI = lifetimeHour, true, true
	// azp is not among them: of a token that a person's tool asked for, it is the tool,
	// which everybody has.
	google.shared, google.identifying = always, claimsOf("sub", "email")

	platform := generic
	platform.platform = true
	platform.match = []string{"sub"}
	platform.groupsFrom = []string{"directory"}
	platform.algorithms = []string{"RS256"}

	actions, gitlab, kubernetes, spiffe := platform, platform, platform, platform
	actions.name, actions.warn, actions.tokens = "github-actions", warnGitHub, lifetimeGitHub
	// A repository's owner chooses the form of sub: one that does not begin with the
	// repository can be had by anybody. job_workflow_ref is whose workflow is called, not who calls.
	actions.shared = always
	actions.identifying = append(claimsOf("repository", "repository_id", "repository_owner_id"),
		identifying{claim: "sub", prefixes: []string{"repo:", "repository:", "repository_id:"}})

	gitlab.name, gitlab.tokens = "gitlab", lifetimeHour
	gitlab.shared = func(issuer string) bool { return issuer == gitlabIssuer }
	// sub of a job begins with its project; that of a person, from the same issuer, is a number.
	gitlab.identifying = append(claimsOf("project_path", "project_id", "namespace_id"),
		identifying{claim: "sub", prefixes: []string{"project_path:", "project_id:"}})

	kubernetes.name, kubernetes.warn = "kubernetes", warnKubernetes
	kubernetes.algorithms = []string{"RS256", "ES256"} // the API server signs with RSA or ECDSA keys
	kubernetes.tokens, kubernetes.cached = lifetimeHour, true

	spiffe.name, spiffe.check = "spiffe", checkSPIFFE
	spiffe.algorithms = []string{"ES256", "RS256", "ES384"} // SPIRE: ec-p256, else rsa-2048, rsa-4096 or ec-p384
	spiffe.tokens, spiffe.cached, spiffe.noJTI = lifetimeHour, true, true
	spiffe.dialect = func(string) federation.Dialect { return federation.Dialect{SPIFFE: true} }

	saml := generic
	saml.name = PresetSAML

	return []preset{generic, okta, keycloak, entra, google, ping, saml, actions, gitlab, kubernetes, spiffe}
}

func claimsOf(names ...string) []identifying {
	all := make([]identifying, 0, len(names))
	for _, name := range names {
		all = append(all, identifying{claim: name})
	}
	return all
}

func always(string) bool { return true }

const (
	// DefaultPreset is used where an IdentityProvider names none.
	DefaultPreset = "generic"
	// PresetSAML is an IdP that speaks SAML and issues no tokens.
	PresetSAML = "saml"

	defaultClockSkew = 30 * time.Second
)

// Presets lists the names of the presets.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

func findPreset(name string) (preset, bool) {
	all := presets()
	i := slices.IndexFunc(all, func(p preset) bool { return p.name == or(name, DefaultPreset) })
	if i < 0 {
		return preset{}, false
	}
	return all[i], true
}

// Dialect is how the product's tokens differ from the standards, for the issuer that the entry names.
func (s *IdentityProviderSpec) Dialect() federation.Dialect {
	p, _ := findPreset(s.Preset)
	if p.dialect == nil {
		return federation.Dialect{}
	}
	return p.dialect(or(s.Issuer, s.EntityID()))
}

// WithDefaults returns a copy in which what is absent says what it means, by its
// preset and profiles. Lists that allow (clients, resources, scopes, profiles,
// audiences) have no default.
func (s *IdentityProviderSpec) WithDefaults() *IdentityProviderSpec {
	filled := *s
	p, _ := findPreset(s.Preset)
	filled.Preset = or(s.Preset, DefaultPreset)

	a := &filled.Assertions
	lifetime, reuse := p.jag, ReuseSingle
	if a.otherThanIDJAG() && !a.lists(federation.ProfileIDJAG) {
		lifetime = p.tokens
		if p.cached && a.lists(federation.ProfileWorkload) {
			reuse = ReuseClientBound
		}
	}
	a.Algorithms = orList(a.Algorithms, p.algorithms)
	a.MaxLifetime = Duration(a.MaxLifetime.Or(lifetime))
	a.ClockSkew = Duration(a.ClockSkew.Or(defaultClockSkew))
	a.AbsentScope = or(a.AbsentScope, AbsentScopeRefuse)
	a.Reuse = or(a.Reuse, reuse)
	a.ErrorProfile = or(a.ErrorProfile, ErrorsEMA04)

	filled.Subject.Match = orList(s.Subject.Match, p.match)
	filled.Subject.Provision = or(s.Subject.Provision, ProvisionNever)
	filled.Subject.Guests = or(s.Subject.Guests, GuestsDeny)

	groups := p.groups
	if filled.SpeaksSAMLAlone() {
		groups = or(p.samlGroups, groups)
	}
	filled.Claims.Groups = or(s.Claims.Groups, groups)
	filled.Claims.GroupsFrom = orList(s.Claims.GroupsFrom, p.groupsFrom)
	filled.Claims.GroupsOverage = or(s.Claims.GroupsOverage, OverageDeny)
	filled.fillSignIn(p)
	filled.Issuer = or(s.Issuer, filled.EntityID())
	return &filled
}

// The values of an IdentityProvider's members.
const (
	AbsentScopeRefuse  = "refuse"
	AbsentScopeDefault = "default_scopes"

	ReuseSingle      = "single_use"
	ReuseClientBound = "client_bound"

	ErrorsEMA04   = "ema-04"
	ErrorsIDJAG06 = "idjag-06"

	ProvisionNever      = "never"
	ProvisionJustInTime = "just_in_time"

	GuestsDeny  = "deny"
	GuestsAllow = "allow"

	OverageDeny  = "deny"
	OverageFetch = "fetch"
)

func orList(list, fallback []string) []string {
	if len(list) == 0 {
		return slices.Clone(fallback)
	}
	return list
}

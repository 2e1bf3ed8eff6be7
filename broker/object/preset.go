package object

import (
	"slices"
	"strings"
	"time"
)

// preset is what is known of an IdP product. Adding one is adding an entry to presets.
type preset struct {
	name string
	// later: named by the contract, and its sign-in or profiles are not served yet.
	later string
	// defaults for what the object leaves out.
	algorithms  []string
	maxLifetime time.Duration
	clockSkew   time.Duration
	match       []string
	groups      string
	groupsFrom  []string
	// warn says what is likely a mistake in an issuer.
	warn func(issuer string) (code, text string)
}

func presets() []preset {
	generic := preset{
		name:        "generic",
		algorithms:  []string{"RS256", "ES256"},
		maxLifetime: 5 * time.Minute,
		clockSkew:   30 * time.Second,
		match:       []string{"sub_id", "aud_sub", "sub"},
		groups:      "groups",
		groupsFrom:  []string{"claim", "directory"},
	}
	okta, keycloak := generic, generic
	okta.name, okta.warn = "okta", warnOkta
	okta.algorithms = []string{"RS256"} // Okta's org server signs with RS256 only
	keycloak.name, keycloak.warn = "keycloak", warnKeycloak
	keycloak.algorithms = []string{"RS256", "ES256", "PS256", "EdDSA"} // a realm may choose any of them
	return []preset{
		generic, okta, keycloak,
		{name: "entra", later: "the preset entra"},
		{name: "google", later: "the preset google"},
		{name: "ping", later: "the preset ping"},
		{name: "saml", later: "the preset saml"},
	}
}

// DefaultPreset is used where an IdentityProvider names none.
const DefaultPreset = "generic"

// Presets lists the names of the presets that are served.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		if p.later == "" {
			names = append(names, p.name)
		}
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

func warnOkta(issuer string) (code, text string) {
	if strings.Contains(issuer, "/oauth2/") {
		return "okta_custom_as", "ID-JAGs come from Okta's org server, not from a custom authorization server: the issuer is " +
			strings.SplitN(issuer, "/oauth2/", 2)[0] + ", without /oauth2/…"
	}
	return "", ""
}

func warnKeycloak(issuer string) (code, text string) {
	if !strings.Contains(issuer, "/realms/") {
		return "keycloak_realm", "a Keycloak issuer ends in its realm: https://HOST/realms/REALM"
	}
	return "", ""
}

// WithDefaults returns a copy in which what is absent says what it means, by its
// preset. Lists that allow (clients, resources, scopes, profiles) have no default.
func (s *IdentityProviderSpec) WithDefaults() *IdentityProviderSpec {
	filled := *s
	p, _ := findPreset(s.Preset)
	filled.Preset = or(s.Preset, DefaultPreset)

	a := &filled.Assertions
	a.Algorithms = orList(a.Algorithms, p.algorithms)
	a.MaxLifetime = Duration(a.MaxLifetime.Or(p.maxLifetime))
	a.ClockSkew = Duration(a.ClockSkew.Or(p.clockSkew))
	a.AbsentScope = or(a.AbsentScope, AbsentScopeRefuse)
	a.Reuse = or(a.Reuse, ReuseSingle)
	a.ErrorProfile = or(a.ErrorProfile, ErrorsEMA04)

	filled.Subject.Match = orList(s.Subject.Match, p.match)
	filled.Subject.Provision = or(s.Subject.Provision, ProvisionNever)
	filled.Subject.Guests = or(s.Subject.Guests, GuestsDeny)

	filled.Claims.Groups = or(s.Claims.Groups, p.groups)
	filled.Claims.GroupsFrom = orList(s.Claims.GroupsFrom, p.groupsFrom)
	filled.Claims.GroupsOverage = or(s.Claims.GroupsOverage, OverageDeny)
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

// Package federation is about other people's word: which identity providers a
// tenant trusts, for what, and whom they speak of. It holds the registry, which
// is looked up by exact issuer before anything an assertion names is fetched,
// and the mapping from an issuer's subject to an account. It returns values and
// imports neither policy, vault nor the broker.
package federation

import (
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation/jwks"
)

// Profile is a family of assertions that share their rules.
type Profile string

// The profiles that an IdP's entry may list.
const (
	ProfileIDJAG       Profile = "id-jag"
	ProfileJWTBearer   Profile = "jwt-bearer"
	ProfileWorkload    Profile = "workload"
	ProfileSAML2Bearer Profile = "saml2-bearer"
)

// ErrorProfile chooses the OAuth error for "valid, but not entitled".
type ErrorProfile string

// The error profiles: what MCP's stable extension pins, and the draft's later direction.
const (
	ErrorsEMA04   ErrorProfile = "ema-04"   // invalid_grant
	ErrorsIDJAG06 ErrorProfile = "idjag-06" // access_denied
)

// Reuse tells how often one assertion may be redeemed.
type Reuse string

// Single use is the default; client-bound reuse is for interoperation outside MCP.
const (
	ReuseSingle      Reuse = "single_use"
	ReuseClientBound Reuse = "client_bound"
)

// IdentityProvider is one trusted issuer as an administrator configured it.
type IdentityProvider struct {
	UID      string
	Name     string
	Preset   string
	Issuer   string
	Disabled bool
	Keys     jwks.Source
	Dialect  Dialect
	// SAMLAlone: it issues no tokens. Issuer is its SAML entity ID then, and is nothing that a token could name.
	SAMLAlone bool

	Assertions AssertionRules
	Subject    SubjectRules
	Claims     ClaimRules
}

// AssertionRules bound what this issuer's assertions can do. Absent lists allow nothing.
type AssertionRules struct {
	Profiles      []Profile
	Algorithms    []string
	MaxLifetime   time.Duration
	ClockSkew     time.Duration // at most 60 s
	Clients       []string      // names
	Resources     []string      // names
	Scopes        []string      // ceiling
	DefaultScopes bool          // absent_scope: default_scopes
	Reuse         Reuse
	Errors        ErrorProfile
	Tenants       []string // IdP-side tenants
	SAMLEntityIDs []string
	Audiences     []string // beside our issuer and token endpoint, in profiles jwt-bearer and workload only
}

// MatchBy is a way of finding the account that an assertion speaks of.
type MatchBy string

// The ways, in the order in which specs and configuration name them.
const (
	MatchSubjectID MatchBy = "sub_id"
	MatchAudSub    MatchBy = "aud_sub"
	MatchSubject   MatchBy = "sub"
	MatchEmail     MatchBy = "email"
)

// SubjectRules say how an assertion's subject is found among a tenant's users.
type SubjectRules struct {
	Match        []MatchBy
	Provision    bool // just_in_time
	EmailDomains []string
	AllowGuests  bool
}

// GroupsFrom is a place where groups may come from.
type GroupsFrom string

// The places.
const (
	GroupsFromClaim     GroupsFrom = "claim"
	GroupsFromDirectory GroupsFrom = "directory"
)

// ClaimRules name the claims that carry what policies ask about.
type ClaimRules struct {
	Groups       string // claim name
	GroupsFrom   []GroupsFrom
	FetchOverage bool
	GroupAliases map[string]string
}

// Allows tells whether the entry lists the profile.
func (r AssertionRules) Allows(p Profile) bool { return slices.Contains(r.Profiles, p) }

// ListsClient tells whether the entry lets a client present its assertions, by any
// of the names that a client has. An entry that lists nobody lets nobody.
func (p *IdentityProvider) ListsClient(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return name != "" && slices.Contains(p.Assertions.Clients, name)
	})
}

// ReadsClaim tells whether groups may come from the assertion's own claim.
func (r ClaimRules) ReadsClaim() bool {
	return r.Groups != "" && slices.Contains(r.GroupsFrom, GroupsFromClaim)
}

// ReadsDirectory tells whether groups may come from the user's own record.
func (r ClaimRules) ReadsDirectory() bool { return slices.Contains(r.GroupsFrom, GroupsFromDirectory) }

// Names gives groups the names that the entry's aliases give them; one without an
// alias keeps its own.
func (r ClaimRules) Names(groups []string) []string {
	names := make([]string, len(groups))
	for i, group := range groups {
		names[i] = group
		if alias, found := r.GroupAliases[group]; found {
			names[i] = alias
		}
	}
	return names
}

package assertion

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Bounds of what an assertion may carry beyond the standard (T15).
const (
	MaxGroups       = 2000
	maxPrivateDepth = 8
)

// Checks of claims whose names an issuer or an administrator chooses: a check's own
// name is counted, and must be one of few.
const (
	checkGroups  = "groups"
	checkPrivate = "private claims"
)

// GroupsState tells how much is known of the subject's groups.
type GroupsState string

// The states, as policies see them.
const (
	GroupsComplete GroupsState = "complete" // the claim was there, be it empty
	GroupsAbsent   GroupsState = "absent"   // nothing was said
	GroupsOverage  GroupsState = "overage"  // there are too many to send: deny before policy is asked
)

// Groups is what the assertion says of the subject's groups.
type Groups struct {
	State  GroupsState
	Values []string // as sent, before aliases; only with GroupsComplete
}

func (w *walk) readGroups(c *claimSet) (err error) {
	w.groups, err = ReadGroups(c.claims, w.idp.Claims, &w.trail)
	return err
}

// ReadGroups reads the claim that the rules name out of verified claims, if the
// rules read groups from claims at all. Where the IdP says that it left groups out,
// those that it did send do not count: what a missing group would take away must not
// be granted. Where they could be fetched from is never followed (T16). An error is a
// *federation.Refusal.
func ReadGroups(claims jws.Claims, rules federation.ClaimRules, trail *federation.Trail) (Groups, error) {
	none := Groups{State: GroupsAbsent}
	if !rules.ReadsClaim() {
		return none, nil
	}
	left, err := leftOut(claims, rules.Groups, trail)
	if err != nil {
		return none, err
	}
	if left != "" {
		trail.Pass(checkGroups, left, "groups were left out")
		return Groups{State: GroupsOverage}, nil
	}
	value, present := claims.Value(rules.Groups)
	if !present {
		return none, nil
	}
	var elements []any
	switch value := value.(type) {
	case string:
		elements = []any{value}
	case []any:
		elements = value
	default:
		return none, trail.Refuse(federation.CodeGroupsMalformed, checkGroups, rules.Groups, "a list of names", nil)
	}
	values, ok := plainStrings(elements)
	if !ok || len(values) > MaxGroups {
		return none, trail.Refuse(federation.CodeGroupsMalformed, checkGroups, rules.Groups+": "+strconv.Itoa(len(elements))+" elements", "at most 2000 names", nil)
	}
	trail.Pass(checkGroups, rules.Groups+": "+strconv.Itoa(len(values))+" named", "a list of names")
	return Groups{State: GroupsComplete, Values: values}, nil
}

// leftOut returns the claim by which the IdP says that groups are elsewhere:
// distributed claims (OIDC Core §5.6.2), Entra's hasgroups, groups:src1.
func leftOut(claims jws.Claims, claim string, trail *federation.Trail) (string, error) {
	if claims.Has("_claim_names") {
		names, _, err := claims.Object("_claim_names")
		if err != nil {
			return "", refuseClaim(trail, "_claim_names", err)
		}
		for _, name := range []string{claim, "groups"} {
			if _, left := names[name]; left {
				return "_claim_names", nil
			}
		}
	}
	if value, present := claims.Value("hasgroups"); present && value != false {
		return "hasgroups", nil
	}
	for _, name := range claims.Names() {
		if strings.HasPrefix(name, claim+":src") {
			return name, nil
		}
	}
	return "", nil
}

// consumed tells the claims that have a meaning in the profile; the rest is private.
func (w *walk) consumed(name string) bool {
	switch name {
	case "iss", "sub", "aud", "jti", "exp", "iat", "nbf", "act", "cnf", "_claim_names", "_claim_sources", "hasgroups":
		return true
	case "client_id", "resource", "authorization_details", "aud_tenant", "aud_sub", "email", "email_verified",
		"sub_id", "auth_time", "acr", "amr":
		return w.profile != federation.ProfileWorkload // a platform's own words
	case "tenant":
		return w.profile == federation.ProfileIDJAG || !w.idp.Dialect.SPIFFE && w.idp.Dialect.TenantClaim == ""
	case "scope":
		return w.profile == federation.ProfileIDJAG // elsewhere the IdP's own vocabulary
	default:
		return w.profile != federation.ProfileWorkload && w.idp.Claims.ReadsClaim() && name == w.idp.Claims.Groups
	}
}

// readPrivate keeps every other claim as sent. They are for policies, which walk
// them: hence the bound.
func (w *walk) readPrivate(c *claimSet) error {
	w.private = map[string]any{}
	for _, name := range c.claims.Names() {
		if w.consumed(name) {
			continue
		}
		value, _ := c.claims.Value(name)
		if !jws.Within(value, maxPrivateDepth) {
			return w.trail.Refuse(federation.CodeClaimMalformed, checkPrivate, name, "at most 8 levels", nil)
		}
		w.private[name] = value
	}
	return nil
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func memberNames(members map[string]any) []string { return slices.Sorted(maps.Keys(members)) }

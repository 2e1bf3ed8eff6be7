package assertion

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// Bounds of what an assertion may carry beyond the standard (T15).
const (
	maxGroups       = 2000
	maxPrivateDepth = 8
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

// readGroups reads the claim that the entry names, if the entry reads groups from
// assertions at all. Where the IdP says that it left groups out, those that it
// did send do not count: what a missing group would take away must not be
// granted. Where they could be fetched from is never followed (T16).
func (w *walk) readGroups(c *claimSet) error {
	rules := w.idp.Claims
	if !rules.ReadsClaim() {
		return nil
	}
	left, err := w.leftOut(c, rules.Groups)
	if err != nil {
		return err
	}
	if left != "" {
		w.groups.State = GroupsOverage
		w.trail.Pass(rules.Groups, left, "groups were left out")
		return nil
	}
	value, present := c.claims.Value(rules.Groups)
	if !present {
		return nil
	}
	var elements []any
	switch value := value.(type) {
	case string:
		elements = []any{value}
	case []any:
		elements = value
	default:
		return w.trail.Refuse(federation.CodeGroupsMalformed, rules.Groups, "", "a list of names", nil)
	}
	values, ok := plainStrings(elements)
	if !ok || len(values) > maxGroups {
		return w.trail.Refuse(federation.CodeGroupsMalformed, rules.Groups, strconv.Itoa(len(elements))+" elements", "at most 2000 names", nil)
	}
	w.groups = Groups{State: GroupsComplete, Values: values}
	w.trail.Pass(rules.Groups, strconv.Itoa(len(values))+" groups", "a list of names")
	return nil
}

// leftOut returns the claim by which the IdP says that groups are elsewhere:
// distributed claims (OIDC Core §5.6.2), Entra's hasgroups, groups:src1.
func (w *walk) leftOut(c *claimSet, claim string) (string, error) {
	if c.claims.Has("_claim_names") {
		names, _, err := c.claims.Object("_claim_names")
		if err != nil {
			return "", refuseClaim(&w.trail, "_claim_names", err)
		}
		for _, name := range []string{claim, "groups"} {
			if _, left := names[name]; left {
				return "_claim_names", nil
			}
		}
	}
	if value, present := c.claims.Value("hasgroups"); present && value != false {
		return "hasgroups", nil
	}
	for _, name := range c.claims.Names() {
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
		if !within(value, maxPrivateDepth) {
			return w.trail.Refuse(federation.CodeClaimMalformed, name, "deeper", "at most 8 levels", nil)
		}
		w.private[name] = value
	}
	return nil
}

// within tells whether a value nests objects and arrays at most so many levels deep.
func within(value any, levels int) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if levels == 0 || !within(member, levels-1) {
				return false
			}
		}
		return levels > 0
	case []any:
		for _, element := range value {
			if levels == 0 || !within(element, levels-1) {
				return false
			}
		}
		return levels > 0
	default:
		return true
	}
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func memberNames(members map[string]any) []string { return slices.Sorted(maps.Keys(members)) }

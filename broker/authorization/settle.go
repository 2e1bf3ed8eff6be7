package authorization

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Scopes that are no resource's.
const (
	ScopeOpenID  = "openid"         // OIDC Core §3.1.2.1
	ScopeOffline = "offline_access" // OIDC Core §11
	ScopeProfile = "profile"        // OIDC Core §5.4, where no resource has a scope of the name
	ScopeEmail   = "email"          // the same
)

const maxResources = 8

// settleResources finds what tokens may be for (RFC 8707 §2, T43): what is named, or the only resource within reach.
func (r *Request) settleResources(a Ask) *oauth.Error {
	named := a.Form.Resources()
	if len(named) > maxResources {
		return oauth.Refuse(oauth.CodeParameterTooLarge, fmt.Sprintf("%d resources", len(named)), "at most 8")
	}
	if len(named) == 0 {
		reachable := slices.DeleteFunc(a.Tenant.ActiveResources(), func(x *snapshot.Resource) bool { return !r.mayReach(x) })
		if len(reachable) != 1 {
			return oauth.Refuse(oauth.CodeResourceUnsettled, fmt.Sprintf("%d resources to choose from", len(reachable)), "one, or a resource parameter")
		}
		r.resources = reachable
		return nil
	}
	for _, raw := range named {
		found, ok := a.Tenant.ResourceByURI(raw)
		if !ok || !r.mayReach(found) { // unknown, disabled and another client's are one answer
			return oauth.Refuse(oauth.CodeResourceNotAllowed, printable(raw), "a resource of the client")
		}
		if !slices.Contains(r.resources, found) {
			r.resources = append(r.resources, found)
		}
	}
	return nil
}

func (r *Request) mayReach(x *snapshot.Resource) bool {
	return !x.Disabled && slices.Contains(r.client.Resources, x.Name)
}

// settleScopes intersects what is requested with client and resources. `implies` widens what is allowed, never what is
// requested.
func (r *Request) settleScopes(a Ask) *oauth.Error {
	raw := a.Form.Get("scope")
	if len(raw) > maxList {
		return oauth.Refuse(oauth.CodeParameterTooLarge, "scope", "at most 1024 bytes")
	}
	requested, err := oauth.ParseScope(raw)
	if err != nil {
		return oauth.AsError(err)
	}
	available, defaults := r.available()
	r.settleIdentity(requested, available)
	wanted := slices.DeleteFunc(requested, func(s string) bool {
		return isApart(s) || slices.Contains(r.identity, s)
	})
	if len(wanted) == 0 { // RFC 6749 §3.3: none of a resource is named
		wanted = defaults
	}
	r.scopes = oauth.Intersect(wanted, available)
	if len(r.scopes) == 0 {
		return oauth.Refuse(oauth.CodeScopeEmpty, printable(strings.Join(wanted, " ")), printable(strings.Join(available, " ")))
	}
	return nil
}

// available are the resources' scopes that the client may have, and their defaults.
func (r *Request) available() (available, defaults []string) {
	for _, x := range r.resources {
		available = append(available, oauth.Intersect(x.ScopeNames, x.Expand(r.client.Scopes))...)
		for _, s := range x.DefaultScopes {
			if !slices.Contains(defaults, s) {
				defaults = append(defaults, s)
			}
		}
	}
	return slices.DeleteFunc(available, isApart), defaults
}

// settleIdentity reads the scopes that are about the person. openid alone says no more than an access token does; profile
// and email the client must list, and they are the resource's where a resource has a scope of the name. A client that
// may not refresh has no use for offline_access, which is ignored then (OIDC Core §11).
func (r *Request) settleIdentity(requested, available []string) {
	r.offline = slices.Contains(requested, ScopeOffline) && r.client.MayUse(grantRefresh)
	r.identity = slices.DeleteFunc(IdentityOf(r.client, requested), func(s string) bool {
		return s != ScopeOpenID && slices.Contains(available, s)
	})
}

// IdentityOf is what a client may have of scopes about the person, as it is registered now: nothing without openid.
func IdentityOf(c *client.Client, named []string) []string {
	if !slices.Contains(named, ScopeOpenID) {
		return nil
	}
	identity := []string{ScopeOpenID}
	for _, s := range []string{ScopeProfile, ScopeEmail} {
		if slices.Contains(named, s) && slices.Contains(c.Scopes, s) {
			identity = append(identity, s)
		}
	}
	return identity
}

func isApart(scope string) bool { return scope == ScopeOpenID || scope == ScopeOffline }

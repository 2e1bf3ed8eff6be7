// Package identity says what a client may know of a person who signed in and let
// it have openid, in an ID token or from the userinfo endpoint (OpenID Connect Core
// §5.4): one answer for both.
//
// It asks nobody: the account and what the IdP said come in as values. It knows no
// grants, no HTTP and no SQL.
package identity

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation"
)

// Profile is what the identity scopes let a client know; nothing without openid.
//
// The address is our user's own, else the one that the IdP said. Whether it is verified is the IdP's word, and counts for
// the very address of which it was said: of another one nothing is said.
func Profile(account federation.Account, said session.Profile, granted []string) token.Profile {
	var p token.Profile
	if !slices.Contains(granted, authorization.ScopeOpenID) {
		return p
	}
	if slices.Contains(granted, authorization.ScopeProfile) {
		p.Name = said.Name
	}
	if slices.Contains(granted, authorization.ScopeEmail) {
		if p.Email = account.Email; p.Email == "" {
			p.Email = said.Email
		}
		if p.Email != "" && strings.EqualFold(p.Email, said.Email) {
			p.EmailVerified = &said.EmailVerified
		}
	}
	return p
}

// scopes are those of an access token that are about the person, and no resource's.
func scopes() []string {
	return []string{authorization.ScopeOpenID, authorization.ScopeProfile, authorization.ScopeEmail}
}

// InToken adds the identity scopes that were granted to a token's own, so that the userinfo endpoint knows them again. What
// the resource itself calls by such a name is the resource's, and no word about the person gives it.
func InToken(own, granted []string, r *snapshot.Resource) []string {
	all := slices.Clone(own)
	for _, s := range granted {
		if slices.Contains(scopes(), s) && !slices.Contains(r.ScopeNames, s) && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Granted reads the identity scopes out of a token's scope: none without openid, and none that is a scope of the resource
// for which the token is.
func Granted(scope string, r *snapshot.Resource) []string {
	var granted []string
	for s := range strings.FieldsSeq(scope) {
		if slices.Contains(scopes(), s) && !slices.Contains(r.ScopeNames, s) {
			granted = append(granted, s)
		}
	}
	if !slices.Contains(granted, authorization.ScopeOpenID) {
		return nil
	}
	return granted
}

package identity_test

import (
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/identity"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation"
)

func TestProfile(t *testing.T) {
	yes, no := true, false
	all := []string{"openid", "profile", "email"}
	alice := federation.Account{UID: "usr_1", Name: "alice", Email: "alice@acme.com"}
	said := session.Profile{Name: "Alice A.", Email: "Alice@acme.com", EmailVerified: true}
	for name, c := range map[string]struct {
		account federation.Account
		said    session.Profile
		granted []string
		want    token.Profile
	}{
		"all":                     {alice, said, all, token.Profile{Name: "Alice A.", Email: "alice@acme.com", EmailVerified: &yes}},
		"openid alone":            {alice, said, []string{"openid"}, token.Profile{}},
		"without openid":          {alice, said, []string{"profile", "email"}, token.Profile{}},
		"profile":                 {alice, said, []string{"openid", "profile"}, token.Profile{Name: "Alice A."}},
		"email":                   {alice, said, []string{"openid", "email"}, token.Profile{Email: "alice@acme.com", EmailVerified: &yes}},
		"not verified":            {alice, session.Profile{Email: "alice@acme.com"}, all, token.Profile{Email: "alice@acme.com", EmailVerified: &no}},
		"verified is another":     {alice, session.Profile{Email: "alice@evil.example", EmailVerified: true}, all, token.Profile{Email: "alice@acme.com"}},
		"the IdP's, we have none": {federation.Account{}, said, all, token.Profile{Name: "Alice A.", Email: "Alice@acme.com", EmailVerified: &yes}},
		"the IdP said nothing":    {alice, session.Profile{}, all, token.Profile{Email: "alice@acme.com"}},
		"nothing is known":        {federation.Account{}, session.Profile{EmailVerified: true}, all, token.Profile{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := identity.Profile(c.account, c.said, c.granted)
			same := got.Name == c.want.Name && got.Email == c.want.Email && (got.EmailVerified == nil) == (c.want.EmailVerified == nil)
			if !same || got.EmailVerified != nil && *got.EmailVerified != *c.want.EmailVerified {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestScopes: what a token says, the userinfo endpoint reads, and what is a resource's is not about the person.
func TestScopes(t *testing.T) {
	notes := &snapshot.Resource{ScopeNames: []string{"notes:read"}}
	for name, c := range map[string]struct {
		own, granted []string
		resource     *snapshot.Resource
		scope        []string
		read         []string
	}{
		"all":                    {[]string{"notes:read"}, []string{"openid", "email"}, notes, []string{"notes:read", "openid", "email"}, []string{"openid", "email"}},
		"none":                   {[]string{"notes:read"}, nil, notes, []string{"notes:read"}, nil},
		"offline_access is none": {[]string{"notes:read"}, []string{"openid", "offline_access"}, notes, []string{"notes:read", "openid"}, []string{"openid"}},
		"a resource's email":     {[]string{"email"}, []string{"openid"}, &snapshot.Resource{ScopeNames: []string{"email"}}, []string{"email", "openid"}, []string{"openid"}},
		"a resource's openid":    {[]string{"openid"}, nil, &snapshot.Resource{ScopeNames: []string{"openid"}}, []string{"openid"}, nil},
		"email without openid":   {[]string{"notes:read"}, []string{"email"}, notes, []string{"notes:read", "email"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			scope := identity.InToken(c.own, c.granted, &snapshot.Resource{})
			if !slices.Equal(scope, c.scope) {
				t.Errorf("scope %v", scope)
			}
			joined := ""
			for _, s := range scope {
				joined += " " + s
			}
			if read := identity.Granted(joined, c.resource); !slices.Equal(read, c.read) {
				t.Errorf("read %v", read)
			}
		})
	}
}

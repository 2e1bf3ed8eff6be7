package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

// noon is a Monday.
var noon = time.Date(2026, 8, 31, 12, 0, 0, 0, time.UTC)

// patience is a budget that a busy machine does not spend: what tests of the default
// budget would find is how busy it is.
const patience = 10 * time.Second

// alice is a valid request to issue a token for notes.
func alice() *policy.Input {
	return &policy.Input{
		Action:    policy.ActionIssue,
		Tenant:    policy.Tenant{ID: "ten_1", Plan: "pro"},
		GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
		Issuer:    &policy.Issuer{ID: "https://acme.okta.com", Name: "okta", Preset: "okta"},
		Assertion: &policy.Assertion{
			Profile: "id-jag", Type: "oauth-id-jag+jwt", IssuedAt: noon.Unix() - 10, ExpiresAt: noon.Unix() + 290,
			AuthTime: noon.Unix() - 60, ACR: "phr", AMR: []string{"hwk"}, Claims: map[string]any{"department": "it"},
		},
		User: &policy.User{
			ID: "usr_1", Sub: "00u1alice", Email: "alice@acme.com", Kind: "person",
			Groups: []string{"00g1ab"}, GroupNames: []string{"notes-editors"},
			GroupsState: policy.GroupsComplete, GroupsSource: "claim", Status: "active",
		},
		Client: &policy.Client{
			ID: "claude", Name: "claude", Type: "confidential", AuthMethod: "private_key_jwt",
			Plan: "pro", Environment: "production", Scopes: []string{"notes:read", "notes:write"},
		},
		Resource: &policy.Resource{
			Name: "notes", URI: "https://mcp.acme.com/notes", Scopes: []string{"notes:read", "notes:write"},
			Risk: map[string]string{"notes:read": "low", "notes:write": "high"},
		},
		Requested: &policy.Requested{Scopes: []string{"notes:read", "notes:write"}},
		Asserted:  &policy.Asserted{Scopes: []string{"notes:read", "notes:write"}},
		Available: []string{"notes:read", "notes:write"},
		Network:   &policy.Network{IP: "192.0.2.7"},
		Time:      policy.At(noon, nil),
		Implies:   map[string][]string{"notes:write": {"notes:read"}},
	}
}

// grant is a valid grant policy with the given modules' body.
func grant(body string) policy.Source {
	return policy.Source{
		UID: "pol_1", Name: "notes", Revision: 3, Role: policy.RoleGrant,
		Modules: map[string]string{"notes.rego": "package chancery.authz\n\n" + body},
	}
}

func guard(name, body string) policy.Source {
	s := grant(body)
	s.UID, s.Name, s.Role = "pol_"+name, name, policy.RoleGuard
	return s
}

func compile(tb testing.TB, src policy.Source) *policy.Compiled {
	tb.Helper()
	c, err := policy.Compile(tb.Context(), src)
	if err != nil {
		tb.Fatalf("compile %s: %v", src.Name, err)
	}
	return c
}

func set(tb testing.TB, sources ...policy.Source) *policy.Set {
	tb.Helper()
	var own []*policy.Compiled
	for _, src := range sources {
		own = append(own, compile(tb, src))
	}
	s, err := policy.NewSet(own, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// groupScopes is the template with n grants, the last of which is alice's.
func groupScopes(n int) policy.Source {
	grants := make([]any, 0, n)
	for i := range n - 1 {
		grants = append(grants, map[string]any{
			"groups": []any{fmt.Sprintf("group-%d", i)}, "resource": fmt.Sprintf("resource-%d", i%100), "scopes": []any{"read"},
		})
	}
	grants = append(grants, map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}})
	return policy.Source{
		UID: "pol_gs", Name: "groups", Revision: 1, Role: policy.RoleGrant, Template: "group-scopes",
		Data: map[string]any{"grants": grants},
	}
}

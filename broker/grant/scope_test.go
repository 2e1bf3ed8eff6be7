package grant_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestScope(t *testing.T) {
	defaults := change{"clients: [agent], resources", "absent_scope: default_scopes, clients: [agent], resources"}
	absent := idptest.WithoutClaim("scope")
	client := func(list string) change {
		return change{"  scopes: [\"notes:read\", \"notes:write\", \"wiki:read\"]\n  resources: [notes, wiki, old]\n  plan", "  scopes: " + list + "\n  resources: [notes, wiki, old]\n  plan"}
	}
	provider := func(list string) change {
		return change{`old], scopes: ["notes:read", "notes:write", "wiki:read"]}`, `old], scopes: ` + list + `}`}
	}
	for name, c := range map[string]struct {
		changes   []change
		asserted  idptest.Option
		request   string
		want      string // granted, or
		code      oauth.Code
		available string // as policy saw it, where it was asked
	}{
		"none requested: the asserted ones":       {asserted: idptest.WithScope("notes:read"), want: "notes:read", available: "notes:read"},
		"asserted implies, and is not expanded":   {asserted: idptest.WithScope("notes:write"), want: "notes:write", available: "notes:read notes:write"},
		"what is implied may be requested":        {asserted: idptest.WithScope("notes:write"), request: "notes:read", want: "notes:read", available: "notes:read notes:write"},
		"what implies may not be requested":       {asserted: idptest.WithScope("notes:read"), request: "notes:write", code: oauth.CodeScopeEmpty},
		"more requested than asserted":            {asserted: idptest.WithScope("notes:read"), request: "notes:write notes:read", want: "notes:read", available: "notes:read"},
		"available counts asserted, not request":  {asserted: idptest.WithScope("notes:read notes:write"), request: "notes:read", want: "notes:read", available: "notes:read notes:write"},
		"the request's order":                     {asserted: idptest.WithScope("notes:read notes:write"), request: "notes:write notes:read", want: "notes:write notes:read"},
		"repeated in the request":                 {asserted: idptest.WithScope("notes:read"), request: "notes:read notes:read", want: "notes:read"},
		"unknown to the resource":                 {asserted: idptest.WithScope("notes:read nothing"), request: "nothing notes:read", want: "notes:read"},
		"another resource's":                      {asserted: idptest.WithScope("wiki:read"), code: oauth.CodeScopeEmpty},
		"above client and IdP":                    {asserted: idptest.WithScope("notes:admin"), code: oauth.CodeScopeEmpty},
		"another case":                            {asserted: idptest.WithScope("NOTES:READ"), code: oauth.CodeScopeEmpty},
		"the client has less":                     {changes: []change{client(`["notes:read"]`)}, asserted: idptest.WithScope("notes:read notes:write"), want: "notes:read", available: "notes:read"},
		"the client's implies":                    {changes: []change{client(`["notes:write"]`)}, asserted: idptest.WithScope("notes:read"), want: "notes:read"},
		"the client has none":                     {changes: []change{client(`[]`)}, asserted: idptest.WithScope("notes:read"), code: oauth.CodeScopeEmpty},
		"the IdP has less":                        {changes: []change{provider(`["notes:read"]`)}, asserted: idptest.WithScope("notes:read notes:write"), want: "notes:read", available: "notes:read"},
		"the IdP has none":                        {changes: []change{provider(`[]`)}, asserted: idptest.WithScope("notes:read"), code: oauth.CodeScopeEmpty},
		"malformed request":                       {asserted: idptest.WithScope("notes:read"), request: "notes:read  notes:write", code: oauth.CodeScopeMalformed},
		"quoted request":                          {asserted: idptest.WithScope("notes:read"), request: `"notes:read"`, code: oauth.CodeScopeMalformed},
		"absent":                                  {asserted: absent, code: oauth.CodeScopeNotAsserted},
		"absent, requested":                       {asserted: absent, request: "notes:read", code: oauth.CodeScopeNotAsserted},
		"absent, default_scopes":                  {changes: []change{defaults}, asserted: absent, want: "notes:read", available: "notes:read"},
		"absent, default_scopes, more requested":  {changes: []change{defaults}, asserted: absent, request: "notes:write notes:read", want: "notes:read"},
		"absent, default_scopes of the resource":  {changes: []change{defaults, {"  default_scopes: [\"notes:read\"]\n", ""}}, asserted: absent, code: oauth.CodeScopeEmpty},
		"policy grants less":                      {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:read"]}`)}, asserted: idptest.WithScope("notes:read notes:write"), want: "notes:read"},
		"policy's implies":                        {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:write"]}`)}, asserted: idptest.WithScope("notes:read"), want: "notes:read"},
		"policy grants what was not requested":    {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:write"]}`)}, asserted: idptest.WithScope("notes:read notes:write"), request: "notes:read", want: "notes:read"},
		"policy grants above the ceiling":         {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:admin", "notes:read"]}`)}, asserted: idptest.WithScope("notes:read"), want: "notes:read"},
		"policy names what the resource does not": {changes: []change{policyOf(`{"allow": true, "scopes": ["other"]}`)}, asserted: idptest.WithScope("notes:read"), code: oauth.CodePolicyResultInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.changes...)
			a := w.ask(t, c.asserted)
			if c.request != "" {
				a = a.with("scope", c.request)
			}
			if c.code != "" {
				refusal := w.refused(t, a, c.code)
				if strings.HasPrefix(string(c.code), "scope") && refusal.wire.Error != "invalid_scope" {
					t.Errorf("answered %s", refusal.wire.Error)
				}
				return
			}
			response, minted := w.granted(t, a)
			if response.Scope != c.want || minted.Claims().Scope != c.want {
				t.Errorf("granted %q, want %q", response.Scope, c.want)
			}
			if c.available == "" {
				return
			}
			in := w.input(t)
			if got := strings.Join(in.Available, " "); got != c.available {
				t.Errorf("available %q, want %q", got, c.available)
			}
			if c.request == "" && !slices.Equal(in.Requested.Scopes, in.Asserted.Scopes) {
				t.Errorf("requested %v, asserted %v", in.Requested.Scopes, in.Asserted.Scopes)
			}
		})
	}
}

// seen is the part of a policy's input that tests ask about.
type seen struct {
	Available []string `json:"available_scopes"`
	Requested struct{ Scopes []string }
	Asserted  struct{ Scopes []string }
	User      struct {
		Groups     []string
		GroupNames []string `json:"group_names"`
		State      string   `json:"groups_state"`
		Source     string   `json:"groups_source"`
	}
}

func (w *world) input(t *testing.T) seen {
	t.Helper()
	var in seen
	must(t, json.Unmarshal(w.journal.last(t).Decision.Input, &in))
	return in
}

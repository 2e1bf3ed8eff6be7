package object

import (
	"slices"
	"strings"
	"testing"
)

func TestSameHuman(t *testing.T) {
	alice := Human{Tenant: "ten_1", UserUID: "usr_1", Email: "alice@acme.test"}
	for name, test := range map[string]struct {
		other Human
		same  bool
	}{
		"another session":                 {Human{Tenant: "ten_1", UserUID: "usr_1", IdPUID: "idp_2"}, true},
		"through another tenant":          {Human{Tenant: "ten_2", UserUID: "usr_1"}, true},
		"another user with the address":   {Human{Tenant: "ten_1", UserUID: "usr_2", Email: "Alice@Acme.TEST"}, true},
		"another user":                    {Human{Tenant: "ten_1", UserUID: "usr_2", Email: "bob@acme.test"}, false},
		"another user without an address": {Human{Tenant: "ten_1", UserUID: "usr_2"}, false},
		"nobody":                          {Human{}, false},
	} {
		if got := alice.Same(test.other); got != test.same || test.other.Same(alice) != got {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (Human{}).Same(Human{}) {
		t.Error("nobody is nobody")
	}
}

// Roles that approve are those that a second person's word is asked of, and no other.
func TestApprovingRoles(t *testing.T) {
	for _, role := range Roles() {
		want := map[string][]Need{"owner": {NeedPolicies, NeedTrust}, "policy-approver": {NeedPolicies}}[role]
		if got := approving(role); !slices.Equal(got, want) {
			t.Errorf("%s: %v", role, got)
		}
	}
}

// TestProvidersThatLeadElsewhere: who may write a Provider cannot alone have what people connected there sent to himself.
func TestProvidersThatLeadElsewhere(t *testing.T) {
	const spec = `{"client_id":"a","client_secret":{"env":"S"},"own_manifest":{"authorization_url":"https://t.example/a","extends":"oauth2","token_url":"https://t.example/t"},"scope_map":{"read":["r"]}}`
	for name, test := range map[string]struct {
		old, new string
		action   Action
		waits    bool
	}{
		"another token_url":   {`https://t.example/t"`, `https://evil.example/t"`, Update, true},
		"one address more":    {`"extends":"oauth2"`, `"extends":"oauth2","revoke":{"format":"form","url":"https://evil.example/r"}`, Update, true},
		"a proxy":             {`"scope_map"`, `"network":{"proxy":"https://evil.example"},"scope_map"`, Update, true},
		"private addresses":   {`"scope_map"`, `"network":{"allow_private_addresses":true},"scope_map"`, Update, true},
		"another instance":    {`"own_manifest"`, `"connection_config":{"instance":"evil"},"own_manifest"`, Update, true},
		"a manifest of ours":  {`"own_manifest":{"authorization_url":"https://t.example/a","extends":"oauth2","token_url":"https://t.example/t"}`, `"manifest":"github"`, Update, true},
		"more to ask for":     {`["r"]`, `["r","w"]`, Update, false},
		"another client name": {`"client_id":"a"`, `"client_id":"b"`, Update, false},
		"an end":              {`["r"]`, `["r","w"]`, Delete, false},
	} {
		after := strings.Replace(spec, test.old, test.new, 1)
		if after == spec {
			t.Fatalf("%s: nothing is broken", name)
		}
		e := entry{before: &Stored{Kind: KindProvider, Spec: []byte(spec)}, after: Stored{Kind: KindProvider, Spec: []byte(after)}, action: test.action}
		needs, err := new(draft).needsOf(t.Context(), e, []Need{NeedPolicies, NeedTrust})
		if err != nil || slices.Equal(needs, []Need{NeedTrust}) != test.waits || !test.waits && len(needs) > 0 {
			t.Errorf("%s: %v, %v", name, needs, err)
		}
	}
	if needs, err := new(draft).needsOf(t.Context(), entry{after: Stored{Kind: KindProvider, Spec: []byte(spec)}}, []Need{NeedTrust}); err != nil || len(needs) > 0 {
		t.Errorf("a new one, at which nothing is connected: %v, %v", needs, err)
	}
}

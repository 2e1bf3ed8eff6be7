package decision_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

var (
	acme  = tenant.MustParseUID("ten_01JZ8Q0V9V2B7T5D4N3M2K1H0G")
	other = tenant.MustParseUID("ten_01JZ8Q0V9V2B7T5D4N3M2K1H0H")
)

// ring derives from keys, the newest first.
type ring []string

func (r ring) Derive(purpose string) ([][]byte, error) {
	var keys [][]byte
	for _, k := range r {
		keys = append(keys, []byte(k+purpose))
	}
	return keys, nil
}

func masks(t testing.TB, redact ...string) *decision.Masks {
	t.Helper()
	m, err := decision.NewMasks(ring{"one"}, redact)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// set compiles the policy of notes.
func set(t *testing.T, body string) *policy.Set {
	t.Helper()
	return setOf(t, source(body))
}

func source(body string) policy.Source {
	return policy.Source{UID: "pol_1", Name: "notes", Revision: 1, Role: policy.RoleGrant, Modules: map[string]string{"notes.rego": "package chancery.authz\n\n" + body}}
}

func setOf(t testing.TB, src policy.Source) *policy.Set {
	t.Helper()
	c, err := policy.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	s, err := policy.NewSet([]*policy.Compiled{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const byClient = "decision := {\"allow\": true, \"scopes\": [\"notes:read\"]} if input.client.name == \"claude\"\n"

func request() *policy.Input {
	return &policy.Input{
		Action: policy.ActionIssue, Tenant: policy.Tenant{ID: acme.String()},
		Assertion: &policy.Assertion{Profile: "id-jag", IssuedAt: 1, Claims: map[string]any{
			"employee": json.Number("4711"), "cost": map[string]any{"center": "c-17", "shared": true}, "list": []any{"x1", nil},
		}},
		User: &policy.User{
			ID: "usr_1", Sub: "00u1alice", Email: "alice@acme.com", Groups: []string{"00g1"}, GroupNames: []string{"editors"},
			GroupsState: policy.GroupsComplete, Attributes: map[string]any{"phone": "+49 1"},
		},
		Client:    &policy.Client{ID: "claude", Name: "claude"},
		Resource:  &policy.Resource{Name: "notes", Scopes: []string{"notes:read", "notes:write"}},
		Requested: &policy.Requested{Scopes: []string{"notes:read"}}, Available: []string{"notes:read"},
		Network: &policy.Network{IP: "192.0.2.7"}, Time: policy.Time{Unix: 1788177600, RFC3339: "2026-08-31T12:00:00Z", Weekday: "Monday", Hour: 12},
		Implies: map[string][]string{"notes:write": {"notes:read"}},
	}
}

func record(t *testing.T, m *decision.Masks, of tenant.UID, s *policy.Set, in *policy.Input, d policy.Decision) (*policy.Input, policy.Record, string) {
	t.Helper()
	text, result, err := m.Record(of, s, in, d)
	if err != nil {
		t.Fatal(err)
	}
	back, beside, err := policy.ParseRecorded(text)
	if err != nil {
		t.Fatal(err)
	}
	return back, beside, string(text) + string(result)
}

func TestMaskedByDefault(t *testing.T) {
	in := request()
	before, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	back, beside, text := record(t, masks(t), acme, set(t, byClient), in, policy.Decision{Allow: true})
	for _, clear := range []string{"alice", "00u1", "4711", "c-17", "x1", "+49", "192.0.2.7"} {
		if strings.Contains(text, clear) {
			t.Errorf("%q is recorded in the clear: %s", clear, text)
		}
	}
	want := []string{"assertion.claims", "user.sub", "user.email", "user.attributes", "network.ip"}
	if !slices.Equal(beside.Masked, want) {
		t.Errorf("masked %v, want %v", beside.Masked, want)
	}
	if !strings.HasPrefix(back.User.Email, decision.Prefix) || !strings.HasSuffix(back.User.Email, "@acme.com") {
		t.Errorf("email %q", back.User.Email)
	}
	if back.User.ID != "usr_1" || back.Client.Name != "claude" || back.User.GroupNames[0] != "editors" || back.Time.Hour != 12 {
		t.Errorf("what names the decision was masked: %+v", back)
	}
	if cost, _ := back.Assertion.Claims["cost"].(map[string]any); cost["shared"] != true {
		t.Errorf("claims %v", back.Assertion.Claims)
	}
	if !slices.Equal(back.Implies["notes:write"], []string{"notes:read"}) {
		t.Errorf("implies %v", back.Implies)
	}
	if after, err := in.JSON(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the input itself was changed: %s, %v", after, err)
	}
}

// What a policy that was asked can read stays, so that deciding again comes to the same.
func TestWhatIsReadIsNotMasked(t *testing.T) {
	for name, test := range map[string]struct {
		body  string
		clear []string
	}{
		"the email":        {`decision := {"allow": true} if endswith(input.user.email, "@acme.com")`, []string{"user.email"}},
		"a claim":          {`decision := {"allow": true} if input.assertion.claims.employee == 4711`, []string{"assertion.claims"}},
		"the whole user":   {`decision := {"allow": true} if count(input.user) > 1`, []string{"user.email", "user.sub", "user.attributes"}},
		"the whole input":  {`decision := {"allow": count(input) > 1}`, []string{"user.email", "user.sub", "user.attributes", "network.ip", "assertion.claims"}},
		"nothing personal": {byClient, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := request()
			back, beside, _ := record(t, masks(t), acme, set(t, test.body), in, policy.Decision{})
			for _, member := range []string{"assertion.claims", "user.sub", "user.email", "user.attributes", "network.ip"} {
				if got, want := slices.Contains(beside.Masked, member), !slices.Contains(test.clear, member); got != want {
					t.Errorf("%s masked: %v, want %v", member, got, want)
				}
			}
			if slices.Contains(test.clear, "user.email") && back.User.Email != in.User.Email {
				t.Errorf("email %q", back.User.Email)
			}
		})
	}
	t.Run("nobody is asked", func(t *testing.T) {
		in := request()
		in.Resource.Name = "mail"
		src := source(byClient)
		src.Resources = []string{"notes"}
		_, beside, _ := record(t, masks(t), acme, setOf(t, src), in, policy.Decision{})
		if len(beside.Masked) != 5 {
			t.Errorf("masked %v", beside.Masked)
		}
	})
}

func TestRedact(t *testing.T) {
	reads := set(t, `decision := {"allow": true, "deny": [input.user.email]} if input.user.attributes.phone`)
	m := masks(t, "user.email", "user.attributes.phone", "user.groups", "!network.ip", "assertion.claims.cost.center")
	d := policy.Decision{
		Deny: []string{"not alice@acme.com", "alice is unknown"}, Reasons: []policy.Reason{{Code: "allow", Detail: "c-17 and 00g1"}},
		Claims: map[string]any{"phone": "+49 1", "deep": []any{map[string]any{"mail": "alice@acme.com"}}, "allow": true},
	}
	back, beside, text := record(t, m, acme, reads, request(), d)
	for _, clear := range []string{"alice", "+49", "c-17", "00g1"} {
		if strings.Contains(text, clear) {
			t.Errorf("%q is recorded in the clear: %s", clear, text)
		}
	}
	if back.Network.IP != "192.0.2.7" {
		t.Errorf("address %q", back.Network.IP)
	}
	if want := []string{"user.email", "user.attributes.phone", "user.groups", "assertion.claims.cost.center", "assertion.claims", "user.sub"}; !slices.Equal(beside.Masked, want) {
		t.Errorf("masked %v, want %v", beside.Masked, want)
	}
	// The pseudonym in the result is that in the input: claims compare as equal when they are decided again.
	if phone, _ := back.User.Attributes["phone"].(string); !strings.Contains(text, `"phone":"`+phone+`"},`) && strings.Count(text, phone) != 2 {
		t.Errorf("the result has another pseudonym: %s", text)
	}
	if d.Deny[0] != "not alice@acme.com" || d.Claims["phone"] != "+49 1" {
		t.Errorf("what the client gets was masked: %+v", d)
	}
}

func TestPseudonyms(t *testing.T) {
	of := func(m *decision.Masks, t2 tenant.UID, change func(*policy.Input)) string {
		in := request()
		if change != nil {
			change(in)
		}
		back, _, _ := record(t, m, t2, set(t, byClient), in, policy.Decision{})
		return back.User.Sub
	}
	one := of(masks(t), acme, nil)
	if one != of(masks(t), acme, nil) {
		t.Error("equal values have different pseudonyms")
	}
	if one == of(masks(t), other, nil) {
		t.Error("two tenants share a pseudonym")
	}
	if one == of(masks(t), acme, func(in *policy.Input) { in.User.Sub = "00u2bob" }) {
		t.Error("two people share a pseudonym")
	}
	rotated, err := decision.NewMasks(ring{"two", "one"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one != of(rotated, acme, nil) {
		t.Error("a rotation changes pseudonyms")
	}
	replaced, err := decision.NewMasks(ring{"two"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one == of(replaced, acme, nil) {
		t.Error("pseudonyms do not depend on the key")
	}
}

// Without a key, nothing is recorded in the clear instead.
func TestNoKey(t *testing.T) {
	m, err := decision.NewMasks(ring{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Record(acme, set(t, byClient), request(), policy.Decision{}); err == nil {
		t.Error("recorded without a key")
	}
	if _, _, err := masks(t).Record(tenant.UID{}, set(t, byClient), request(), policy.Decision{}); err == nil {
		t.Error("recorded without a tenant")
	}
	if _, err := decision.NewMasks(nil, nil); err == nil {
		t.Error("masks without keys")
	}
}

// An input that fits its limit is recorded, even where pseudonyms would not fit.
func TestMaskedInputTooLarge(t *testing.T) {
	in := request()
	list := make([]any, 12_000)
	for i := range list {
		list[i] = "x"
	}
	in.Assertion.Claims = map[string]any{"list": list}
	if _, err := in.JSON(); err != nil {
		t.Fatal(err)
	}
	back, beside, _ := record(t, masks(t), acme, set(t, byClient), in, policy.Decision{})
	if len(back.Assertion.Claims) != 0 || !slices.Contains(beside.Masked, "assertion.claims") {
		t.Errorf("%v, %v", len(back.Assertion.Claims), beside.Masked)
	}
	in.User.Groups = make([]string, policy.MaxInputSize)
	if _, _, err := masks(t).Record(acme, set(t, byClient), in, policy.Decision{}); err == nil {
		t.Error("an input beyond its limit was recorded")
	}
}

func TestCheckPaths(t *testing.T) {
	for _, good := range [][]string{nil, {"user.email"}, {"!user.email"}, {"user.attributes.phone", "user.groups", "actor.chain", "workload.sub"}} {
		if err := decision.CheckPaths(good); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][]string{
		{""},
		{"user"},
		{"user.id"},
		{"user.mail"},
		{"user.email.x"},
		{"user.attributes."},
		{"user.attributes..x"},
		{"!user.groups"},
		{"!user.attributes.phone"},
		{"!"},
		{"client.name"},
		{"time"},
		{"user.email", "!user.email"},
	} {
		if err := decision.CheckPaths(bad); err == nil || errors.Is(err, nil) {
			t.Errorf("%v is accepted", bad)
		}
	}
}

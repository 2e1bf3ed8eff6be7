package remedy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/remedy"
)

// noon is a Monday.
var noon = time.Date(2026, 8, 31, 12, 0, 0, 0, time.UTC)

// alice is a request for notes, valid but for being in no group that counts.
func alice() *policy.Input {
	return &policy.Input{
		Action: policy.ActionIssue, Tenant: policy.Tenant{ID: "ten_1"},
		Assertion: &policy.Assertion{Profile: "id-jag", IssuedAt: noon.Unix(), ExpiresAt: noon.Unix() + 300, AuthTime: noon.Unix() - 7200, ACR: "pwd"},
		User:      &policy.User{ID: "usr_1", Groups: []string{"staff"}, GroupNames: []string{"staff"}, GroupsState: policy.GroupsComplete, Status: "active"},
		Client:    &policy.Client{ID: "cli_1", Name: "claude", Scopes: []string{"notes:read", "notes:write"}},
		Resource:  &policy.Resource{Name: "notes", Scopes: []string{"notes:read", "notes:write", "notes:delete"}},
		Requested: &policy.Requested{Scopes: []string{"notes:read", "notes:write"}},
		Asserted:  &policy.Asserted{Scopes: []string{"notes:read", "notes:write"}},
		Available: []string{"notes:read", "notes:write"},
		Time:      policy.At(noon, nil),
	}
}

func modules(body string) policy.Source {
	return policy.Source{UID: "pol_1", Name: "notes", Role: policy.RoleGrant, Modules: map[string]string{"notes.rego": "package chancery.authz\n\n" + body}}
}

func guard(name, body string) policy.Source {
	s := modules(body)
	s.UID, s.Name, s.Role = "pol_"+name, name, policy.RoleGuard
	return s
}

func template(grants ...any) policy.Source {
	return policy.Source{UID: "pol_gs", Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{"grants": grants}}
}

func entry(resource, group string, scopes ...any) map[string]any {
	return map[string]any{"groups": []any{group}, "resource": resource, "scopes": scopes}
}

func set(tb testing.TB, sources ...policy.Source) *policy.Set {
	tb.Helper()
	var own []*policy.Compiled
	for _, src := range sources {
		c, err := policy.Compile(tb.Context(), src)
		if err != nil {
			tb.Fatalf("compile %s: %v", src.Name, err)
		}
		own = append(own, c)
	}
	s, err := policy.NewSet(own, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func patient(tb testing.TB) policy.Evaluator {
	e := policy.NewInProcess(10 * time.Second)
	tb.Cleanup(e.Close)
	return e
}

func find(t *testing.T, in *policy.Input, sources ...policy.Source) remedy.Remedies {
	t.Helper()
	r, err := remedy.Find(t.Context(), patient(t), set(t, sources...), sources, in, remedy.Options{Within: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// texts are the ways, each on one line.
func texts(r remedy.Remedies) (list []string) {
	for _, way := range r.Ways {
		var parts []string
		for _, c := range way.Changes {
			parts = append(parts, fmt.Sprintf("%s %s %v", c.Do, c.Member, c.Value))
		}
		list = append(list, strings.Join(parts, " and "))
	}
	return list
}

func TestWays(t *testing.T) {
	const all = `"allow": true, "scopes": input.requested.scopes`
	write := entry("notes", "notes-editors", "notes:read", "notes:write")
	tests := []struct {
		name    string
		change  func(*policy.Input)
		sources []policy.Source
		want    []string
	}{
		{"a group that the data names", nil, []policy.Source{template(write, entry("mail", "postmen", "notes:read"))}, []string{"add user.group_names notes-editors"}},
		{"two groups, either will do", nil, []policy.Source{template(write, entry("notes", "admins", "notes:read", "notes:write"))}, []string{"add user.group_names admins", "add user.group_names notes-editors"}},
		{"two groups, both are needed", nil, []policy.Source{template(entry("notes", "readers", "notes:read"), entry("notes", "writers", "notes:write"))}, []string{"add user.group_names readers and add user.group_names writers", "add user.group_names readers and set requested.scopes [notes:read]", "add user.group_names writers and set requested.scopes [notes:write]"}},
		{"a group that the text names", nil, []policy.Source{modules(`decision := {` + all + `} if "writers" in input.user.group_names`)}, []string{"add user.group_names writers"}},
		{"a group that is compared elsewhere", nil, []policy.Source{modules("decision := {" + all + "} if {\n\tsome g in {\"writers\"}\n\tg in input.user.groups\n}")}, []string{"add user.group_names writers"}},
		{"a stale sign-in", nil, []policy.Source{modules(`decision := {` + all + `, "step_up": {"max_age": 300}}`)}, []string{"set assertion.auth_time 1788177600"}},
		{"a weak sign-in", nil, []policy.Source{modules(`decision := {` + all + `, "step_up": {"acr_values": ["phr", "phrh"]}}`)}, []string{"set assertion.acr phr", "set assertion.acr phrh"}},
		{"a weak and stale one", nil, []policy.Source{modules(`decision := {` + all + `, "step_up": {"acr_values": ["phr"], "max_age": 300}}`)}, []string{"set assertion.auth_time 1788177600 and set assertion.acr phr"}},
		{"an acr that the text names", nil, []policy.Source{modules(`decision := {` + all + `} if input.assertion.acr == "gold"`)}, []string{"set assertion.acr gold"}},
		{"a group, then a step-up that only then shows", nil, []policy.Source{template(write), guard("strong", `decision := {"allow": true, "step_up": {"acr_values": [concat("", ["ph", "r"])]}}`)}, []string{"add user.group_names notes-editors and set assertion.acr phr"}},
		{"one scope too many", nil, []policy.Source{modules(`decision := {"allow": true, "scopes": ["notes:read"]}`)}, []string{"set requested.scopes [notes:read]"}},
		{"a scope that spoils all", nil, []policy.Source{modules(`decision := {` + all + `} if not "notes:write" in input.requested.scopes`)}, []string{"set requested.scopes [notes:read]"}},
		{
			"a scope outside the client", func(in *policy.Input) {
				in.Client.Scopes, in.Available, in.Requested.Scopes = []string{"notes:read"}, []string{"notes:read"}, []string{"notes:write"}
			},
			[]policy.Source{modules(`decision := {` + all + `}`)},
			[]string{"add client.scopes notes:write"},
		},
		{
			"a scope outside client and assertion", func(in *policy.Input) {
				in.Client.Scopes, in.Asserted.Scopes, in.Available, in.Requested.Scopes = []string{"notes:read"}, []string{"notes:read"}, []string{"notes:read"}, []string{"notes:write"}
			},
			[]policy.Source{modules(`decision := {` + all + `}`)},
			[]string{"add client.scopes notes:write and add asserted.scopes notes:write"},
		},
		{
			"a ceiling that is not in the input", func(in *policy.Input) {
				in.Available, in.Requested.Scopes = []string{"notes:read"}, []string{"notes:write"}
			},
			[]policy.Source{modules(`decision := {` + all + `}`)},
			[]string{"add available_scopes notes:write"},
		},
		{"another hour: the next one", nil, []policy.Source{modules("decision := {" + all + "} if {\n\tinput.time.hour >= 14\n\tinput.time.hour < 18\n}")}, []string{"set time.hour 14"}},
		{"another day", nil, []policy.Source{modules(`decision := {` + all + `} if input.time.weekday == "Wednesday"`)}, []string{"set time.weekday Wednesday"}},
		{"a guest", func(in *policy.Input) { in.User.Guest = true }, []policy.Source{modules(`decision := {` + all + `} if not input.user.guest`)}, []string{"set user.guest false"}},
		{"switched off", func(in *policy.Input) { in.User.Status = "suspended" }, []policy.Source{modules(`decision := {` + all + `} if input.user.status == "active"`)}, []string{"set user.status active"}},
		{"a proof", nil, []policy.Source{modules(`decision := {` + all + `} if input.client.dpop`)}, []string{"set client.dpop true"}},
		{"what nothing turns", nil, []policy.Source{modules(`decision := {"allow": false}`)}, nil},
		{"a name that is put together", nil, []policy.Source{modules(`decision := {` + all + `} if concat("-", ["a", "b"]) in input.user.group_names`)}, nil},
		{"a claim", nil, []policy.Source{modules(`decision := {` + all + `} if input.assertion.claims.department == "it"`)}, nil},
		{"three changes", nil, []policy.Source{template(write), guard("x", `decision := {"allow": true} if { input.client.dpop; input.time.hour == 3 }`)}, nil},
		{"an approval is no answer", nil, []policy.Source{modules(`decision := {` + all + `, "approval": {"group": "security"}}`)}, nil},
		{"nobody", func(in *policy.Input) { in.User, in.Assertion = nil, nil }, []policy.Source{template(write)}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := alice()
			if test.change != nil {
				test.change(in)
			}
			before, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			r := find(t, in, test.sources...)
			if got := texts(r); !slices.Equal(got, test.want) {
				t.Errorf("ways %q, want %q", got, test.want)
			}
			if r.Granted || !r.Complete {
				t.Errorf("%+v", r)
			}
			if after, err := json.Marshal(in); err != nil || string(after) != string(before) {
				t.Errorf("the request was written into:\n%s\n%s", before, after)
			}
			if again := find(t, in, test.sources...); !reflect.DeepEqual(r, again) {
				t.Errorf("not the same twice:\n%+v\n%+v", r, again)
			}
		})
	}
}

// Every way that is told is true: the request with the changes gets what it asks for.
func TestWaysAreTrue(t *testing.T) {
	src := template(entry("notes", "notes-editors", "notes:read", "notes:write"))
	in := alice()
	in.User.GroupNames = append(in.User.GroupNames, "notes-editors")
	if d := patient(t).Decide(t.Context(), set(t, src), in); !d.Allow || len(d.Scopes) != 2 {
		t.Errorf("%+v", d)
	}
	if r := find(t, in, src); !r.Granted || len(r.Ways) != 0 || r.Tried != 1 || !r.Complete {
		t.Errorf("%+v", r)
	}
	r := find(t, alice(), src)
	if !slices.Equal(r.Ways[0].Scopes, []string{"notes:read", "notes:write"}) || r.Ways[0].Changes[0].Text != `be in group "notes-editors"` {
		t.Errorf("%+v", r)
	}
}

// Hours and days are those of the tenant's zone.
func TestZone(t *testing.T) {
	in := alice()
	in.Time = policy.At(noon, time.FixedZone("", 2*60*60))
	r := find(t, in, modules(`decision := {"allow": true, "scopes": input.requested.scopes} if { input.time.hour == 15; input.assertion.auth_time < input.time.unix - 7000 }`))
	if got := texts(r); !slices.Equal(got, []string{"set time.hour 15"}) || r.Ways[0].Changes[0].Text != "ask between 15:00 and 15:59, as on Monday" {
		t.Errorf("%q", got)
	}
}

func TestBounds(t *testing.T) {
	var grants []any
	for i := range 500 {
		grants = append(grants, entry("notes", fmt.Sprintf("group-%03d", i), "notes:read"))
	}
	many := template(grants...)
	e := patient(t)
	look := func(o remedy.Options, src policy.Source) remedy.Remedies {
		t.Helper()
		r, err := remedy.Find(t.Context(), e, set(t, src), []policy.Source{src}, alice(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// A single grant of these gives too little; with one scope less each gives enough.
	r := look(remedy.Options{Within: time.Minute}, many)
	if len(r.Ways) != 5 || r.Complete || r.Tried > 4000 {
		t.Errorf("%+v", r)
	}
	if r := look(remedy.Options{Within: time.Minute, MaxTries: 10}, many); r.Tried != 10 || r.Complete || len(r.Ways) != 0 {
		t.Errorf("%+v", r)
	}
	if r := look(remedy.Options{Within: time.Nanosecond}, many); r.Complete || len(r.Ways) != 0 {
		t.Errorf("%+v", r)
	}
	if r := look(remedy.Options{Within: time.Minute, MaxWays: 1}, many); len(r.Ways) != 1 || r.Complete {
		t.Errorf("%+v", r)
	}
	none := many
	none.Resources = []string{"mail"}
	if r := look(remedy.Options{}, none); len(r.Ways) != 0 || r.Tried != 1 || !r.Complete {
		t.Errorf("%+v", r)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := remedy.Find(cancelled, e, set(t, many), []policy.Source{many}, alice(), remedy.Options{}); err == nil || r.Complete {
		t.Errorf("%v: %+v", err, r)
	}
	for _, in := range []*policy.Input{nil, alice()} {
		if _, err := remedy.Find(t.Context(), e, nil, nil, in, remedy.Options{}); err == nil {
			t.Error("no error without policies")
		}
	}
}

// slow counts how often it is asked, and never has an answer in time.
type slow struct{ asked int }

func (s *slow) Decide(context.Context, *policy.Set, *policy.Input) policy.Decision {
	s.asked++
	return policy.Decision{Code: policy.CodeTimeout}
}

func TestPolicyWithoutAnswerIsAskedOnce(t *testing.T) {
	src := template(entry("notes", "notes-editors", "notes:read"))
	e := &slow{}
	r, err := remedy.Find(t.Context(), e, set(t, src), []policy.Source{src}, alice(), remedy.Options{})
	if err != nil || e.asked != 1 || r.Complete || len(r.Ways) != 0 {
		t.Errorf("%v: asked %d times, %+v", err, e.asked, r)
	}
}

func TestSparseInputs(t *testing.T) {
	src := template(entry("notes", "notes-editors", "notes:read"))
	for name, in := range map[string]*policy.Input{
		"empty":         {},
		"no client":     {Action: policy.ActionIssue, Resource: &policy.Resource{Name: "notes", Scopes: []string{"a"}}, Requested: &policy.Requested{Scopes: []string{"a", "b"}}},
		"only a person": {Action: policy.ActionIssue, User: &policy.User{}},
	} {
		t.Run(name, func(t *testing.T) {
			if r := find(t, in, src); r.Granted {
				t.Errorf("%+v", r)
			}
		})
	}
}

func BenchmarkFind(b *testing.B) {
	src := template(entry("notes", "readers", "notes:read"), entry("notes", "writers", "notes:write"))
	s, e := set(b, src), patient(b)
	for b.Loop() {
		if r, err := remedy.Find(b.Context(), e, s, []policy.Source{src}, alice(), remedy.Options{Within: time.Minute}); err != nil || len(r.Ways) == 0 {
			b.Fatalf("%v: %+v", err, r)
		}
	}
}

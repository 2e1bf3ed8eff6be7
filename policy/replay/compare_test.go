package replay_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// Each row is one change of a draft that otherwise says what was recorded.
func TestKindsOfChange(t *testing.T) {
	const plain = `"allow": true, "scopes": input.requested.scopes`
	tests := []struct {
		name          string
		before, after string
		want          []replay.Kind
		flips         bool
	}{
		{"nothing", plain, plain, nil, false},
		{"reasons alone", plain, plain + `, "reasons": [{"code": "x"}]`, nil, false},
		{"denied", plain, `"allow": false`, []replay.Kind{replay.AllowToDeny}, true},
		{"allowed", `"allow": false`, plain, []replay.Kind{replay.DenyToAllow}, true},
		{"denied for another reason", `"allow": false`, plain + `, "deny": ["no"]`, nil, false},
		{"no scope left", plain, `"allow": true, "scopes": []`, []replay.Kind{replay.AllowToDeny}, true},
		{"a scope again", `"allow": true`, plain, []replay.Kind{replay.DenyToAllow}, true},
		{"a scope lost", plain, `"allow": true, "scopes": ["notes:read"]`, []replay.Kind{replay.ScopesLost}, true},
		{"a scope won", `"allow": true, "scopes": ["notes:read"]`, plain, []replay.Kind{replay.ScopesWon}, true},
		{"one for another", `"allow": true, "scopes": ["notes:read"]`, `"allow": true, "scopes": ["notes:write"]`, []replay.Kind{replay.ScopesWon, replay.ScopesLost}, true},
		{"step-up that is met", plain, plain + `, "step_up": {"max_age": 300}`, []replay.Kind{replay.StepUp}, true},
		{"step-up that is not", plain, plain + `, "step_up": {"max_age": 10}`, []replay.Kind{replay.StepUp, replay.Challenged}, true},
		{"a weaker step-up", plain + `, "step_up": {"acr_values": ["gold"]}`, plain + `, "step_up": {"acr_values": ["phr", "gold"]}`, []replay.Kind{replay.StepUp, replay.Unchallenged}, true},
		{"acr in another order", plain + `, "step_up": {"acr_values": ["gold", "phr"]}`, plain + `, "step_up": {"acr_values": ["phr", "gold"]}`, nil, false},
		{"approval", plain, plain + `, "approval": {"group": "security"}`, []replay.Kind{replay.Approval}, true},
		{"approval for longer", plain + `, "approval": {"group": "security", "within": 60}`, plain + `, "approval": {"group": "security", "within": 600}`, []replay.Kind{replay.Approval}, true},
		{"lifetime", plain, plain + `, "lifetime": 60`, []replay.Kind{replay.Lifetime}, false},
		{"claims", plain + `, "claims": {"a": 1}`, plain + `, "claims": {"a": 2}`, []replay.Kind{replay.Claims}, false},
		{"the same claims", plain + `, "claims": {"a": 1, "b": {"c": [1.5]}}`, plain + `, "claims": {"b": {"c": [1.5]}, "a": 1}`, nil, false},
		{"a broken draft", plain, `"allow": "yes"`, []replay.Kind{replay.AllowToDeny, replay.Failed}, true},
		{"a broken draft where it was denied", `"allow": false`, `"allow": 1 / 0`, []replay.Kind{replay.Failed}, true},
		{"broken as before", `"allow": "yes"`, `"allow": "no"`, nil, false},
		{"mended", `"allow": "yes"`, plain, []replay.Kind{replay.DenyToAllow}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := patient(t, policy.WithApprovals())
			decide := func(body string) *policy.Set { return set(t, source("notes", "decision := {"+body+"}")) }
			o := anything(t)
			o.Evaluator = e
			report, err := replay.Replay(t.Context(), each(record(t, e, decide(test.before), "dec_1", alice())), decide(test.after), o)
			if err != nil || report.Compared != 1 {
				t.Fatalf("%v: %+v", err, report)
			}
			var got []replay.Kind
			for _, k := range replay.Kinds() {
				if report.Changes[k] > 0 {
					got = append(got, k)
				}
			}
			if !slices.Equal(got, test.want) || (report.Flips == 1) != test.flips {
				t.Errorf("%v, flips %d; want %v, %v", got, report.Flips, test.want, test.flips)
			}
			if len(got) == 0 {
				return
			}
			g := report.Groups[replay.ByClient]
			if len(g) != 1 || g[0].Value != "claude" || !slices.Equal(g[0].Examples[0].Changes, test.want) || g[0].Examples[0].ID != "dec_1" {
				t.Errorf("%+v", g)
			}
		})
	}
}

// Step-up that nobody could answer is a challenge that leads nowhere.
func TestStepUpWithoutPerson(t *testing.T) {
	in := alice()
	in.User, in.Assertion, in.Actor = nil, nil, &policy.Actor{Kind: "client"}
	e := patient(t)
	r := record(t, e, set(t, source("notes", grantsAll)), "dec_1", in)
	draft := set(t, source("notes", `decision := {"allow": true, "scopes": input.requested.scopes, "step_up": {"acr_values": ["phr"]}}`))
	report, err := replay.Replay(t.Context(), each(r), draft, anything(t))
	if err != nil || report.Changes[replay.Challenged] != 1 || report.Groups[replay.ByUser][0].Value != "" {
		t.Errorf("%v: %+v", err, report)
	}
}

// An input of an older version lacks members: it is replayed as it is.
func TestOlderInput(t *testing.T) {
	const old = `{"version":1,"action":"issue","tenant":{"id":"ten_1"},"resource":{"name":"notes","scopes":["notes:read"]},` +
		`"requested":{"scopes":["notes:read"]},"available_scopes":["notes:read"],"time":{"unix":1,"rfc3339":"1970-01-01T00:00:01Z","weekday":"Thursday","hour":0}}`
	r := replay.Recorded{ID: "dec_1", Input: []byte(old), Result: []byte(`{"allow":true,"scopes":["notes:read"]}`)}
	report, err := replay.Replay(t.Context(), each(r), set(t, source("notes", grantsAll)), anything(t))
	if err != nil || report.Same != 1 {
		t.Errorf("%v: %+v", err, report)
	}
	strict := set(t, source("notes", `decision := {"allow": true, "scopes": ["notes:read"]} if input.client.dpop == false`))
	report, err = replay.Replay(t.Context(), each(r), strict, anything(t))
	if err != nil || report.Changes[replay.AllowToDeny] != 1 || report.Groups[replay.ByReason][0].Value != "notes: policy_undefined" {
		t.Errorf("%v: %+v", err, report)
	}
}

func TestTable(t *testing.T) {
	e := patient(t)
	in := alice()
	in.Client.Name = "an evil\x1b[2J\tclient"
	granted := set(t, source("notes", grantsAll))
	records := []replay.Recorded{record(t, e, granted, "dec_1", in), record(t, e, granted, "dec_2", alice()), {ID: "dec_3"}, {ID: "dec_4", Input: []byte("{")}}
	for i := range 12 {
		other := alice()
		other.Client.Name = "client-" + string(rune('a'+i))
		records = append(records, record(t, e, granted, "dec_x", other))
	}
	o := anything(t)
	o.Implies = nil
	report, err := replay.Replay(t.Context(), each(records...), set(t, source("notes", `decision := {"allow": false, "reasons": [{"code": "closed"}]}`)), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := report.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"14 decisions compared, 14 flips (2026-08-31T12:00:00Z to", "1 not compared: their input is no longer kept", "1 not compared: unreadable", "dec_4 policy input:",
		"14 allow_to_deny", "14 are about resources", "CLIENT", "an evil?[2J?client", "allow notes:read notes:write", "deny policy_denied (closed)", "notes: closed", "and 4 more",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	text, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(text), `"allow_to_deny":14`) {
		t.Errorf("%v: %s", err, text)
	}
}

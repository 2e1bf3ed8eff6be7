package replay_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// noon is a Monday.
var noon = time.Date(2026, 8, 31, 12, 0, 0, 0, time.UTC)

// patient is an evaluator whose budget a busy machine does not spend.
func patient(tb testing.TB, options ...policy.Option) policy.Evaluator {
	e := policy.NewInProcess(10*time.Second, options...)
	tb.Cleanup(e.Close)
	return e
}

// alice is a valid request to issue a token for notes.
func alice() *policy.Input {
	return &policy.Input{
		Action: policy.ActionIssue, Tenant: policy.Tenant{ID: "ten_1"}, GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
		Issuer:    &policy.Issuer{ID: "https://acme.okta.com", Name: "okta"},
		Assertion: &policy.Assertion{Profile: "id-jag", AuthTime: noon.Unix() - 60, ACR: "phr"},
		User:      &policy.User{ID: "usr_1", Groups: []string{"notes-editors"}, GroupNames: []string{"notes-editors"}, GroupsState: policy.GroupsComplete, Status: "active"},
		Client:    &policy.Client{ID: "cli_1", Name: "claude", Type: "confidential", Scopes: []string{"notes:read", "notes:write"}},
		Resource:  &policy.Resource{Name: "notes", Scopes: []string{"notes:read", "notes:write"}},
		Requested: &policy.Requested{Scopes: []string{"notes:read", "notes:write"}},
		Available: []string{"notes:read", "notes:write"},
		Time:      policy.At(noon, nil),
	}
}

const grantsAll = `decision := {"allow": true, "scopes": input.requested.scopes}`

func source(name, body string) policy.Source {
	return policy.Source{
		UID: "pol_" + name, Name: name, Revision: 3, Role: policy.RoleGrant,
		Modules: map[string]string{name + ".rego": "package chancery.authz\n\n" + body},
	}
}

func guard(name, body string) policy.Source {
	s := source(name, body)
	s.Role = policy.RoleGuard
	return s
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

// record decides in under s and records it as a server does.
func record(tb testing.TB, e policy.Evaluator, s *policy.Set, id string, in *policy.Input) replay.Recorded {
	tb.Helper()
	d := e.Decide(tb.Context(), s, in)
	return keep(tb, id, in, d)
}

func keep(tb testing.TB, id string, in *policy.Input, d policy.Decision) replay.Recorded {
	tb.Helper()
	input, err := in.JSON()
	if err != nil {
		tb.Fatal(err)
	}
	result, err := json.Marshal(d)
	if err != nil {
		tb.Fatal(err)
	}
	return replay.Recorded{ID: id, At: time.Unix(in.Time.Unix, 0).UTC(), Input: input, Result: result, Policies: d.Policies}
}

func each(records ...replay.Recorded) iter.Seq2[replay.Recorded, error] {
	return func(yield func(replay.Recorded, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// anything goes replays without a threshold.
func anything(tb testing.TB) replay.Options {
	return replay.Options{MaxFlips: replay.NoThreshold, Evaluator: patient(tb), Implies: func(string) (map[string][]string, bool) { return nil, true }}
}

// someone is a request drawn by r.
func someone(r *rand.Rand) *policy.Input {
	in := alice()
	in.User.ID = fmt.Sprintf("usr_%d", r.IntN(40))
	in.User.GroupNames = []string{[]string{"notes-editors", "notes-readers", "sales"}[r.IntN(3)]}
	in.User.Guest = r.IntN(4) == 0
	in.Client.Name = fmt.Sprintf("client-%d", r.IntN(5))
	in.Assertion.AuthTime = noon.Unix() - int64(r.IntN(7200))
	in.Time = policy.At(noon.Add(time.Duration(r.IntN(24))*time.Hour), nil)
	if r.IntN(3) == 0 {
		in.Requested.Scopes = []string{"notes:read"}
	}
	if r.IntN(10) == 0 {
		in.User = nil
	}
	return in
}

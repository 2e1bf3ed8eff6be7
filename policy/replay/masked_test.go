package replay_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// masked is a decision whose record hides the email.
func masked(t *testing.T, s *policy.Set) replay.Recorded {
	t.Helper()
	in := alice()
	in.User.Email = "masked-0123456789abcdef0123@acme.com"
	r := record(t, patient(t), s, "dec_1", in)
	text, err := in.Recorded(policy.Record{Masked: []string{"user.email", "network.ip"}, Implies: map[string][]string{}})
	if err != nil {
		t.Fatal(err)
	}
	r.Input = text
	return r
}

func TestMaskedRecords(t *testing.T) {
	was := set(t, source("notes", grantsAll))
	tests := []struct {
		name, draft string
		masked      int
		members     string
		exceeded    bool
	}{
		{"the draft reads something else", grantsAll, 0, "{}", false},
		{"the draft reads what is masked", "default decision := {\"allow\": false}\n\ndecision := {\"allow\": true, \"scopes\": input.requested.scopes} if endswith(input.user.email, \"@acme.com\")", 1, `{"user.email":1}`, true},
		{"the draft reads everything", "default decision := {\"allow\": false}\n\ndecision := {\"allow\": true, \"scopes\": input.requested.scopes} if count(input) > 2", 1, `{"network.ip":1,"user.email":1}`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := anything(t)
			o.MaxFlips = 0
			report, err := replay.Replay(t.Context(), each(masked(t, was)), set(t, source("notes", test.draft)), o)
			exceeded, ok := errors.AsType[*replay.ExceededError](err)
			if ok != test.exceeded || (ok && (exceeded.Masked != 1 || exceeded.Flips != 0)) {
				t.Errorf("%v", err)
			}
			members, _ := json.Marshal(report.MaskedMembers)
			if report.Compared != 1 || report.Flips != 0 || report.Masked != test.masked || string(members) != test.members {
				t.Errorf("%+v %s", report, members)
			}
			var table strings.Builder
			if err := report.WriteTable(&table); err != nil || strings.Contains(table.String(), "not certain") != (test.masked > 0) {
				t.Errorf("%s, %v", &table, err)
			}
		})
	}
}

// What was implied then is in the record, whatever is implied now.
func TestImpliedThen(t *testing.T) {
	draft := set(t, source("notes", `decision := {"allow": true, "scopes": ["notes:write"]}`))
	in := alice()
	in.Implies = map[string][]string{"notes:write": {"notes:read"}}
	r := record(t, patient(t), draft, "dec_1", in)
	text, err := in.Recorded(policy.Record{Implies: in.Implies})
	if err != nil {
		t.Fatal(err)
	}
	r.Input = text
	o := anything(t)
	o.Implies = nil
	report, err := replay.Replay(t.Context(), each(r), draft, o)
	if err != nil || report.Flips != 0 || report.ImpliesUnknown != 0 || report.Same != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

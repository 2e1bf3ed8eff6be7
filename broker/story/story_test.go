package story_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var (
	acme  = tenant.MustParseUID("ten_acme")
	other = tenant.MustParseUID("ten_other")
)

// book is a log of one tenant.
type book struct {
	events    []audit.Event
	decisions map[string]ledger.Decision
	err       error
}

func (b book) FindTrace(_ context.Context, t tenant.UID, trace string) ([]audit.Event, error) {
	var found []audit.Event
	for _, e := range b.events {
		if t == acme && e.Trace == trace {
			found = append(found, e)
		}
	}
	return found, b.err
}

func (b book) FindDecision(_ context.Context, t tenant.UID, id string) (ledger.Decision, error) {
	d, ok := b.decisions[id]
	if !ok || t != acme {
		return ledger.Decision{}, story.ErrNotFound
	}
	return d, nil
}

func refusal() book {
	return book{
		events: []audit.Event{
			{
				Trace: "trc_1", At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Type: audit.TypeTokenRefused, Outcome: audit.Refused, Code: "iss_unknown",
				Client: "agent", IdP: "acme", OnBehalf: "usr_1", Resource: "notes", Decision: "dec_1",
				Checks: []audit.Check{{Name: "aud", OK: true, Received: "us", Expected: "us"}, {Name: "iss", Received: "https://\x1b[31mevil\u202e", Expected: "ours"}},
				Detail: map[string]string{"received": "x", "expected": "y", "cause": "z\x1b]0;title\a\u009b2J"},
			},
			{Trace: "trc_1", Type: audit.TypeRequestRefused},
		},
		decisions: map[string]ledger.Decision{"dec_1": {
			ID: "dec_1", Trace: "trc_1", Policies: []audit.PolicyRef{{Name: "p", Revision: 3, Role: "grant"}},
			Input: []byte(`{"a":1}`), Result: []byte(`{"deny":["no"],"reasons":[{"code":"c","detail":"d"}]}`),
		}},
	}
}

func TestTell(t *testing.T) {
	for _, id := range []string{"trc_1", "dec_1"} {
		s, err := story.Tell(t.Context(), refusal(), nil, acme, id)
		if err != nil {
			t.Fatal(err)
		}
		if s.Trace != "trc_1" || s.Code != "iss_unknown" || s.Meaning.Public != string(oauth.CodeAssertionUntrusted) || s.Meaning.Fix == "" ||
			s.Received != "x" || s.Expected != "y" || len(s.More) != 1 || len(s.Checks) != 2 {
			t.Errorf("%s: %+v", id, s)
		}
		if p := s.Policy; p == nil || p.Decision != "dec_1" || p.Deny[0] != "no" || p.Reasons[0].Code != "c" || string(p.Input) != `{"a":1}` {
			t.Errorf("%s: %+v", id, s.Policy)
		}
	}
}

func TestNothingToTell(t *testing.T) {
	for name, c := range map[string]struct {
		of tenant.UID
		id string
	}{
		"unknown trace": {acme, "trc_2"}, "unknown decision": {acme, "dec_2"}, "another tenant": {other, "trc_1"}, "another tenant's decision": {other, "dec_1"}, "nothing": {acme, ""},
	} {
		if _, err := story.Tell(t.Context(), refusal(), nil, c.of, c.id); !errors.Is(err, story.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := refusal()
	broken.err = errors.New("reset")
	if _, err := story.Tell(t.Context(), broken, nil, acme, "trc_1"); err == nil || errors.Is(err, story.ErrNotFound) {
		t.Errorf("a database that fails: %v", err)
	}
}

// TestOldStory: a decision whose time of retention is over leaves the rest of the story.
func TestOldStory(t *testing.T) {
	b := refusal()
	b.decisions = nil
	s, err := story.Tell(t.Context(), b, nil, acme, "trc_1")
	if err != nil || s.Policy != nil || s.Code != "iss_unknown" {
		t.Errorf("%+v, %v", s, err)
	}
	b = refusal()
	b.decisions["dec_1"] = ledger.Decision{ID: "dec_1", Result: []byte("{")}
	if _, err := story.Tell(t.Context(), b, nil, acme, "trc_1"); err == nil {
		t.Error("a result that cannot be read was told")
	}
}

// TestLinesAreForTerminals: nothing that an outsider sent moves the cursor or turns the text around.
func TestLinesAreForTerminals(t *testing.T) {
	s, err := story.Tell(t.Context(), refusal(), nil, acme, "trc_1")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(s.Lines(), "\n")
	for _, r := range text {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e {
			t.Fatalf("%U in %q", r, text)
		}
	}
	for _, want := range []string{
		"trc_1 at 2026-11-21T12:00:00Z: refused iss_unknown", "client agent, IdP acme, user usr_1, resource notes",
		"✓ aud", "✗ iss", "(expected ours)", "policy p revision 3 (grant)", "deny: no", "c d", "cause: z", "To fix (admin): Register the IdP",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// A form that cannot be read fails no check; what is wrong with it is told all the same, and where a check failed, once.
func TestLinesOfWhatCameBeforeTheChecks(t *testing.T) {
	b := refusal()
	said := func() string {
		s, err := story.Tell(t.Context(), b, nil, acme, "trc_1")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(s.Lines(), "\n")
	}
	if text := said(); strings.Contains(text, "received x") {
		t.Errorf("told twice:\n%s", text)
	}
	b.events[0].Checks = nil
	if text := said(); !strings.Contains(text, "  received x   (expected y)") {
		t.Errorf("not told:\n%s", text)
	}
}

// One request may ask policy several times: each decision has the story of its own event.
func TestTellOneDecisionOfSeveral(t *testing.T) {
	b := refusal()
	b.events = append(b.events, audit.Event{Trace: "trc_1", Type: audit.TypeEvaluated, Outcome: audit.Allowed, Scope: "notes:read", Decision: "dec_2"})
	b.decisions["dec_2"] = ledger.Decision{ID: "dec_2", Trace: "trc_1", Allow: true, Input: []byte(`{}`), Result: []byte(`{}`)}
	s, err := story.Tell(t.Context(), b, nil, acme, "dec_2")
	if err != nil || s.Type != audit.TypeEvaluated || s.Scope != "notes:read" || s.Policy.Decision != "dec_2" || len(s.More) != 2 {
		t.Errorf("%+v %v", s, err)
	}
	if s, err := story.Tell(t.Context(), b, nil, acme, "dec_1"); err != nil || s.Code != "iss_unknown" || s.Policy.Decision != "dec_1" {
		t.Errorf("%+v %v", s, err)
	}
}

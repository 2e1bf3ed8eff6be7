// Package story tells what happened to one request: what came in, each check,
// the rule that decided, and what to change. It reads the audit log and the
// recorded decisions, and the catalogue for what a code means; it changes nothing
// and knows neither HTTP nor SQL. Tokens and secrets are in none of its sources.
package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ErrNotFound says that nothing of this id is recorded in the tenant.
var ErrNotFound = errors.New("nothing is recorded under this id")

// Reader finds records. An id of another tenant is not found.
type Reader interface {
	// FindTrace finds the events of one request.
	FindTrace(ctx context.Context, t tenant.UID, trace string) ([]audit.Event, error)
	// FindDecision finds one policy evaluation by its id.
	FindDecision(ctx context.Context, t tenant.UID, id string) (ledger.Decision, error)
}

// Court decides a recorded decision again; decision.Court does. Nil tells only what is recorded.
type Court interface {
	Decide(ctx context.Context, t tenant.UID, d ledger.Decision) (decision.Again, error)
}

// Story is what there is to tell.
type Story struct {
	Trace    string        `json:"trace"`
	At       time.Time     `json:"at"`
	Type     audit.Type    `json:"type"`
	Outcome  audit.Outcome `json:"outcome"`
	Code     string        `json:"code,omitempty"`
	Meaning  *Meaning      `json:"meaning,omitempty"`
	Client   string        `json:"client,omitempty"`
	IdP      string        `json:"idp,omitempty"`
	User     string        `json:"user,omitempty"`
	Resource string        `json:"resource,omitempty"`
	Scope    string        `json:"scope,omitempty"`
	TokenID  string        `json:"token_jti,omitempty"`
	Received string        `json:"received,omitempty"`
	Expected string        `json:"expected,omitempty"`
	Cause    string        `json:"cause,omitempty"`
	Checks   []audit.Check `json:"checks,omitempty"`
	Policy   *Policy       `json:"policy,omitempty"`
	// More are further events of the same request.
	More []audit.Type `json:"more,omitempty"`
}

// Meaning is the catalogue's row of the code.
type Meaning struct {
	Text    string `json:"text"`
	Section string `json:"section"`
	Who     string `json:"who"`
	Fix     string `json:"fix"`
	Public  string `json:"public_code"` // what the outside was told
}

// Policy is the decision with its recorded input and result.
type Policy struct {
	Decision string            `json:"decision"`
	Allow    bool              `json:"allow"`
	Policies []audit.PolicyRef `json:"policies"`
	Reasons  []Reason          `json:"reasons,omitempty"`
	Deny     []string          `json:"deny,omitempty"`
	Input    json.RawMessage   `json:"input,omitempty"`
	Result   json.RawMessage   `json:"result,omitempty"`
	// Again is the recorded input under the recorded revisions. It shows the text of policies, and names the groups that they
	// trust.
	Again *decision.Again `json:"again,omitempty"`
}

// Reason is why a policy said what it said.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Policy string `json:"policy,omitempty"`
}

// Tell finds the story of a trace or decision id.
func Tell(ctx context.Context, r Reader, court Court, t tenant.UID, id string) (Story, error) {
	trace := id
	if strings.HasPrefix(id, "dec_") {
		d, err := r.FindDecision(ctx, t, id)
		if err != nil {
			return Story{}, err
		}
		trace = d.Trace
	}
	events, err := r.FindTrace(ctx, t, trace)
	if err != nil {
		return Story{}, err
	}
	if len(events) == 0 {
		return Story{}, ErrNotFound
	}
	// A request may ask policy several times: the story of a decision is the event that tells of it.
	told := max(0, slices.IndexFunc(events, func(e audit.Event) bool { return e.Decision == id }))
	s := fromEvent(events[told])
	for i, e := range events {
		if i != told {
			s.More = append(s.More, e.Type)
		}
	}
	if events[told].Decision == "" {
		return s, nil
	}
	d, err := r.FindDecision(ctx, t, events[told].Decision)
	if errors.Is(err, ErrNotFound) {
		return s, nil // its time of retention is over
	}
	if err != nil {
		return Story{}, err
	}
	if s.Policy, err = fromDecision(d); err != nil || court == nil {
		return s, err
	}
	again, err := court.Decide(ctx, t, d)
	s.Policy.Again = &again
	return s, err
}

func fromEvent(e audit.Event) Story {
	s := Story{
		Trace: e.Trace, At: e.At, Type: e.Type, Outcome: e.Outcome, Code: e.Code, Client: e.Client, IdP: e.IdP, User: e.OnBehalf,
		Resource: e.Resource, Scope: e.Scope, TokenID: e.TokenID, Checks: e.Checks,
		Received: e.Detail["received"], Expected: e.Detail["expected"], Cause: e.Detail["cause"],
	}
	if row, ok := oauth.Lookup(oauth.Code(e.Code)); ok {
		s.Meaning = &Meaning{Text: row.Text, Section: row.Section, Who: row.Who, Fix: row.Fix, Public: string(oauth.Public(row.Code).Code)}
	}
	return s
}

func fromDecision(d ledger.Decision) (*Policy, error) {
	p := &Policy{Decision: d.ID, Allow: d.Allow, Policies: d.Policies, Input: d.Input, Result: d.Result}
	var result struct {
		Reasons []Reason `json:"reasons"`
		Deny    []string `json:"deny"`
	}
	if err := json.Unmarshal(d.Result, &result); err != nil {
		return nil, fmt.Errorf("decision %s: %w", d.ID, err)
	}
	p.Reasons, p.Deny = result.Reasons, result.Deny
	return p, nil
}

// Lines tells the story to people, on a terminal: what outsiders sent cannot move the cursor or turn the text around.
func (s Story) Lines() []string {
	lines := []string{strings.TrimSpace(fmt.Sprintf("%s at %s: %s %s", s.Trace, s.At.UTC().Format(time.RFC3339), s.Outcome, s.Code))}
	add := func(format string, args ...any) {
		lines = append(lines, strings.TrimRight(printable(fmt.Sprintf(format, args...)), " "))
	}
	who := []string{}
	for _, part := range [][2]string{{"client", s.Client}, {"IdP", s.IdP}, {"user", s.User}, {"resource", s.Resource}, {"scope", s.Scope}, {"token", s.TokenID}} {
		if part[1] != "" {
			who = append(who, part[0]+" "+part[1])
		}
	}
	if len(who) > 0 {
		add("  %s", strings.Join(who, ", "))
	}
	for _, c := range s.Checks {
		mark := "✓"
		if !c.OK {
			mark = "✗"
		}
		line := fmt.Sprintf("  %s %-22s %s", mark, c.Name, c.Received)
		if !c.OK && c.Expected != "" { // of what held, what came in says enough
			line += "   (expected " + c.Expected + ")"
		}
		add("%s", line)
	}
	if s.Received != "" && !slices.ContainsFunc(s.Checks, func(c audit.Check) bool { return !c.OK }) {
		line := "  received " + s.Received // it was refused before there was a check, such as a form that cannot be read
		if s.Expected != "" {
			line += "   (expected " + s.Expected + ")"
		}
		add("%s", line)
	}
	if s.Policy != nil {
		for _, p := range s.Policy.Policies {
			add("  policy %s revision %d (%s)", p.Name, p.Revision, p.Role)
		}
		for _, d := range s.Policy.Deny {
			add("    deny: %s", d)
		}
		for _, r := range s.Policy.Reasons {
			add("    %s %s", r.Code, r.Detail)
		}
		for _, line := range again(s.Policy.Again) {
			add("    %s", line)
		}
	}
	if s.Cause != "" {
		add("  cause: %s", s.Cause)
	}
	if s.Meaning != nil {
		add("  %s. To fix (%s): %s", s.Meaning.Text, s.Meaning.Who, s.Meaning.Fix)
	}
	return lines
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

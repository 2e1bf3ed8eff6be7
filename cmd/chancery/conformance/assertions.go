package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// broken is a row: a mutation of federation/idptest, or one of this file's own,
// and what a standard says of it.
type broken struct {
	mutation string // by name; "" where change is given
	id       string // the mutation's name when ""
	title    string
	section  string
	severity Severity
	profile  Profile              // "" for both
	severe   map[Profile]Severity // where a profile says it otherwise
	also     []string             // OAuth errors besides invalid_grant
	form     bool                 // invalid_request may be said too: it is no JWT at all
	either   bool                 // the standard allows both; only a fault of the server is none
	change   func(*session) func(*idptest.Draft, *idptest.IdP)
}

func assertionCases() []Case {
	known := map[string]idptest.Mutation{}
	for _, m := range slices.Concat(idptest.MutationsFor(federation.ProfileJWTBearer), idptest.Mutations()) {
		known[m.Name] = m
	}
	var list []Case
	for _, group := range [][]broken{shapes(), headers(), signatures(), types(), issuers(), audiences(), times(), identifiers(), contents()} {
		for _, row := range group {
			list = append(list, row.asCase(known))
		}
	}
	return list
}

func (b broken) asCase(known map[string]idptest.Mutation) Case {
	change := b.change
	if b.mutation != "" {
		m, found := known[b.mutation]
		if !found {
			panic("conformance: no mutation is named " + b.mutation) // a test makes every case
		}
		change = func(*session) func(*idptest.Draft, *idptest.IdP) { return m.Break }
	}
	if b.id == "" {
		b.id = b.mutation
	}
	errors := append([]string{"invalid_grant"}, b.also...)
	if b.form {
		errors = append(errors, "invalid_request")
	}
	want := refusal(errors...)
	expect := want.String()
	if b.either {
		want = want.orToken(nil)
		expect = "a token, or refused: " + strings.Join(want.errors, " or ")
	}
	id := strings.ToLower(strings.NewReplacer("/", "_", "+", "_").Replace(b.id))
	return Case{
		ID: "assertion." + id, Title: b.title, Section: b.section, Severity: b.severity, Expect: expect,
		Sends: "a valid assertion with one change: " + b.title, profile: b.profile, severe: b.severe,
		run: func(ctx context.Context, s *session) Finding {
			return s.breakOne(ctx, change(s), want)
		},
	}
}

func (s *session) breakOne(ctx context.Context, change func(*idptest.Draft, *idptest.IdP), want expectation) Finding {
	valid, err := s.draft()
	if err != nil {
		return Finding{Outcome: Undecided, Got: err.Error()}
	}
	draft := copied(valid)
	change(draft, s.provider)
	sent := difference(valid, draft)
	compact, err := draft.Sign()
	if err != nil {
		return Finding{Outcome: Undecided, Sent: sent, Got: err.Error()}
	}
	before := s.provider.Requests(pathOfAttacker)
	finding := want.judge(sent, s.present(ctx, compact))
	// RFC 8725 §3.10: jku and x5u are addresses that an attacker chose.
	if n := s.provider.Requests(pathOfAttacker) - before; n > 0 {
		return fail(Accepted, sent, fmt.Sprintf("%s; and %d requests to the address in the header", finding.Got, n))
	}
	return finding
}

// own is a change that idptest does not have.
func own(change func(s *session, d *idptest.Draft)) func(*session) func(*idptest.Draft, *idptest.IdP) {
	return func(s *session) func(*idptest.Draft, *idptest.IdP) {
		return func(d *idptest.Draft, _ *idptest.IdP) { change(s, d) }
	}
}

package authorize_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/proposal"
)

// A second person sees a change, and answers exactly what he saw, once.
func TestASecondPersonAnswersAChange(t *testing.T) {
	const link = "/interact/prop_1"
	p, _ := newPanel(t)
	if s := p.browser().open(link); s.status != http.StatusSeeOther || strings.Contains(s.body, "chancery.authz") {
		t.Errorf("nobody is signed in: %d", s.status)
	}
	carol := p.as("usr_carol")
	if s := carol.open("/approvals"); !strings.Contains(s.body, link) {
		t.Errorf("%s", s.body)
	}
	s := carol.open(link)
	for _, want := range []string{"package chancery.authz", "user:alice", `value="allow"`, `name="hash" value="0a0a"`} {
		if !strings.Contains(s.body, want) {
			t.Errorf("the page lacks %q: %s", want, s.body)
		}
	}
	token := s.find(tokens, "token")
	for name, form := range map[string]url.Values{
		"no token":         {"decision": {"allow"}, "hash": {"0a0a"}},
		"another's token":  {"decision": {"allow"}, "hash": {"0a0a"}, "token": {p.as("usr_dave").open(link).find(tokens, "token")}},
		"no hash":          {"decision": {"allow"}, "token": {token}},
		"another hash":     {"decision": {"allow"}, "hash": {"0b0b"}, "token": {token}},
		"no decision":      {"hash": {"0a0a"}, "token": {token}},
		"another decision": {"decision": {"yes"}, "hash": {"0a0a"}, "token": {token}},
		"both":             {"decision": {"deny", "allow"}, "hash": {"0a0a"}, "token": {token}},
	} {
		if got := carol.post(link, form); got.status < 400 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	foreign := *carol
	foreign.site = "cross-site"
	if got := foreign.post(link, url.Values{"token": {token}, "hash": {"0a0a"}, "decision": {"allow"}}); got.status < 400 {
		t.Errorf("another site's form: %d", got.status)
	}
	if len(p.answered) != 0 {
		t.Fatalf("answered %v", p.answered)
	}
	// It changes while she looks at it: what she says is not of that.
	p.hash = "0c0c"
	if got := answers(carol, s, "allow"); got.status != http.StatusConflict || len(p.answered) != 0 {
		t.Errorf("%d, answered %v", got.status, p.answered)
	}
	p.hash = "0a0a"
	if got := answers(carol, s, "allow"); got.status != http.StatusOK || !strings.Contains(got.body, "Allowed") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := answers(carol, s, "deny"); got.status != http.StatusConflict {
		t.Errorf("answered twice: %d", got.status)
	}
	if want := []string{"usr_carol prop_1 0a0a true"}; !slices.Equal(p.answered, want) {
		t.Errorf("answered %v", p.answered)
	}
}

// answers sends the form of a page.
func answers(b *browser, s seen, decision string) seen {
	return b.post("/interact/prop_1", url.Values{"token": {s.find(tokens, "token")}, "hash": {"0a0a"}, "decision": {decision}})
}

// Who wrote it sees it and has no answer; who is not asked learns nothing.
func TestWhoMayNotAnswerAChange(t *testing.T) {
	const link = "/interact/prop_1"
	p, _ := newPanel(t)
	form := url.Values{"hash": {"0a0a"}, "decision": {"allow"}, "token": {p.as("usr_carol").open(link).find(tokens, "token")}}
	alice := p.as("usr_alice")
	if s := alice.open(link); s.status != http.StatusOK || strings.Contains(s.body, "<form") || !strings.Contains(s.body, "another person") {
		t.Errorf("%d %s", s.status, s.body)
	}
	eve := p.as("usr_eve")
	if s := eve.open(link); s.status < 400 || strings.Contains(s.body, "chancery.authz") {
		t.Errorf("%d %s", s.status, s.body)
	}
	if s := p.as("usr_carol").open("/interact/prop_2"); s.status < 400 {
		t.Errorf("%d", s.status)
	}
	for name, b := range map[string]*browser{"the author": alice, "nobody": eve} {
		if got := b.post(link, form); got.status < 400 {
			t.Errorf("%s answered: %d", name, got.status)
		}
	}
	if len(p.answered) != 0 {
		t.Errorf("answered %v", p.answered)
	}
}

// What is refused below is refused outside, and a database that is away is no answer.
func TestAnswersThatAreRefused(t *testing.T) {
	const link = "/interact/prop_1"
	for want, errs := range map[int][]error{
		http.StatusConflict:           {proposal.ErrMoved, proposal.ErrState, proposal.ErrExpired, proposal.ErrHash},
		http.StatusForbidden:          {proposal.ErrSelf, proposal.ErrStanding, proposal.ErrProgram},
		http.StatusServiceUnavailable: {errors.New("the database is away")},
	} {
		for _, err := range errs {
			p, _ := newPanel(t)
			carol := p.as("usr_carol")
			s := carol.open(link)
			p.refuses = err
			if got := answers(carol, s, "allow"); got.status != want {
				t.Errorf("%v: %d, want %d", err, got.status, want)
			}
		}
	}
}

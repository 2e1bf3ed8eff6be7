package authorize_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/approval/approvaltest"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// panel are people who are asked: everybody but eve is of security.
type panel struct {
	*house
	desk *approval.Desk
	kept *approvaltest.Memory
	fail error

	hash     string // of the proposal that waits
	answered []string
	refuses  error
}

func (p *panel) Find(_ context.Context, t *snapshot.Tenant, userUID, idpUID string) (person.Person, error) {
	if userUID == "usr_nobody" {
		return person.Person{}, person.ErrNobody
	}
	who := person.Person{Tenant: t, UID: userUID, Name: strings.TrimPrefix(userUID, "usr_"), IdPUID: idpUID, Groups: []string{"security"}}
	if userUID == "usr_eve" {
		who.Groups = nil
	}
	return who, p.fail
}

func (p *panel) Accounts(_ context.Context, _ *snapshot.Tenant, userUID string) ([]federation.Account, error) {
	return []federation.Account{{UID: userUID, Email: "alice@acme.com"}}, nil
}

func (p *panel) WaitingFor(context.Context, person.Person) ([]page.Proposal, error) {
	return []page.Proposal{{ID: "prop_1", Kind: "Policy", Name: "notes", Author: "dave", Until: p.now}}, nil
}

// Look shows one proposal: alice wrote it, eve is not asked, and it is awaited of everybody else.
func (p *panel) Look(_ context.Context, who person.Person, id string) (page.Change, bool, error) {
	if id != "prop_1" || who.UID == "usr_eve" {
		return page.Change{}, false, proposal.ErrUnknown
	}
	mine := who.UID == "usr_alice"
	return page.Change{
		Hash: p.hash, Author: "user:alice", Until: p.now, Mine: mine,
		Objects: []page.ChangedObject{{Kind: "Policy", Name: "notes", Files: []page.ChangedFile{{Path: "modules.notes.rego", Lines: []string{"+package chancery.authz"}}}}},
	}, !mine && p.hash != "", p.fail
}

func (p *panel) Answer(_ context.Context, who person.Person, id, hash string, allow bool, _ approval.Visit) error {
	if p.refuses != nil {
		return p.refuses
	}
	p.answered = append(p.answered, fmt.Sprint(who.UID, " ", id, " ", hash, " ", allow))
	p.hash = "" // nothing is awaited any more
	return nil
}

func newPanel(t *testing.T) (*panel, approval.Approval) {
	t.Helper()
	p := &panel{house: newHouse(t), kept: &approvaltest.Memory{}, hash: "0a0a"}
	var err error
	p.desk, err = approval.New(approval.Desk{Store: p.kept, People: p, Lane: p.lane, Now: func() time.Time { return p.now }})
	must(t, err)
	links := &waits{h: p.house}
	_, err = authorize.NewApproving(authorize.Approving{Desk: p.house.desk, Approvals: p.desk, Peers: p, Proposals: p})
	must(t, err)
	_, err = authorize.NewStepping(authorize.Stepping{Desk: p.house.desk, Interactions: links, Passkeys: &touch{h: p.house}, Raiser: p.house})
	must(t, err)
	p.server, err = broker.New(broker.Config{
		PublicURL: issuer, Pictures: p.source, Tokens: p.house, Introspection: about{}, JWKS: p.house, Ready: func(context.Context) error { return nil }, Observer: p.house,
		People: p.house.desk, InFlight: 64, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return p.now },
	})
	must(t, err)
	picture, err := p.source.Get(t.Context(), "default")
	must(t, err)
	agent, err := p.source.Clients().Lookup(t.Context(), picture.UID, "agent")
	must(t, err)
	a, err := p.desk.Seek(t.Context(), approval.Ask{
		Tenant: picture, UserUID: "usr_alice", Client: audit.Principal{Kind: "client", ID: agent.UID, Name: "agent"}, ClientID: "agent", Resource: picture.ActiveResources()[0],
		Scopes: []string{"notes:write"}, Policies: []policy.Ref{{UID: "pol_1", Revision: 1}}, Needs: []policy.ApprovalNeed{{Group: "security"}}, Lifetime: time.Minute, Decision: "dec_1",
	})
	must(t, err)
	return p, a
}

// as is a browser in which somebody is signed in.
func (p *panel) as(user string) *browser {
	p.t.Helper()
	b := p.browser()
	p.idp.who, p.idp.proof = user, session.Proof{}
	b.follow(b.open("/signin?then=/account"))
	return b
}

func TestAnApproverAnswersOnce(t *testing.T) {
	p, a := newPanel(t)
	link := "/interact/" + a.ID
	// Nobody is signed in: nothing is shown, and he comes back here.
	if s := p.browser().open(link); s.status != http.StatusSeeOther || !strings.Contains(s.header.Get("Location"), url.QueryEscape(link)) || strings.Contains(s.body, "notes") {
		t.Errorf("%d %q", s.status, s.header.Get("Location"))
	}
	carol := p.as("usr_carol")
	if s := carol.open("/approvals"); !strings.Contains(s.body, link) || !strings.Contains(s.body, "prop_1") {
		t.Errorf("%s", s.body)
	}
	s := carol.open(link)
	for _, want := range []string{"alice@acme.com", "Change notes", "High risk", "security", `value="allow"`} {
		if !strings.Contains(s.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// Whatever is not exactly an answer of this page is none.
	token := s.find(tokens, "token")
	for name, form := range map[string]url.Values{
		"no token":           {"decision": {"allow"}},
		"another's token":    {"decision": {"allow"}, "token": {p.as("usr_dave").open(link).find(tokens, "token")}},
		"no decision":        {"token": {token}},
		"another decision":   {"token": {token}, "decision": {"yes"}},
		"both":               {"token": {token}, "decision": {"deny", "allow"}},
		"a token of account": {"decision": {"allow"}, "token": {carol.open("/account").find(tokens, "token")}},
	} {
		if got := carol.post(link, form); got.status < 400 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	foreign := *carol
	foreign.site = "cross-site"
	if got := foreign.post(link, url.Values{"token": {token}, "decision": {"allow"}}); got.status < 400 {
		t.Errorf("another site's form: %d", got.status)
	}
	if got, err := p.desk.Open(t.Context(), person.Person{Tenant: p.tenant(), UID: "usr_alice"}, a.ID); err != nil || len(got.Words) != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	if done := carol.press(s, "decision", "allow"); done.status != http.StatusOK || !strings.Contains(done.body, "Allowed") {
		t.Fatalf("%d %s", done.status, done.body)
	}
	if again := carol.press(s, "decision", "deny"); again.status != http.StatusConflict || !strings.Contains(again.body, "answered already") {
		t.Errorf("%d %s", again.status, again.body)
	}
	if s := p.as("usr_dave").open(link); !strings.Contains(s.body, "answered already") || strings.Contains(s.body, "<form") {
		t.Errorf("%s", s.body)
	}
}

func (p *panel) tenant() *snapshot.Tenant {
	p.t.Helper()
	picture, err := p.source.Get(p.t.Context(), "default")
	must(p.t, err)
	return picture
}

func TestWhoSeesWhatWaits(t *testing.T) {
	p, a := newPanel(t)
	link := "/interact/" + a.ID
	alice := p.as("usr_alice")
	s := alice.open(link)
	if s.status != http.StatusOK || strings.Contains(s.body, "<form") || !strings.Contains(s.body, "waits for somebody else") {
		t.Errorf("alice: %d %s", s.status, s.body)
	}
	// With the token of another page of hers she answers nothing.
	if got := alice.post(link, url.Values{"token": {alice.open("/account").find(tokens, "token")}, "decision": {"allow"}}); got.status < 400 {
		t.Errorf("alice answers: %d", got.status)
	}
	if s := alice.open("/approvals"); strings.Contains(s.body, a.ID) {
		t.Error("what is for alice waits for her")
	}
	p.as("usr_eve").open(link).shows(oauth.CodeApprovalNotAsked)
	p.as("usr_nobody").open(link).shows(oauth.CodeApprovalNotAsked)
	carol := p.as("usr_carol")
	carol.open("/interact/apr_01JZ8Q0V9V2B7T5D4N3M2K1H0G").shows(oauth.CodeInteractionGone)
	p.vouch = nil
	p.fail = errors.New("away")
	carol.open(link).shows(oauth.CodeTenantUnavailable)
	p.fail = nil
	p.now = a.ExpiresAt
	carol.open(link).shows(oauth.CodeInteractionGone)
	if _, err := authorize.NewApproving(authorize.Approving{}); err == nil {
		t.Error("without its parts")
	}
}

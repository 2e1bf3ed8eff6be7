package grant_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/approval/approvaltest"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// council is a circle whose policy wants somebody of security.
type council struct {
	*circle
	kept *approvaltest.Memory
	seat *approval.Desk
	away error
}

func (c *council) Find(_ context.Context, t *snapshot.Tenant, userUID, idpUID string) (person.Person, error) {
	return person.Person{Tenant: t, UID: userUID, Name: userUID, IdPUID: idpUID, Groups: []string{"security"}}, c.away
}

func (c *council) Accounts(_ context.Context, _ *snapshot.Tenant, userUID string) ([]federation.Account, error) {
	return []federation.Account{{UID: userUID}}, c.away
}

func newCouncil(t *testing.T, demand string) *council {
	t.Helper()
	c := &council{circle: newCircle(t, demand), kept: &approvaltest.Memory{}}
	var err error
	c.seat, err = approval.New(approval.Desk{Store: c.kept, People: c, Lane: c.lane, Now: func() time.Time { return c.now }})
	must(t, err)
	c.Approvals, c.Policy = c.seat, policy.NewInProcess(5*time.Second, policy.WithApprovals())
	return c
}

const bySecurity = `"approval": {"group": "security", "within": 120}, "lifetime": 60`

// waits wants a challenge, and gives the approval's id.
func (c *council) waits(t *testing.T, a ask) string {
	t.Helper()
	_, err := c.try(t, a)
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != oauth.CodeApprovalRequired {
		t.Fatalf("answered %v", err)
	}
	wire := refusal.Wire(issuer, "trc_1")
	name, _ := wire.Members["approval_id"].(string)
	if wire.Status != 400 || wire.Error != "interaction_required" || !strings.HasPrefix(wire.Description, "approval_required: ") || wire.Members["interaction_uri"] != issuer+"/interact/"+name ||
		wire.Members["interval"] != int64(5) || wire.Members["expires_in"] != int64(120) {
		t.Fatalf("%+v", wire)
	}
	if e := c.journal.last(t); e.Event.Outcome != audit.Challenged || e.Token != nil || slices.ContainsFunc(e.Redemptions, isApproval) {
		t.Fatalf("%+v", e)
	}
	return name
}

func isApproval(r ledger.Redemption) bool { return r.Space == approval.Space }

func (c *council) says(t *testing.T, name string, allow bool) {
	t.Helper()
	picture, err := c.source.Get(t.Context(), "default")
	must(t, err)
	_, err = c.seat.Answer(t.Context(), person.Person{Tenant: picture, UID: "usr_carol", Name: "carol", Groups: []string{"security"}}, name, "", allow, approval.Visit{})
	must(t, err)
}

// TestApprovalIsUsedUpWithTheToken: in the entry that records it, and nowhere else; a request that loses it gets nothing.
func TestApprovalIsUsedUpWithTheToken(t *testing.T) {
	c := newCouncil(t, bySecurity)
	a := c.ask(t, jti("1"))
	name := c.waits(t, a)
	if again := c.waits(t, c.ask(t, jti("2"))); again != name {
		t.Error("a retry is another request")
	}
	c.says(t, name, true)
	response, err := c.try(t, a) // what waited was not used up: the assertion in hand may come again
	must(t, err)
	entry := c.journal.last(t)
	if n := slices.IndexFunc(entry.Redemptions, isApproval); n < 0 || entry.Redemptions[n].Key != approval.RedemptionKey(name) || entry.Redemptions[n].Always || entry.Token == nil {
		t.Fatalf("%+v", entry)
	}
	if response.ExpiresIn > time.Minute {
		t.Errorf("it lasts %s", response.ExpiresIn)
	}
	if i := slices.IndexFunc(entry.Event.Checks, func(k audit.Check) bool { return k.Name == "approval" }); i < 0 || !strings.Contains(entry.Event.Checks[i].Received, "usr_carol") {
		t.Errorf("the record does not say who: %+v", entry.Event.Checks)
	}
	// The store has not heard of it yet, as another replica's reading a moment ago: the ledger decides.
	_, err = c.try(t, c.ask(t, jti("3")))
	if refusal := oauth.AsError(err); refusal.Code != oauth.CodeApprovalUsed {
		t.Fatalf("%v", err)
	}
	c.kept.Use(name)
	if next := c.waits(t, c.ask(t, jti("4"))); next == name {
		t.Error("what was used waits again")
	}
}

func TestApprovalThatWasDenied(t *testing.T) {
	c := newCouncil(t, bySecurity)
	c.says(t, c.waits(t, c.ask(t, jti("1"))), false)
	_, err := c.try(t, c.ask(t, jti("2")))
	if refusal := oauth.AsError(err); refusal.Code != oauth.CodeApprovalDenied || refusal.Wire(issuer, "").Error != "invalid_grant" {
		t.Fatalf("%v", err)
	}
}

// TestNoApprovalIsSought by strangers, for nothing, or where it cannot be known or answered.
func TestNoApprovalIsSought(t *testing.T) {
	for name, test := range map[string]struct {
		demand string
		change func(*council)
		send   func(*testing.T, *council, ask) error
		code   oauth.Code
	}{
		"no desk":                {bySecurity, func(c *council) { c.Approvals = nil }, nil, oauth.CodeApprovalUnavailable},
		"nobody can sign in":     {bySecurity, nil, func(t *testing.T, c *council, a ask) error { t.Helper(); _, err := c.send(t, a); return err }, oauth.CodeApprovalUnavailable},
		"the store is away":      {bySecurity, func(c *council) { c.kept.Fail = errors.New("away") }, nil, oauth.CodeTenantUnavailable},
		"a step-up comes first":  {`"step_up": {"max_age": 60}, ` + bySecurity, nil, nil, oauth.CodeStepUpRequired},
		"an evaluator that does": {bySecurity, func(c *council) { c.Policy = policy.NewInProcess(5 * time.Second) }, nil, oauth.CodePolicyDenied},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCouncil(t, test.demand)
			if test.change != nil {
				test.change(c)
			}
			send := test.send
			if send == nil {
				send = func(t *testing.T, c *council, a ask) error { t.Helper(); _, err := c.try(t, a); return err }
			}
			if refusal := oauth.AsError(send(t, c, c.ask(t))); refusal.Code != test.code {
				t.Fatalf("%s, not %s", refusal.Code, test.code)
			}
			if len(c.kept.Events) != 0 {
				t.Fatalf("something waits: %+v", c.kept.Events)
			}
		})
	}
}

// TestApproversWhoAreAwayAreNotGone: what cannot be known is no yes, and no new request.
func TestApproversWhoAreAwayAreNotGone(t *testing.T) {
	c := newCouncil(t, bySecurity)
	c.says(t, c.waits(t, c.ask(t, jti("1"))), true)
	c.away = errors.New("away")
	_, err := c.try(t, c.ask(t, jti("2")))
	if refusal := oauth.AsError(err); refusal.Code != oauth.CodeTenantUnavailable || refusal.RetryAfter == 0 {
		t.Fatalf("%v", err)
	}
	c.away = person.ErrNobody
	c.waits(t, c.ask(t, jti("3")))
}

// TestFewRequestsWait: a client that asks for ever more does not fill the list of those who are asked.
func TestFewRequestsWait(t *testing.T) {
	c := newCouncil(t, bySecurity)
	whose := c.uid(t)
	for n := range approval.MaxWaiting {
		picture, err := c.source.Get(t.Context(), "default")
		must(t, err)
		agent, err := c.source.Clients().Lookup(t.Context(), picture.UID, "agent")
		must(t, err)
		_, err = c.seat.Seek(t.Context(), approval.Ask{
			Tenant: picture, UserUID: whose, Client: audit.Principal{Kind: "client", ID: agent.UID}, ClientID: agent.ClientID, Resource: picture.ActiveResources()[0],
			Scopes: []string{"s" + string(rune('a'+n))}, Policies: []policy.Ref{{UID: "pol_1"}}, Needs: []policy.ApprovalNeed{{Group: "security"}},
		})
		must(t, err)
	}
	_, err := c.try(t, c.ask(t))
	if refusal := oauth.AsError(err); refusal.Code != oauth.CodeApprovalLimit || refusal.RetryAfter == 0 {
		t.Fatalf("%v", err)
	}
}

// uid is alice's, as a request of hers waits under it.
func (c *council) uid(t *testing.T) string {
	t.Helper()
	c.waits(t, c.ask(t, jti("who")))
	waiting := c.kept.Events[0].OnBehalf
	c.kept.Use(c.kept.Events[0].Detail["approval"])
	c.kept.Events = nil
	return waiting
}

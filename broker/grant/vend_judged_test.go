package grant_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/approval/approvaltest"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/interaction/interactiontest"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// agents is a lender at which two agents send their tokens to the same server, and people sign in.
type agents struct{ *lender }

func newAgents(t *testing.T, demand string) agents {
	t.Helper()
	return agents{newLender(
		t, policyOf(`object.union({"allow": true, "scopes": input.resource.scopes}, {k: v | some k, v in {`+demand+`}; input.action == "vend"})`),
		change{"clients: [agent]", "clients: [agent, second]"},
		change{"\n---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: notes}", secondAgent + "---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: notes}"},
		change{"allow: {clients: [agent], resources: [notes]}", "allow: {clients: [agent, second], resources: [notes]}"},
	)}
}

// token is one of alice's that was issued to a client.
func (a agents) token(t *testing.T, clientID string) string {
	t.Helper()
	response, err := a.send(t, a.ask(t, idptest.WithClaim("client_id", clientID)).with("client_id", clientID))
	must(t, err)
	return response.AccessToken
}

// byServer is the server of the resource, which was sent a token, where people sign in.
func (a agents) byServer(t *testing.T, compact, account string) (grant.Response, *oauth.Error) {
	t.Helper()
	form, err := oauth.ParseForm([]byte(a.exchange(t).with("client_id", "notes-server").with("subject_token", compact).with("account", account).form.Encode()))
	must(t, err)
	open := *a.picture(t)
	open.SignIn.IdPs = []*federation.IdentityProvider{{Name: "acme"}}
	response, err := a.Token(t.Context(), grant.Request{Tenant: &open, Trace: "trc_3", Remote: "192.0.2.1", Form: form})
	refusal, ok := errors.AsType[*oauth.Error](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	return response, refusal
}

func (agents) Find(_ context.Context, t *snapshot.Tenant, userUID, idpUID string) (person.Person, error) {
	return person.Person{Tenant: t, UID: userUID, Name: userUID, IdPUID: idpUID, Groups: []string{"security"}}, nil
}

func (agents) Accounts(_ context.Context, _ *snapshot.Tenant, userUID string) ([]federation.Account, error) {
	return []federation.Account{{UID: userUID}}, nil
}

// TestApprovalOfALeaseIsForOneAgentAndAccount: what security said of one agent's token and of one account is nothing for
// another's, though the same server brings both.
func TestApprovalOfALeaseIsForOneAgentAndAccount(t *testing.T) {
	a := newAgents(t, bySecurity)
	seat, err := approval.New(approval.Desk{Store: &approvaltest.Memory{}, People: a, Lane: a.lane, Now: func() time.Time { return a.now }})
	must(t, err)
	a.Approvals, a.Policy = seat, policy.NewInProcess(5*time.Second, policy.WithApprovals())
	a.connects(t, a.alice(t), "alice", "read")
	a.connects(t, a.alice(t), "bob", "read")
	found, err := a.memory.Find(t.Context(), a.picture(t).UID.String(), a.alice(t), a.uidOf(t, "Provider", "tracker"))
	must(t, err)
	mine, theirs := found[0].Account.ID, found[1].Account.ID

	first := a.token(t, "agent")
	_, refusal := a.byServer(t, first, mine)
	if refusal == nil || refusal.Code != oauth.CodeApprovalRequired {
		t.Fatalf("answered %v", refusal)
	}
	name, _ := refusal.Members["approval_id"].(string)
	carol := person.Person{Tenant: a.picture(t), UID: "usr_carol", Name: "carol", Groups: []string{"security"}}
	asked, err := seat.Open(t.Context(), carol, name)
	if err != nil || asked.ClientID != "agent" {
		t.Errorf("they are asked about %q, %v", asked.ClientID, err)
	}
	_, err = seat.Answer(t.Context(), carol, name, "", true, approval.Visit{})
	must(t, err)

	for what, try := range map[string]struct{ compact, account string }{
		"another agent": {a.token(t, "second"), mine}, "another account": {first, theirs},
	} {
		if response, refusal := a.byServer(t, try.compact, try.account); refusal == nil || refusal.Code != oauth.CodeApprovalRequired || response.AccessToken != "" {
			t.Errorf("%s: answered %v", what, refusal)
		}
	}
	if response, refusal := a.byServer(t, first, mine); refusal != nil || response.AccessToken == "" {
		t.Errorf("what was allowed: answered %v", refusal)
	}
}

// TestStepUpAtALeaseIsForOneAgent: so is what the person proved.
func TestStepUpAtALeaseIsForOneAgent(t *testing.T) {
	a := newAgents(t, `"step_up": {"acr_values": ["phr"], "max_age": 300}`)
	c := &circle{world: a.world, links: &interactiontest.Memory{}}
	ring, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), now)
	must(t, err)
	c.desk, err = interaction.New(interaction.Desk{Store: c.links, Sealer: ring, Lane: a.lane, Now: func() time.Time { return a.now }})
	must(t, err)
	a.Interactions = c.desk
	a.connects(t, a.alice(t), "alice", "read")

	first := a.token(t, "agent")
	_, refusal := a.byServer(t, first, "")
	if refusal == nil || refusal.Code != oauth.CodeStepUpRequired {
		t.Fatalf("answered %v", refusal)
	}
	link, _ := refusal.Members["interaction_uri"].(string)
	c.finish(t, link[len(issuer+"/interact/"):], session.Proof{ACR: "phr", AuthTime: a.now})
	if _, refusal := a.byServer(t, a.token(t, "second"), ""); refusal == nil || refusal.Code != oauth.CodeStepUpRequired {
		t.Errorf("another agent: answered %v", refusal)
	}
	if _, refusal := a.byServer(t, first, ""); refusal != nil {
		t.Errorf("what was proved: answered %v", refusal)
	}
}

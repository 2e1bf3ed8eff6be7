package grant_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// phoneRule leads to a public client.
func phoneRule(t *testing.T, admits string) *world {
	t.Helper()
	return public(t, admits, change{"profiles: [id-jag]", "profiles: [id-jag, workload]"}, with(`apiVersion: chancery/v1
kind: Workload
metadata: {name: release}
spec: {idp: acme, client: phone, resources: [notes], scopes: ["notes:read"], match: {"claims.repository_id": "718263540"}}`))
}

// TestWorkloadOfPublicClient: a rule lifts nothing: what a public client brings is bound to a key that it proves, where the
// tenant admits it at all.
func TestWorkloadOfPublicClient(t *testing.T) {
	h := newHolder(t)
	bound := func(w *world) ask {
		a := w.run(t, idptest.WithJKT(h.thumbprint))
		a.proofs = []string{h.proof(t, w.now, nil)}
		return a
	}
	w := phoneRule(t, "cnf")
	w.refused(t, w.run(t), oauth.CodeClientPublic)
	w.refused(t, w.run(t).with("client_id", "phone"), oauth.CodeClientPublic)
	if response, _ := w.granted(t, bound(w)); response.TokenType != "DPoP" {
		t.Errorf("%+v", response)
	}
	w = phoneRule(t, "none")
	w.refused(t, bound(w), oauth.CodeClientPublic)
	w.refused(t, w.run(t), oauth.CodeClientPublic)
}

// TestWorkloadNamesNobody: a platform's token that fits no rule was made for nobody, so a name beside it says nothing of
// who asks, bound or not: a flood of those must not fill the disk under that name.
func TestWorkloadNamesNobody(t *testing.T) {
	h := newHolder(t)
	w := phoneRule(t, "cnf")
	a := w.run(t, idptest.WithJKT(h.thumbprint), idptest.WithClaim("repository_id", "1")).with("client_id", "phone")
	a.proofs = []string{h.proof(t, w.now, nil)}
	w.refused(t, a, oauth.CodeWorkloadUnmatched)
	if event := w.lane.last(t); len(w.journal.entries) != 0 || event.Principal.Kind != "anonymous" {
		t.Errorf("recorded %d, event %+v", len(w.journal.entries), event)
	}
}

// TestWorkloadSpendsOnce: a client that authenticates beside its platform's token asks once, and with another's token it
// spends nothing of the other's.
func TestWorkloadSpendsOnce(t *testing.T) {
	secret := change{"auth: {method: workload}", "auth: {method: client_secret_post, secret: {env: BUILD_SECRET}}"}
	w := floor(t, secret)
	authenticator, ok := w.Clients.(*client.Authenticator)
	if !ok {
		t.Fatalf("clients are %T", w.Clients)
	}
	budget := &spending{}
	limited, err := client.Limit(authenticator, budget)
	must(t, err)
	w.Clients = limited
	w.granted(t, w.run(t).with("client_id", "builds.acme.com").with("client_secret", secretText))
	w.granted(t, w.run(t))
	if len(budget.spent) != 2 || budget.spent[0] != budget.spent[1] {
		t.Fatalf("spent %v", budget.spent)
	}
	build := budget.spent[0]
	w.refused(t, w.run(t).with("client_id", "agent").with("client_secret", secretText), oauth.CodeClientIDMismatch)
	if len(budget.spent) != 3 || budget.spent[2] == build {
		t.Errorf("spent %v", budget.spent)
	}
}

// spending is a budget without end that remembers who spent.
type spending struct{ spent []client.Key }

func (s *spending) Take(k client.Key) (time.Duration, bool) {
	s.spent = append(s.spent, k)
	return 0, true
}

package approvals_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// waiting is the challenge's own members.
type waiting struct {
	ID        string `json:"approval_id"`
	Link      string `json:"interaction_uri"`
	Interval  int    `json:"interval"`
	ExpiresIn int    `json:"expires_in"`
}

// ask presents a fresh assertion for writing.
func ask(w *harness.World, replica int, user string) harness.Answer {
	return w.Send(w.Replicas[replica%len(w.Replicas)], w.NewCall(w.IdP.IDJAG(user)).With("scope", "notes:write"))
}

func waits(t *testing.T, a harness.Answer) waiting {
	t.Helper()
	a.Refused(t, http.StatusBadRequest, "interaction_required", "approval_required")
	var told waiting
	if err := json.Unmarshal([]byte(a.Body), &told); err != nil || told.ID == "" || told.Interval != 5 || told.ExpiresIn < 1 || told.ExpiresIn > 600 || !strings.HasSuffix(told.Link, "/interact/"+told.ID) {
		t.Fatalf("%v %s", err, a.Body)
	}
	return told
}

// TestApproval: alice's agent waits; alice, eve and a stranger cannot answer, bob can, once; a restart comes in between; of many
// who come for it over two replicas one gets a token; and what is asked next is asked anew.
func TestApproval(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e, nil, "")
		w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice)).With("scope", "notes:read")).Granted(t)
		told := waits(t, ask(w, 0, idptest.Alice))
		if again := waits(t, ask(w, 1, idptest.Alice)); again.ID != told.ID {
			t.Fatalf("a retry is another request: %s, %s", again.ID, told.ID)
		}

		// A stranger is sent to sign in; eve is not asked; alice sees that it waits, and for whom.
		if page := harness.NewPerson(t, "bob").Open(told.Link); strings.Contains(page.Body, "notes:write") {
			t.Error("a stranger sees what is asked")
		}
		if page := signedIn(t, w, "eve").Open(told.Link); page.Status != http.StatusForbidden || !page.Says("approval_not_asked") {
			t.Errorf("eve: %d %s", page.Status, page.Body)
		}
		alice := signedIn(t, w, "alice")
		page := alice.Open(told.Link)
		if _, found := page.Button("decision", "allow"); found || page.Status != http.StatusOK || !strings.Contains(page.Body, "waits for somebody else") {
			t.Errorf("alice: %d %s", page.Status, page.Body)
		}
		if page := alice.Open(w.Issuer + "/approvals"); strings.Contains(page.Body, told.ID) {
			t.Error("what is for herself waits for her")
		}

		// Bob finds it in his list, sees what it is, and allows it; a second press changes nothing.
		bob := signedIn(t, w, "bob")
		if page := bob.Open(w.Issuer + "/approvals"); !strings.Contains(page.Body, "/interact/"+told.ID) {
			t.Fatalf("nothing waits for bob: %s", page.Body)
		}
		page = bob.Open(told.Link)
		for _, want := range []string{"alice@acme.com", "claude", "Change your notes", "approvers", "5</bdi> minutes"} {
			if !strings.Contains(page.Body, want) {
				t.Errorf("the page does not say %q:\n%s", want, page.Body)
			}
		}
		form, _ := page.Button("decision", "allow")
		if done := bob.Press(page, "decision", "allow"); done.Status != http.StatusOK || !strings.Contains(done.Body, "Allowed") {
			t.Fatalf("%d %s", done.Status, done.Body)
		}
		if twice := bob.Send(form, map[string][]string{"decision": {"deny"}}); strings.Contains(twice.Body, "The agent is told") {
			t.Errorf("a second answer counts: %s", twice.Body)
		}

		for _, p := range w.Replicas {
			p.Stop()
			p.Restart()
			p.WaitReady()
		}

		// One of many gets the token that was allowed.
		var group sync.WaitGroup
		answers := make([]harness.Answer, 12)
		for i := range answers {
			group.Go(func() { answers[i] = ask(w, i, idptest.Alice) })
		}
		group.Wait()
		given := 0
		for _, a := range answers {
			switch {
			case a.Status == http.StatusOK && a.Scope == "notes:write" && a.ExpiresIn <= 300:
				given++
			case a.Error == "interaction_required" && (a.Code() == "approval_used" || a.Code() == "approval_required"):
			default:
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
		if given != 1 {
			t.Errorf("%d tokens of one approval", given)
		}

		// What comes next is another request; it is denied, and stays so.
		next := waits(t, ask(w, 0, idptest.Alice))
		if next.ID == told.ID {
			t.Fatal("what was used waits again")
		}
		bob = signedIn(t, w, "bob")
		if done := bob.Press(bob.Open(next.Link), "decision", "deny"); !strings.Contains(done.Body, "Denied") {
			t.Fatalf("%s", done.Body)
		}
		ask(w, 1, idptest.Alice).Refused(t, http.StatusBadRequest, "invalid_grant", "approval_denied")
	})
}

// TestApprovalBindsThePolicyAndItsApprover: what was allowed under one revision counts for no other, and counts no more when
// the approver could not allow it any more.
func TestApprovalBindsThePolicyAndItsApprover(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e, nil, "")
		allow := func() waiting {
			t.Helper()
			told := waits(t, ask(w, 0, idptest.Alice))
			bob := signedIn(t, w, "bob")
			if done := bob.Press(bob.Open(told.Link), "decision", "allow"); !strings.Contains(done.Body, "Allowed") {
				t.Fatalf("%s", done.Body)
			}
			return told
		}
		told := allow()
		w.Apply(w.Server(), strings.Replace(notesPolicy, `"code": "writes"`, `"code": "writing"`, 1))
		if next := waits(t, ask(w, 1, idptest.Alice)); next.ID == told.ID {
			t.Error("what was allowed under one revision counts under the next")
		}
		told = allow()
		bob := strings.Split(harness.DefaultPeople, "---")[1]
		w.Apply(w.Server(), strings.Replace(bob, "status: active", "status: disabled", 1))
		if next := waits(t, ask(w, 1, idptest.Alice)); next.ID == told.ID {
			t.Error("the word of somebody who is disabled counts")
		}
	})
}

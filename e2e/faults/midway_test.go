package faults

import (
	"context"
	"crypto/rand"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// doomed is a process that dies while a browser waits for it. The first time it lives, and tells how long it takes.
type doomed struct {
	took time.Duration
	died bool
}

// visit does one thing at a browser while its replica is killed at a random moment, which may be after the answer (a process that has
// just started is slower than the one that lived), and is started again. The page is nil where nobody answered.
func (d *doomed) visit(t *testing.T, v visit, p *harness.Process) *harness.Page {
	t.Helper()
	if d.took == 0 {
		start := time.Now()
		page := rush(t, []visit{v})[0]
		d.took = time.Since(start)
		return page
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d.took)*5/2))
	if err != nil {
		t.Fatal(err)
	}
	if !d.died { // once at least before an answer can have come
		n, d.died = big.NewInt(0), true
	}
	done := make(chan *harness.Page, 1)
	go func() {
		page, err := v.who.Visit(context.WithoutCancel(t.Context()), v.method, v.target, v.fields)
		if err != nil {
			page = nil
		}
		done <- page
	}()
	time.Sleep(time.Duration(n.Int64()))
	p.Kill()
	page := <-done
	p.Restart()
	return page
}

// F2: a process dies between an IdP's answer and the session, and between a yes and the code. Whatever it had committed is
// there, once, at the other process too; whoever heard nothing can go on or begin anew, and nothing is doubled.
func TestKilledMidway(t *testing.T) {
	const rounds = 13
	w, db := people(t, harness.SignInObjects)
	callback := w.Issuer + "/federation/oidc/okta/callback"
	var signIn, answers doomed
	sessions, given, codes, received, lost := 0, 0, 0, 0, map[string]int{}
	for round := range rounds {
		dies, lives := w.Replicas[round%2], w.Replicas[(round+1)%2]
		alice, request := harness.NewPerson(t, "alice"), harness.NewCodeRequest("notes:read")
		request.Form.Set("prompt", "consent")
		start := request.URL(w.Issuer)

		// 1. She comes back from the IdP.
		answer := alice.Way(start, callback).Outside.String()
		back := visit{alice.Fork(dies, harness.HostRedirect), http.MethodGet, answer, nil}
		page := signIn.visit(t, back, dies)
		began := harness.Count(t, db, "select count(*) from sessions") - sessions
		if began > 1 || page != nil && asksConsent(page) && began != 1 {
			t.Fatalf("%d sessions of one answer", began)
		}
		if sessions += began; page == nil || !asksConsent(page) {
			lost["sign-in"]++
			// The same answer again: what was used up stays so, and what was not is good, at any process.
			again := visit{alice.Fork(lives, harness.HostRedirect), http.MethodGet, answer, nil}
			page = rush(t, []visit{again})[0]
			if now := harness.Count(t, db, "select count(*) from sessions") - sessions; now+began > 1 {
				t.Fatalf("%d sessions of one answer", now+began)
			} else if sessions += now; asksConsent(page) != (now == 1) {
				t.Fatalf("%d sessions and a page: %d %s", now, page.Status, page.Body)
			}
			back = again
		}
		if !asksConsent(page) { // it was used up by what died: she begins anew
			if !page.Says("sign_in_state_mismatch") {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			fresh := harness.NewPerson(t, "alice")
			answer = fresh.Way(start, callback).Outside.String()
			back = visit{fresh.Fork(lives, harness.HostRedirect), http.MethodGet, answer, nil}
			page, sessions = rush(t, []visit{back})[0], sessions+1
		}

		// 2. She says yes.
		form, asked := page.Button("decision", "allow")
		if !asked {
			t.Fatalf("%d %s", page.Status, page.Body)
		}
		yes := visit{back.who.Fork(dies, harness.HostRedirect), form.Method, form.Action.String(), with(form.Fields, "decision", "allow")}
		page = answers.visit(t, yes, dies)
		if page == nil || page.Outside == nil {
			lost["yes"]++
			yes.who = yes.who.Fork(lives, harness.HostRedirect)
			page = rush(t, []visit{yes})[0]
			if page.Outside == nil && !page.Says("request_not_waiting") {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
		}
		issued := len(events(t, db, "code.issued")) - codes
		yesses := len(events(t, db, "consent.given")) - given
		codes, given = codes+issued, given+yesses
		switch {
		case issued > 1 || yesses < 1 || yesses > 2 || harness.Count(t, db, "select count(*) from consents") != 1:
			t.Fatalf("%d codes of one request, %d times yes", issued, yesses)
		case page.Outside != nil && (page.Outside.Query().Get("code") == "" || issued != 1):
			t.Fatalf("answered %v, %d codes", page.Outside, issued)
		case page.Outside != nil:
			received++
			w.Send(lives, &harness.Call{Form: request.Exchange(page.Outside.Query().Get("code")), Header: http.Header{}}).Granted(t)
		}
	}
	counts(t, db, map[string]int{
		"sessions": sessions, event1("session.started"): sessions, event1("consent.given"): given, event1("token.issued"): received, "refresh_families": received,
	})
	if lost["sign-in"] == 0 || lost["yes"] == 0 {
		t.Errorf("lost %v: the kills prove little", lost)
	}
	_, lines := export(t, w)
	t.Logf("a sign-in takes %s, a yes %s", signIn.took, answers.took)
	t.Logf("%d sessions, %d codes of which %d were received, lost %v, %d lines exported", sessions, codes, received, lost, len(lines))
}

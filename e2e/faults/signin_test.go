package faults

import (
	"database/sql"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// visit is one thing that a browser does.
type visit struct {
	who    *harness.Person
	method string
	target string
	fields url.Values
}

// crowd copies a browser n times, spread over the replicas, all about to do the same.
func crowd(w *harness.World, who *harness.Person, stop string, n int, method, target string, fields url.Values) []visit {
	all := make([]visit, n)
	for i := range all {
		all[i] = visit{who.Fork(w.Replicas[i%len(w.Replicas)], stop), method, target, fields}
	}
	return all
}

// rush does all at one moment.
func rush(t *testing.T, all []visit) []*harness.Page {
	t.Helper()
	pages := make([]*harness.Page, len(all))
	var done sync.WaitGroup
	start := make(chan struct{})
	for i, v := range all {
		done.Go(func() {
			<-start
			page, err := v.who.Visit(t.Context(), v.method, v.target, v.fields)
			if err != nil {
				t.Errorf("%s: %v", v.target, err)
				page = &harness.Page{}
			}
			pages[i] = page
		})
	}
	close(start)
	done.Wait()
	return pages
}

// one demands that of several pages one is as told and the others say a code, and gives its number.
func one(t *testing.T, pages []*harness.Page, is func(*harness.Page) bool, code string) int {
	t.Helper()
	which := -1
	for i, p := range pages {
		switch {
		case is(p) && which >= 0:
			t.Fatalf("it happened twice: %d and %d", which, i)
		case is(p):
			which = i
		case p.Outside != nil || p.Status < 400 || !p.Says(code):
			t.Fatalf("%d %v %s", p.Status, p.Outside, p.Body)
		}
	}
	if which < 0 {
		t.Fatal("it did not happen")
	}
	return which
}

func asksConsent(p *harness.Page) bool {
	_, asked := p.Button("decision", "allow")
	return asked && p.Status == http.StatusOK
}

func isOutside(p *harness.Page) bool { return p.Outside != nil }

// counts demands numbers of the tables.
func counts(t *testing.T, db *sql.DB, want map[string]int) {
	t.Helper()
	for query, n := range want {
		if got := harness.Count(t, db, "select count(*) from "+query); got != n {
			t.Errorf("%d %s, want %d", got, query, n)
		}
	}
}

func event1(kind string) string { return "audit_events where type = '" + kind + "'" }

// people is a world where people sign in, on two replicas.
func people(t *testing.T, objects string) (*harness.World, *sql.DB) {
	t.Helper()
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Objects: objects, Config: map[string]any{"log.level": "warn"}})
	return w, open(t, w)
}

// T37: an IdP's answer, finished by many who hold the cookies of the browser that left, starts one session. A request that is
// answered twice, by yes or by no, gets one answer.
func TestOneSignIn(t *testing.T) {
	const rounds, many = 4, 12
	w, db := people(t, harness.SignInObjects)
	codes, denials := 0, 0
	for round := range rounds {
		alice := harness.NewPerson(t, "alice")
		request := harness.NewCodeRequest("notes:read")
		request.Form.Set("prompt", "consent")
		back := alice.Way(request.URL(w.Issuer), w.Issuer+"/federation/oidc/okta/callback")
		finished := crowd(w, alice, harness.HostRedirect, many, http.MethodGet, back.Outside.String(), nil)
		pages := rush(t, finished)
		winner := one(t, pages, asksConsent, "sign_in_state_mismatch")
		counts(t, db, map[string]int{"sessions": round + 1, event1("session.started"): round + 1, "departures": 0})

		form, _ := pages[winner].Button("decision", "allow")
		answers := crowd(w, finished[winner].who, harness.HostRedirect, many, form.Method, form.Action.String(), nil)
		for i := range answers {
			answers[i].fields = with(form.Fields, "decision", "allow")
			if round%2 == 1 && i%4 > 1 { // yes and no on each replica
				answers[i].fields.Set("decision", "deny")
			}
		}
		pages = rush(t, answers)
		answer := pages[one(t, pages, isOutside, "request_not_waiting")].Outside.Query()
		switch {
		case answer.Get("code") != "":
			codes++
			w.Send(w.Replicas[round%2], &harness.Call{Form: request.Exchange(answer.Get("code")), Header: http.Header{}}).Granted(t)
		case answer.Get("error") == "access_denied":
			denials++
		default:
			t.Errorf("answered %v", answer)
		}
		counts(t, db, map[string]int{"pending_requests": 0, event1("code.issued"): codes, event1("token.issued"): codes})
	}
	counts(t, db, map[string]int{"consents": 1, "refresh_families": codes})
	t.Logf("%d codes, %d denials", codes, denials)
}

var throughCorp = strings.Replace(harness.DefaultPeople, "{idp: okta, sub: 00u1alice}", "{idp: okta, sub: 00u1alice}, {idp: corp, sub: alice}", 1)

// T27: a SAML response that is posted by many, with the cookies of the browser that left and without, starts one session.
func TestOneResponse(t *testing.T) {
	idp := newCompany(t)
	w, db := people(t, harness.DefaultIdP+idp.entry+harness.SignInHost+harness.DefaultClient+harness.DefaultResource+throughCorp+harness.SignInPolicy)
	idp.serve(w)
	for round := range 3 {
		alice := harness.NewPerson(t, "alice")
		alice.Trust(idp.certificate)
		acs := w.Issuer + "/federation/saml/corp/acs"
		back := alice.Way(harness.NewCodeRequest("notes:read").URL(w.Issuer), acs)
		all := crowd(w, alice, harness.HostRedirect, 12, http.MethodPost, acs, back.Posted)
		stranger := harness.NewPerson(t, "eve")
		pages := rush(t, append(all, crowd(w, stranger, "", 4, http.MethodPost, acs, back.Posted)...))
		won := 0
		for i, p := range pages {
			switch {
			case asksConsent(p):
				won++
			case p.Status < 400 || !p.Says("saml_replayed") && !p.Says("saml_in_response_to") && !p.Says("saml_unsolicited"):
				t.Errorf("browser %d: %d %s", i, p.Status, p.Body)
			}
		}
		if won != 1 {
			t.Fatalf("%d sign-ins of one response", won)
		}
		counts(t, db, map[string]int{"sessions": round + 1, event1("session.started"): round + 1, "departures": 0})
	}
}

// T27, T37: a response that nobody asked for waits for a word of one browser, however many bring it; that word starts one session.
func TestOneUnasked(t *testing.T) {
	idp := newCompany(t)
	entry := strings.Replace(idp.entry, "\n  saml:", "\n  saml:\n    idp_initiated: true", 1)
	w, db := people(t, harness.DefaultIdP+entry+harness.SignInHost+harness.DefaultClient+harness.DefaultResource+throughCorp+harness.SignInPolicy)
	for round := range 3 {
		d := idp.Draft(atCorp(w), "")
		d.Find("NameID").SetText("alice")
		brought := crowd(w, harness.NewPerson(t, "alice"), "", 12, http.MethodPost, atCorp(w).ACS, url.Values{"SAMLResponse": {d.Encoded()}})
		pages := rush(t, brought)
		first := one(t, pages, asksConsent, "saml_replayed")
		counts(t, db, map[string]int{"sessions": round, "departures": 1, event1("sign_in.unsolicited"): round + 1})
		form, _ := pages[first].Button("decision", "allow")
		said := crowd(w, brought[first].who, w.Issuer+"/account", 12, http.MethodPost, form.Action.String(), with(form.Fields, "decision", "allow"))
		one(t, rush(t, said), isOutside, "sign_in_confirm_unknown")
		counts(t, db, map[string]int{"sessions": round + 1, event1("session.started"): round + 1, "departures": 0})
	}
}

// A person who comes for the first time, on both replicas at once and in several browsers, is one user.
func TestOneNewcomer(t *testing.T) {
	idp := strings.Replace(harness.SignInIdP, "  domains: [acme.com]", "  domains: [acme.com]\n  subject: {provision: just_in_time, email_domains: [acme.com]}", 1)
	w, db := people(t, idp+harness.DefaultClient+harness.SignInHost+harness.DefaultResource+harness.SignInPolicy)
	names := []string{"alice", "bob"}
	for _, name := range names {
		var all []visit
		for i := range 6 {
			person := harness.NewPerson(t, name)
			back := person.Way(harness.NewCodeRequest("notes:read").URL(w.Issuer), w.Issuer+"/federation/oidc/okta/callback")
			all = append(all, visit{person.Fork(w.Replicas[i%2], harness.HostRedirect), http.MethodGet, back.Outside.String(), nil})
		}
		for _, p := range rush(t, all) {
			if !asksConsent(p) {
				t.Errorf("%s: %d %s", name, p.Status, p.Body)
			}
		}
	}
	counts(t, db, map[string]int{
		"objects where kind = 'User' and deleted_at is null": len(names), event1("user.provisioned"): len(names),
		"sessions": 6 * len(names), "(select distinct user_uid from sessions) as who": len(names), "profiles": len(names),
	})
}

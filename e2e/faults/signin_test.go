package faults

import (
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
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

const corp = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: corp}
spec:
  preset: saml
  saml:
    metadata: |
      METADATA
  assertions: {profiles: [saml2-bearer], max_lifetime: 5m, clock_skew: 30s, clients: [claude], resources: [notes], scopes: ["notes:read", "notes:write"]}
  claims: {groups: groups, groups_from: [claim]}
---`

// company is a SAML IdP with its pages, and its entry, which no world has yet.
type company struct {
	*samltest.IdP
	entry       string
	certificate *x509.Certificate

	mu      sync.Mutex
	handler http.Handler
}

func (c *company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	h := c.handler
	c.mu.Unlock()
	h.ServeHTTP(w, r)
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	c.certificate = server.Certificate()
	c.IdP = samltest.New(func() time.Time { return time.Now().UTC().Truncate(time.Second) })
	c.EntityID, c.SSO, c.SLO = server.URL+"/metadata", server.URL+"/sso", server.URL+"/slo"
	c.entry = strings.Replace(corp, "METADATA", strings.ReplaceAll(strings.TrimSpace(string(c.Metadata())), "\n", "\n      "), 1)
	return c
}

// serve opens its pages to a world's people.
func (c *company) serve(w *harness.World) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = c.Handler(atCorp(w), samltest.Person{Name: "alice", Email: "alice@acme.com", Groups: []string{idptest.GroupEditors}})
}

func atCorp(w *harness.World) samltest.SP {
	return samltest.SP{EntityID: w.Issuer + "/federation/saml/corp/metadata", ACS: w.Issuer + "/federation/saml/corp/acs"}
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

const strong = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: strong}
spec:
  role: guard
  modules:
    strong.rego: |
      package chancery.authz
      decision := {"allow": true, "step_up": {"max_age": 300}}
---`

// A link that a person finishes in many tabs, over two replicas, is finished once, and what he proved counts on both.
func TestOneInteraction(t *testing.T) {
	w, db := people(t, harness.SignInObjects+strong)
	assertion := w.IdP.IDJAG(idptest.Alice)
	asked := w.Send(w.Server(), w.NewCall(assertion)).Refused(t, http.StatusBadRequest, "insufficient_user_authentication", "step_up_required")
	alice := harness.NewPerson(t, "alice")
	back := alice.Way(asked.Interaction, w.Issuer+"/federation/oidc/okta/callback")
	home := crowd(w, alice, w.Issuer+"/interact/", 1, http.MethodGet, back.Outside.String(), nil)
	page := rush(t, home)[0]
	if page.Outside == nil || !strings.HasPrefix(page.Outside.String(), asked.Interaction) {
		t.Fatalf("%d %v %s", page.Status, page.Outside, page.Body)
	}
	w.Send(w.Replicas[1], w.NewCall(assertion)).Refused(t, http.StatusBadRequest, "insufficient_user_authentication", "step_up_required")
	pages := rush(t, crowd(w, home[0].who, "", 12, http.MethodGet, page.Outside.String(), nil))
	one(t, pages, func(p *harness.Page) bool { return p.Status == http.StatusOK && len(p.Forms) == 0 }, "interaction_gone")
	counts(t, db, map[string]int{"interactions": 1, "interactions where finished_at is not null": 1, event1("interaction.finished"): 1, "sessions": 1})
	w.Send(w.Replicas[1], w.NewCall(assertion)).Granted(t)
	w.Send(w.Replicas[0], w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t)
}

const television = `
apiVersion: chancery/v1
kind: Client
metadata: {name: tv}
spec:
  display_name: Television
  type: public
  grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
  scopes: [notes:read, notes:write]
  resources: [notes]
---`

// begun is a device that waits for its person.
type begun struct{ userCode, poll string }

func (b begun) call() *harness.Call {
	return &harness.Call{Header: http.Header{}, Form: url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {b.poll}, "client_id": {"tv"},
	}}
}

func begin(t *testing.T, w *harness.World) begun {
	t.Helper()
	a := w.Send(w.Server(), &harness.Call{Path: "/device_authorization", Header: http.Header{}, Form: url.Values{"client_id": {"tv"}, "scope": {"notes:read"}}})
	var said struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
	}
	if err := json.Unmarshal([]byte(a.Body), &said); err != nil || said.DeviceCode == "" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return begun{said.UserCode, said.DeviceCode}
}

// decision brings a person to the page that asks about a device.
func (b begun) decision(t *testing.T, w *harness.World, who *harness.Person) harness.Form {
	t.Helper()
	_, page, err := who.Try(t.Context(), w.Issuer+"/device?user_code="+url.QueryEscape(b.userCode), "nowhere:")
	if err != nil || len(page.Forms) == 0 {
		t.Fatalf("%v %+v", err, page)
	}
	form, asked := who.Send(page.Forms[0], nil).Button("decision", "allow")
	if !asked {
		t.Fatal("it does not ask")
	}
	return form
}

// A device's person answers yes and no in many tabs, over two replicas: one answer counts. Of fifty polls one gets tokens, though a
// process dies meanwhile.
func TestOneDevice(t *testing.T) {
	const rounds = 6
	w, db := people(t, harness.SignInObjects+television)
	alice := harness.NewPerson(t, "alice")
	yes, answers := 0, map[string]int{}
	for round := range rounds {
		device := begin(t, w)
		form := device.decision(t, w, alice)
		all := crowd(w, alice, "", 8, form.Method, form.Action.String(), nil)
		for i := range all {
			all[i].fields = with(form.Fields, "decision", "allow")
			if round%3 == 2 && i%4 > 1 {
				all[i].fields.Set("decision", "deny")
			}
		}
		said := 0
		for _, p := range rush(t, all) {
			if answers[strconv.Itoa(p.Status)]++; p.Status == http.StatusOK {
				said++
			}
		}
		if said != 1 {
			t.Errorf("%d answers counted", said)
		}
		given, refused := 0, map[string]int{}
		for _, s := range w.Scatter(t, 50, func(int) *harness.Call { return device.call() }, killed(t, w.Replicas[round%2], 50)) {
			switch {
			case s.Err != nil:
			case s.Answer.AccessToken != "":
				given++
			default:
				refused[s.Answer.Code()]++
			}
		}
		last := w.Send(w.Replicas[(round+1)%2], device.call())
		if last.AccessToken != "" {
			given++
			last = w.Send(w.Replicas[round%2], device.call())
		}
		switch code := last.Code(); {
		case code == "device_code_used" && given <= 1 && len(refused) <= 1:
			yes++
		case code == "device_denied" && given == 0 && refused["device_denied"] > 0 && len(refused) == 1:
		default:
			t.Errorf("%d %s, %d given, %v", last.Status, last.Body, given, refused)
		}
	}
	counts(t, db, map[string]int{
		event1("device.approved"): yes, event1("device.denied"): rounds - yes, "issued_tokens": yes, event1("token.issued"): yes, "refresh_families": yes,
	})
	t.Logf("%d approved, pages %v", yes, answers)
}

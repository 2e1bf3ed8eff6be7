package idp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/e2e/harness"
)

// company is a Chancery that people come to from IdPs of others. What those give is groups; who gets what is ours.
const company = `
apiVersion: chancery/v1
kind: Client
metadata: {name: host}
spec:
  display_name: Notes host
  type: public
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code, refresh_token, "urn:ietf:params:oauth:grant-type:device_code"]
  scopes: [notes:read, notes:write, ledger:pay]
  resources: [notes, ledger]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:saml2-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: ledger}
spec:
  uri: https://mcp.acme.example/ledger
  scopes: {"ledger:pay": {risk: high, description: Pay}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: ledger}
spec:
  role: grant
  applies_to: {resources: [ledger]}
  modules:
    ledger.rego: |
      package chancery.authz

      decision := {"allow": true, "scopes": ["ledger:pay"], "step_up": {"acr_values": ["gold"]}} if "notes-editors" in input.user.group_names
---` + harness.DefaultResource + harness.SignInPolicy

const (
	ledger      = "https://mcp.acme.example/ledger"
	wrongSecret = "wrong-secret"
)

// startCompany starts one in which nobody signs in yet.
func startCompany(t *testing.T, e harness.Engine) *harness.World {
	t.Helper()
	folder := t.TempDir()
	right, wrong := filepath.Join(folder, "secret"), filepath.Join(folder, wrongSecret)
	for path, text := range map[string]string{right: harness.SignInSecret, wrong: "not-" + harness.SignInSecret} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := harness.Start(t, harness.Options{Engine: e, Objects: company, Config: map[string]any{
		"admin.secret_references": []string{"file:" + right, "file:" + wrong},
	}})
	w.Folder = folder // what {{folder}} is from here on
	return w
}

// home is an IdP that nobody here wrote, and what is particular about it.
type home struct {
	*harness.World

	name  string
	entry string // the IdentityProvider
	// broken is the entry with something in it by which nobody can sign in; shown is the code of that on the page, code the
	// one that its story tells.
	broken, shown, code string
	fill                func(user string) func(*harness.Page) (harness.Form, url.Values, bool)
	// silver: it says of a sign-in by password what is silver here.
	silver bool
	// gold is what a policy's wish for gold comes to; "" where the IdP can show it.
	gold string
	// unasked makes a sign-in that nobody began here, and code what it is refused with.
	unasked     func(t *testing.T, p *harness.Person) *harness.Page
	unaskedCode string
	// leave signs somebody out at the IdP.
	leave func(t *testing.T, p *harness.Person)
	// bearer makes an assertion for our token endpoint; nil where the IdP makes none. misled makes one for a sign-in; nil
	// where nobody but us can read it.
	bearer, misled func(t *testing.T, user string) string
}

func (h *home) person(t *testing.T, user string) *harness.Person {
	t.Helper()
	p := harness.NewPerson(t, user)
	p.IdP, p.Fill = h.name, h.fill(user)
	return p
}

// fields fills in a form with a password.
func fields(filled url.Values) func(*harness.Page) (harness.Form, url.Values, bool) {
	return func(page *harness.Page) (harness.Form, url.Values, bool) {
		for _, f := range page.Forms {
			all, found := maps.Clone(f.Fields), false
			for name, values := range filled {
				if f.Fields.Has(name) {
					all[name], found = values, true
				}
			}
			if found && f.Fields.Has("password") {
				return f, all, true
			}
		}
		return harness.Form{}, nil, false
	}
}

// tokens are what the host got.
type tokens struct {
	harness.Answer
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
}

func (h *home) ask(t *testing.T, path string, form url.Values, header http.Header) tokens {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	got := tokens{Answer: h.Send(h.Server(), &harness.Call{Form: form, Header: header, Path: path})}
	if err := json.Unmarshal([]byte(got.Body), &got); err != nil {
		t.Fatalf("%s: %d %s", path, got.Status, got.Body)
	}
	return got
}

// hosted lets the host act for somebody.
func (h *home) hosted(t *testing.T, p *harness.Person, r harness.CodeRequest) tokens {
	t.Helper()
	answer := p.Authorize(r.URL(h.Issuer), harness.HostRedirect)
	if answer.Get("code") == "" || answer.Get("state") != r.State || answer.Get("iss") != h.Issuer {
		t.Fatalf("%s: answered %v", h.name, answer)
	}
	got := h.ask(t, "/token", r.Exchange(answer.Get("code")), nil)
	got.Granted(t)
	return got
}

func (h *home) refresh(t *testing.T, of tokens) tokens {
	t.Helper()
	return h.ask(t, "/token", renewal(of), nil)
}

func renewal(of tokens) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {of.RefreshToken}, "client_id": {harness.Host}}
}

func (h *home) claims(t *testing.T, of tokens) map[string]any {
	t.Helper()
	return harness.Verify(t, of.AccessToken, h.Server().Get("/.well-known/jwks.json").Body).Claims
}

const both = "notes:read notes:write"

// suite runs over every IdP, through the whole product. It returns alice's name here.
func (h *home) suite(t *testing.T) string {
	t.Helper()
	h.Apply(h.Server(), h.entry)
	var alice string
	t.Run("once", func(t *testing.T) { alice = h.comesOnce(t) })
	t.Run("groups", func(t *testing.T) { h.groups(t, alice) })
	t.Run("fresh", func(t *testing.T) { h.fresh(t) })
	t.Run("step-up", func(t *testing.T) { h.stepUp(t) })
	t.Run("unasked", func(t *testing.T) { h.explained(t, h.unasked(t, h.person(t, "alice")), h.unaskedCode, h.unaskedCode) })
	t.Run("out there", func(t *testing.T) { h.outThere(t) })
	t.Run("out here", func(t *testing.T) { h.outHere(t) })
	if h.bearer != nil {
		t.Run("saml2-bearer", func(t *testing.T) { h.presents(t, alice) })
	}
	t.Run("broken", func(t *testing.T) {
		h.Apply(h.Server(), h.broken)
		defer h.Apply(h.Server(), h.entry)
		_, page, err := h.person(t, "alice").Try(t.Context(), harness.NewCodeRequest(both).URL(h.Issuer), harness.HostRedirect)
		if err != nil {
			t.Fatal(err)
		}
		if told := h.explained(t, page, h.shown, h.code); !strings.Contains(told, "✓") {
			t.Errorf("it does not tell what went well before: %s", told)
		}
	})
	t.Run("disabled", func(t *testing.T) { h.disabled(t, alice) })
	return alice
}

// comesOnce: alice comes for the first time in two browsers at once, and is one user.
func (h *home) comesOnce(t *testing.T) string {
	t.Helper()
	var browsers sync.WaitGroup
	answers := make([]url.Values, 2)
	for i := range answers {
		p, r := h.person(t, "alice"), harness.NewCodeRequest(both)
		browsers.Go(func() {
			answer, page, err := p.Try(t.Context(), r.URL(h.Issuer), harness.HostRedirect)
			if err != nil || answer.Get("code") == "" {
				t.Errorf("%v %v %+v", err, answer, page)
			}
			answers[i] = answer
		})
	}
	browsers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	users := h.users(t)
	if len(users) != 1 {
		t.Fatalf("%d users came of one person: %+v", len(users), users)
	}
	return users[0].Metadata.UID
}

// users are those who are linked to the IdP.
func (h *home) users(t *testing.T) []object.Object {
	t.Helper()
	all, err := h.Server().Admin.List(t.Context(), object.KindUser)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(o object.Object) bool {
		user, ok := o.Spec.(*object.UserSpec)
		return !ok || !slices.ContainsFunc(user.Identities, func(i object.Identity) bool { return i.IdP == h.name })
	})
}

// groups: each has what the groups give, and the token says it.
func (h *home) groups(t *testing.T, alice string) {
	t.Helper()
	got := h.hosted(t, h.person(t, "alice"), harness.NewCodeRequest(both))
	claims := h.claims(t, got)
	if got.Scope != both || claims["scope"] != both || claims["sub"] != alice || claims["aud"] != harness.Notes || claims["client_id"] != harness.Host || claims["iss"] != h.Issuer {
		t.Errorf("alice (%s) got %q: %v", alice, got.Scope, claims)
	}
	if again := h.refresh(t, got); again.Scope != both {
		t.Errorf("at a refresh: %s", again.Body)
	}
	got = h.hosted(t, h.person(t, "bob"), harness.NewCodeRequest(both))
	if claims := h.claims(t, got); claims["scope"] != "notes:read" || claims["sub"] == alice {
		t.Errorf("bob got %v", claims)
	}
}

// fresh: who asks for it has her authenticate once more, and is told when it was.
func (h *home) fresh(t *testing.T) {
	t.Helper()
	p, asked := h.person(t, "alice"), 0
	fill := p.Fill
	p.Fill = func(page *harness.Page) (harness.Form, url.Values, bool) {
		f, values, ok := fill(page)
		if ok && values.Has("password") {
			asked++
		}
		return f, values, ok
	}
	h.hosted(t, p, harness.NewCodeRequest("notes:read"))
	h.hosted(t, p, harness.NewCodeRequest("notes:read"))
	if asked != 1 {
		t.Errorf("asked %d times for one session", asked)
	}
	r := harness.NewCodeRequest("notes:read openid")
	r.Form.Set("prompt", "login")
	r.Form.Set("max_age", "0")
	got := h.hosted(t, p, r)
	at, _ := harness.Decode(t, got.IDToken).Claims["auth_time"].(float64)
	if asked != 2 || time.Since(time.Unix(int64(at), 0)).Abs() > time.Minute {
		t.Errorf("asked %d times, the last at %v", asked, at)
	}
}

// stepUp: a policy that wants gold gets it, or the client hears that nobody can show it.
func (h *home) stepUp(t *testing.T) {
	t.Helper()
	p := h.person(t, "alice")
	first := harness.NewCodeRequest(both)
	first.Form.Set("acr_values", "silver")
	if acr := h.claims(t, h.hosted(t, p, first))["acr"]; h.silver != (acr == "silver") {
		t.Errorf("acr %v", acr)
	}
	r := harness.NewCodeRequest("ledger:pay")
	r.Form.Set("resource", ledger)
	answer := p.Authorize(r.URL(h.Issuer), harness.HostRedirect)
	if h.gold != "" {
		if answer.Get("error") != h.gold || answer.Has("code") {
			t.Errorf("answered %v", answer)
		}
		return
	}
	if answer.Get("code") == "" {
		t.Fatalf("answered %v", answer)
	}
	got := h.ask(t, "/token", r.Exchange(answer.Get("code")), nil)
	got.Granted(t)
	if claims := h.claims(t, got); claims["acr"] != "gold" || claims["scope"] != "ledger:pay" || claims["aud"] != ledger {
		t.Errorf("%v", claims)
	}
}

var traceID = regexp.MustCompile(`trc_[0-9A-Z]{26}`)

// explained: a page says what happened, by code and trace, and the trace tells its story.
func (h *home) explained(t *testing.T, page *harness.Page, shown, code string) string {
	t.Helper()
	if page == nil || page.Outside != nil {
		t.Fatalf("no page: %+v", page)
	}
	trace := traceID.FindString(page.Body)
	if page.Status < http.StatusBadRequest || !strings.Contains(page.Body, "<code>"+shown+"</code>") || trace == "" {
		t.Fatalf("want %s: %d %s", shown, page.Status, page.Body)
	}
	told := h.Run("explain", trace)
	if told.Status != 0 || !strings.Contains(told.Stdout, "✗") || !strings.Contains(told.Stdout, code) || !strings.Contains(told.Stdout, h.name) {
		t.Errorf("explain %s: %s", trace, told)
	}
	return told.Stdout
}

// outThere: who signs out at the IdP is out here, with what was given for the time of the session, and no more.
func (h *home) outThere(t *testing.T) {
	t.Helper()
	p := h.person(t, "alice")
	ends := h.hosted(t, p, harness.NewCodeRequest("notes:read"))
	stays := h.hosted(t, p, harness.NewCodeRequest("notes:read openid offline_access"))
	h.leave(t, p)
	h.refresh(t, ends).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_ended")
	h.refresh(t, stays).Granted(t)
	silent := harness.NewCodeRequest("notes:read")
	silent.Form.Set("prompt", "none")
	if answer := p.Authorize(silent.URL(h.Issuer), harness.HostRedirect); answer.Get("error") != "login_required" {
		t.Errorf("still signed in: %v", answer)
	}
}

// outHere: who signs out here is out there too, and comes back.
func (h *home) outHere(t *testing.T) {
	t.Helper()
	p := h.person(t, "alice")
	ends := h.hosted(t, p, harness.NewCodeRequest("notes:read"))
	page := p.GoOn(p.Press(p.Open(h.Issuer+"/end_session"), "decision", "allow"))
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), h.Issuer+"/signed_out") {
		t.Errorf("ends at %s: %d %s", page.URL, page.Status, page.Body)
	}
	h.refresh(t, ends).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_token_ended")
	asked := false
	fill := p.Fill
	p.Fill = func(page *harness.Page) (harness.Form, url.Values, bool) {
		f, values, ok := fill(page)
		asked = asked || ok && values.Has("password")
		return f, values, ok
	}
	if h.hosted(t, p, harness.NewCodeRequest("notes:read")); !asked {
		t.Error("the IdP's session did not end")
	}
}

// presents: an assertion for our token endpoint is good once, and one for a sign-in is none.
func (h *home) presents(t *testing.T, alice string) {
	t.Helper()
	form := h.assertionForm(h.bearer(t, "alice"))
	got := h.ask(t, "/token", form, nil)
	got.Granted(t)
	if claims := h.claims(t, got); claims["sub"] != alice || claims["scope"] != both || got.RefreshToken != "" {
		t.Errorf("%v", claims)
	}
	h.ask(t, "/token", form, nil).Refused(t, http.StatusBadRequest, "invalid_grant", "saml_replayed")
	if h.misled != nil {
		h.ask(t, "/token", h.assertionForm(h.misled(t, "alice")), nil).Refused(t, http.StatusBadRequest, "invalid_grant", "saml_recipient")
	}
}

func (h *home) assertionForm(assertion string) url.Values {
	return url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}, "assertion": {assertion}, "scope": {both}, "resource": {harness.Notes},
		"client_id": {harness.ClientID}, "client_secret": {h.Secret},
	}
}

// disabled: alice, disabled, stays out everywhere, also with what she was given before.
func (h *home) disabled(t *testing.T, alice string) {
	t.Helper()
	p := h.person(t, "alice")
	offline := h.hosted(t, p, harness.NewCodeRequest("notes:read openid offline_access"))
	bound := h.hosted(t, p, harness.NewCodeRequest("notes:read"))
	r := harness.NewCodeRequest("notes:read")
	code := p.Authorize(r.URL(h.Issuer), harness.HostRedirect).Get("code")
	device := h.device(t, p)
	assertion := ""
	if h.bearer != nil {
		assertion = h.bearer(t, "alice")
	}
	h.setStatus(t, alice, "disabled")
	for name, form := range map[string]url.Values{
		"offline": renewal(offline),
		"bound":   renewal(bound),
		"code":    r.Exchange(code),
		"device":  {"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device}, "client_id": {harness.Host}},
	} {
		if got := h.ask(t, "/token", form, nil); got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if assertion != "" {
		h.ask(t, "/token", h.assertionForm(assertion), nil).Refused(t, http.StatusBadRequest, "invalid_grant", "subject_disabled")
	}
	for name, browser := range map[string]*harness.Person{"her browser": p, "another": h.person(t, "alice")} {
		answer, page, err := browser.Try(t.Context(), harness.NewCodeRequest("notes:read").URL(h.Issuer), harness.HostRedirect)
		if err != nil || answer != nil {
			t.Errorf("%s: %v %v", name, answer, err)
			continue
		}
		h.explained(t, page, "subject_disabled", "subject_disabled")
	}
	if users := h.users(t); len(users) != 2 { // she, and bob
		t.Errorf("%d users", len(users))
	}
	h.setStatus(t, alice, "active")
	if again := h.refresh(t, bound); again.Status == http.StatusOK {
		t.Error("a session that ended came back")
	}
	h.hosted(t, h.person(t, "alice"), harness.NewCodeRequest("notes:read"))
}

// device is a device code that somebody took.
func (h *home) device(t *testing.T, p *harness.Person) string {
	t.Helper()
	begun := struct {
		tokens
		DeviceCode string `json:"device_code"`
		Complete   string `json:"verification_uri_complete"`
		UserCode   string `json:"user_code"`
	}{tokens: h.ask(t, "/device_authorization", url.Values{"client_id": {harness.Host}, "scope": {"notes:read"}, "resource": {harness.Notes}}, nil)}
	if err := json.Unmarshal([]byte(begun.Body), &begun); err != nil || begun.Complete == "" {
		t.Fatalf("%v %s", err, begun.Body)
	}
	page := p.Open(begun.Complete)
	if len(page.Forms) == 0 {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	page = p.Press(p.Send(page.Forms[0], url.Values{"user_code": {begun.UserCode}}), "decision", "allow")
	if page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	return begun.DeviceCode
}

// setStatus says by the admin API what a user's status is.
func (h *home) setStatus(t *testing.T, uid, status string) {
	t.Helper()
	for _, o := range h.users(t) {
		user, ok := o.Spec.(*object.UserSpec)
		if o.Metadata.UID != uid || !ok {
			continue
		}
		user.Status = status
		o.Metadata = object.Metadata{Name: o.Metadata.Name}
		encoded, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		h.Apply(h.Server(), string(encoded))
		return
	}
	t.Fatalf("no user %s", uid)
}

// strangers: one address at two IdPs is two people.
func strangers(t *testing.T, one, other *home, first, second string) {
	t.Helper()
	if first == "" || first == second {
		t.Errorf("alice of %s is %s, of %s %s", one.name, first, other.name, second)
	}
	for _, h := range []*home{one, other} {
		for _, o := range h.users(t) {
			if user, ok := o.Spec.(*object.UserSpec); !ok || len(user.Identities) != 1 {
				t.Errorf("%s: %+v", h.name, o.Spec)
			}
		}
	}
}

func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

func entryOf(name, spec string) string {
	return fmt.Sprintf("apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: %s}\nspec:\n%s", name, spec)
}

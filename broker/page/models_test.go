package page_test

import (
	"errors"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/page/pagetest"
)

func sample[M any](t *testing.T, name string) (m M) {
	t.Helper()
	for _, s := range pagetest.Samples() {
		if found, ok := s.Model.(M); ok && s.Name == name {
			return found
		}
	}
	t.Fatalf("no sample %s", name)
	return m
}

func shown(t *testing.T, m pagetest.Renderer) string {
	t.Helper()
	p, err := m.Render(page.Frame{})
	if err != nil {
		t.Fatal(err)
	}
	return html.UnescapeString(string(p.Body))
}

// TestConsentSays: what a person must see before he decides (T40).
func TestConsentSays(t *testing.T) {
	c := sample[page.Consent](t, "consent-document")
	for what, want := range map[string]string{
		"the document's host": "Allow <bdi>claude.ai</bdi> to act for you?", "the claimed name as a claim": "Calls itself “<bdi>Claude</bdi>”", "the redirect's host": ">claude.com<",
		"that it is another": "That is another place than <bdi>claude.ai</bdi>", "the resource": "Access to <bdi>Team notes</bdi>", "its address": "https://mcp.acme.example/notes",
		"a scope in words": "Read your notes and those shared with you", "its risk": "Low risk", "the person": "Signed in as <bdi>alice@acme.example</bdi>",
		"the IdP": "through <bdi>Okta</bdi>", "another account": "Use another account",
	} {
		if !strings.Contains(shown(t, c), want) {
			t.Errorf("does not show %s", what)
		}
	}
	same := c
	same.RedirectURI = "https://claude.ai/callback"
	if strings.Contains(shown(t, same), "another place") {
		t.Error("the same place is called another")
	}
	local := c
	local.RedirectURI = "http://localhost:1/cb"
	if text := shown(t, local); !strings.Contains(text, "a program on this computer (<bdi>localhost:1</bdi>)") || !strings.Contains(text, "Allow only if you have just started this yourself") {
		t.Error("loopback is not warned of")
	}
	program := c
	program.RedirectURI = "cursor://x/cb"
	if text := shown(t, program); !strings.Contains(text, "the program that opens <bdi>cursor</bdi>: links") || !strings.Contains(text, "Allow only if") {
		t.Error("a program's scheme is not warned of")
	}
}

// TestUnverifiedNames: a name that nobody vouches for is never in a sentence of ours, whatever it is (T40).
func TestUnverifiedNames(t *testing.T) {
	for _, vouch := range []page.Vouch{page.VouchNobody, page.VouchDocument} {
		c := sample[page.Consent](t, "consent-loopback")
		c.Client = page.Client{Name: "Chancery", Vouch: vouch}
		if vouch == page.VouchDocument {
			c.Client.Host = "evil.example"
		}
		text := shown(t, c)
		_, heading, _ := strings.Cut(text, "<h1>")
		heading, _, _ = strings.Cut(heading, "</h1>")
		if strings.Contains(heading, "Chancery") || strings.Count(text, "<bdi>Chancery</bdi>") != 2 { // the frame's own, and the claim
			t.Errorf("%v: %s", vouch, heading)
		}
		if strings.Contains(text, "Registered by your company") || !strings.Contains(text, "Calls itself “<bdi>Chancery</bdi>”") {
			t.Errorf("%v: the claim does not look like one", vouch)
		}
	}
}

// TestEqualWeight: allow and deny are alike, and a person who denies does not have to look for it.
func TestEqualWeight(t *testing.T) {
	for _, name := range []string{"consent-company", "deviceconfirm", "confirm"} {
		for _, s := range pagetest.Samples() {
			if s.Name != name {
				continue
			}
			text := shown(t, s.Model)
			for _, decision := range []string{"allow", "deny"} {
				if strings.Count(text, `<button class="choice" name="decision" value="`+decision+`">`) != 1 {
					t.Errorf("%s: %s", name, decision)
				}
			}
		}
	}
}

// TestRisk: the highest first; a word that is not known is not taken for low.
func TestRisk(t *testing.T) {
	c := sample[page.Consent](t, "consent-company")
	c.Access = []page.Access{{Scopes: []page.Scope{{Name: "a", Risk: "low"}, {Name: "b", Risk: "LOW"}, {Name: "c"}, {Name: "d", Risk: "medium"}, {Name: "e", Risk: "high"}, {Name: "openid"}, {Name: "email", Risk: "high"}}}}
	text := shown(t, c)
	last := 0
	for _, want := range []string{"High risk", ">e<", ">email<", "Nobody has rated", ">b<", ">c<", "Medium risk", ">d<", "Low risk", ">a<", ">openid<"} {
		at := strings.Index(text[last:], want)
		if at < 0 {
			t.Fatalf("%s is not next", want)
		}
		last += at
	}
}

// TestModelsThatAreRefused: each is a valid page with one thing broken.
func TestModelsThatAreRefused(t *testing.T) {
	consent := func(change func(*page.Consent)) pagetest.Renderer {
		c := sample[page.Consent](t, "consent-document")
		change(&c)
		return c
	}
	stepUp := func(change func(*page.StepUp)) pagetest.Renderer {
		m := sample[page.StepUp](t, "stepup")
		change(&m)
		return m
	}
	for name, m := range map[string]pagetest.Renderer{
		"a form elsewhere":             consent(func(c *page.Consent) { c.Action = "//evil.example" }),
		"a form at a backslash":        consent(func(c *page.Consent) { c.Action = `/\evil.example` }),
		"a form at a whole address":    consent(func(c *page.Consent) { c.Action = "https://evil.example" }),
		"a form at a line's end":       consent(func(c *page.Consent) { c.Action = "/\nx" }),
		"no form":                      consent(func(c *page.Consent) { c.Action = "" }),
		"another account elsewhere":    consent(func(c *page.Consent) { c.Switch = "//evil.example" }),
		"no token":                     consent(func(c *page.Consent) { c.Token = "" }),
		"nobody":                       consent(func(c *page.Consent) { c.Person = page.Person{IdP: "Okta"} }),
		"somebody who cannot be seen":  consent(func(c *page.Consent) { c.Person = page.Person{Name: "\u200b", Email: "\u2066"} }),
		"nothing asked":                consent(func(c *page.Consent) { c.Access = nil }),
		"no scope":                     consent(func(c *page.Consent) { c.Access = append(c.Access, page.Access{}) }),
		"a document without a host":    consent(func(c *page.Consent) { c.Client.Host = "" }),
		"a host without a document":    consent(func(c *page.Consent) { c.Client.Vouch = page.VouchNobody }),
		"a host in other letters":      consent(func(c *page.Consent) { c.Client.Host = "сlaude.ai" }),
		"vouched for by no such":       consent(func(c *page.Consent) { c.Client.Vouch = 7 }),
		"a company's without a name":   consent(func(c *page.Consent) { c.Client = page.Client{Name: "\u200b", Vouch: page.VouchCompany} }),
		"no destination":               consent(func(c *page.Consent) { c.RedirectURI = "" }),
		"a script as destination":      consent(func(c *page.Consent) { c.RedirectURI = "javascript:alert(1)" }),
		"a step-up without a way":      stepUp(func(m *page.StepUp) { m.Ways = nil }),
		"a step-up without a reason":   stepUp(func(m *page.StepUp) { m.Stronger, m.MaxAge = false, 0 }),
		"a sign-in without an IdP":     page.SignIn{Action: "/signin"},
		"a device without a code":      page.DeviceConfirm{Action: "/device", Token: "x", Client: page.Client{Name: "x"}, Person: page.Person{Name: "x"}},
		"an account of nobody":         page.Account{Action: "/a", SignOut: "/b", Token: "x"},
		"a confirmation of nobody":     page.Confirm{Action: "/a", IdP: "Okta"},
		"an answer to a program":       page.Answer{RedirectURI: "cursor://x"},
		"an answer to an IPv6 address": page.Answer{RedirectURI: "http://[::1]:1/"},
		"an answer over http":          page.Answer{RedirectURI: "http://client.example/"},
		"onward to a script":           page.Onward{URL: "javascript:alert(1)"},
		"onward to a relative address": page.Onward{URL: "/x"},
		"back to a script":             page.SignedOut{Return: "javascript:alert(1)"},
		"signing in again elsewhere":   page.SignedOut{Again: "//evil.example"},
		"trying again elsewhere":       page.Failure{Code: oauth.CodePolicyDenied, Again: "https:evil.example"},
	} {
		if _, err := m.Render(page.Frame{}); !errors.Is(err, page.ErrModel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestValuesOfForms: what a form sends is what it was given, to the byte; cleaning is for what is shown.
func TestValuesOfForms(t *testing.T) {
	value := "a \"quoted\" <value>\u200b&amp; " + strings.Repeat("x", 3000)
	p, err := page.Answer{RedirectURI: "https://client.example/cb", Fields: []page.Field{{Name: "state", Value: value}}}.Render(page.Frame{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fieldsOf(t, p.Body)["state"]; got != value {
		t.Errorf("%.60q", got)
	}
}

// TestFailures: every public code says what happened and whose turn it is; one that stays inside says what its face says.
func TestFailures(t *testing.T) {
	for _, row := range oauth.Catalogue() {
		public := oauth.Public(row.Code)
		p, err := page.Failure{Code: row.Code}.Render(page.Frame{Trace: pagetest.Trace})
		if err != nil {
			t.Fatal(err)
		}
		text := html.UnescapeString(string(p.Body))
		if !strings.Contains(text, public.Text) || !strings.Contains(text, public.Fix) || !strings.Contains(text, pagetest.Trace) {
			t.Errorf("%s says too little", row.Code)
		}
		if row.Face != "" && strings.Contains(text, string(row.Code)) {
			t.Errorf("%s is told outside", row.Code)
		}
	}
	if !strings.Contains(shown(t, page.Failure{Code: "no_such_code"}), "server_error") {
		t.Error("an unknown code says something")
	}
}

func TestStepUpMinutes(t *testing.T) {
	for age, want := range map[time.Duration]string{time.Second: "<bdi>1</bdi> minute.", time.Minute: "<bdi>1</bdi> minute.", 90 * time.Second: "<bdi>1</bdi> minute.", time.Hour: "<bdi>60</bdi> minutes."} {
		m := sample[page.StepUp](t, "stepup")
		m.MaxAge = age
		if !strings.Contains(shown(t, m), want) {
			t.Errorf("%v is not %q", age, want)
		}
	}
}

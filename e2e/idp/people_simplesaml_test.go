package idp_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// As Entra speaks: the object id is the account, groups by their ids.
const simpleSAMLEntry = `
  preset: saml
  network: {allow_private_addresses: true}
  saml:
    metadata: |
      {{metadata}}
    wants_encrypted: true
    idp_initiated: {{initiated}}
    attributes: {subject: "http://schemas.microsoft.com/identity/claims/objectidentifier", email: email}
    acr: {"urn:oasis:names:tc:SAML:2.0:ac:classes:Password": silver, "https://refeds.org/profile/mfa": gold}
  assertions: {profiles: [saml2-bearer], max_lifetime: 10m, clock_skew: 30s, clients: [claude], resources: [notes], scopes: ["notes:read", "notes:write"]}
  subject: {provision: just_in_time, email_domains: [acme.com]}
  claims:
    groups: http://schemas.microsoft.com/ws/2008/06/identity/claims/groups
    groups_from: [claim]
    group_aliases: {11111111-0000-4000-8000-000000000001: notes-editors, 11111111-0000-4000-8000-000000000002: notes-readers}
`

// simpleSAMLHome: our metadata is given to it as it is, and its to us. What it says is signed and encrypted.
func simpleSAMLHome(t *testing.T, w *harness.World) *home {
	t.Helper()
	h := &home{World: w, name: "simple", silver: true, shown: "assertion_untrusted", code: "saml_signature_invalid", gold: "unmet_authentication_requirements", unaskedCode: "saml_unsolicited"}
	key, certificate := newPair(t).pem(t)
	self := w.Issuer + "/federation/saml/" + h.name
	s := harness.StartSimpleSAML(t, "testdata/simplesamlphp", key, certificate,
		"CHANCERY_SELF="+samlSelf, "CHANCERY_CERTIFICATE=", "CHANCERY_ISSUER="+w.Issuer, "SIMPLESAMLPHP_CIPHER=gcm")
	metadata := fetched(t, s.URL+"/saml2/idp/metadata.php")
	entry := entryOf(h.name, strings.ReplaceAll(simpleSAMLEntry, "{{initiated}}", "false"))
	h.entry = strings.ReplaceAll(entry, "{{metadata}}", indented(metadata))
	// A key in the metadata that it does not sign with.
	h.broken = strings.ReplaceAll(entry, "{{metadata}}", indented(certified.ReplaceAllString(metadata, "${1}"+newPair(t).encoded()+"${2}")))
	h.fill = func(user string) func(*harness.Page) (harness.Form, url.Values, bool) {
		return fields(url.Values{"username": {user}, "password": {s.Password}})
	}
	w.Apply(w.Server(), h.entry)
	if err := os.WriteFile(filepath.Join(s.Folder, "sp.xml"), []byte(fetched(t, self+"/metadata")), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := func(to string) string {
		return s.URL + "/saml2/idp/SSOService.php?" + url.Values{"spentityid": {to}}.Encode()
	}
	h.unasked = func(_ *testing.T, p *harness.Person) *harness.Page { return p.GoOn(p.Open(begin(self + "/metadata"))) }
	h.leave = func(t *testing.T, p *harness.Person) {
		t.Helper()
		page := p.GoOn(p.Open(s.URL + "/saml2/idp/initSLO.php?" + url.Values{"RelayState": {s.URL + "/saml2/idp/metadata.php"}}.Encode()))
		if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), s.URL) {
			t.Errorf("ends at %s: %d %s", page.URL, page.Status, page.Body)
		}
	}
	h.bearer = func(t *testing.T, user string) string {
		t.Helper()
		return mint(t, h.person(t, user), begin(w.Issuer), w.Issuer+"/token")
	}
	return h
}

var assertionOf = regexp.MustCompile(`(?s)<saml:Assertion\b.*</saml:Assertion>`)

// mint has an IdP make an assertion for a recipient, and takes it out of the response around it, as a client does.
func mint(t *testing.T, p *harness.Person, begin, recipient string) string {
	t.Helper()
	form, page, err := p.Try(t.Context(), begin, recipient)
	if err != nil || form.Get("SAMLResponse") == "" {
		t.Fatalf("%v %v %+v", err, form, page)
	}
	response, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
	if err != nil {
		t.Fatal(err)
	}
	assertion := assertionOf.FindString(string(response))
	if assertion == "" {
		t.Fatalf("no assertion: %s", response)
	}
	const declared = ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` // perhaps by the response
	if tag, _, _ := strings.Cut(assertion, ">"); !strings.Contains(tag, declared) {
		assertion = strings.Replace(assertion, "<saml:Assertion", "<saml:Assertion"+declared, 1)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(assertion))
}

func fetched(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := harness.Do(http.DefaultClient, request)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("%s: %d %s %v", address, answer.Status, answer.Body, err)
	}
	return answer.Body
}

// overage: dave has a link instead of groups, and that is no "none".
func (h *home) overage(t *testing.T) {
	t.Helper()
	answer := h.person(t, "dave").Authorize(harness.NewCodeRequest("notes:read").URL(h.Issuer), harness.HostRedirect)
	if answer.Get("error") != "access_denied" || !strings.HasPrefix(answer.Get("error_description"), "groups_overage") {
		t.Errorf("answered %v", answer)
	}
}

// confirms: where the entry takes what nobody asked for, the person is asked, and only then is anybody signed in.
func (h *home) confirms(t *testing.T) {
	t.Helper()
	h.Apply(h.Server(), strings.ReplaceAll(h.entry, "idp_initiated: false", "idp_initiated: true"))
	p := h.person(t, "alice")
	fill := p.Fill
	var question *harness.Page
	p.Fill = func(page *harness.Page) (harness.Form, url.Values, bool) {
		if _, asked := page.Button("decision", "allow"); asked && question == nil {
			question = page
		}
		return fill(page)
	}
	account := h.unasked(t, p)
	if question == nil || !strings.Contains(question.URL.Path, "/acs") || account.Status != http.StatusOK || account.URL.Path != "/account" {
		t.Errorf("question %+v, then %s %d", question, account.URL, account.Status)
	}
}

package saml_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

var hidden = regexp.MustCompile(`name="(\w+)" value="([^"]*)"`)

// The fake IdP as a browser sees it: its metadata, a request of ours, its answer.
func TestTheFakeInABrowser(t *testing.T) {
	w := newWorld()
	alice := samltest.Person{Name: "00u1alice", Email: "alice@acme.example", Groups: []string{"notes-editors"}}
	handler := w.idp.Handler(w.sp, alice, samltest.Person{Name: "00u2bob", Email: "bob@acme.example"})
	visit := func(method, target string, form url.Values) string {
		t.Helper()
		request := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, target, answer.Code, answer.Body)
		}
		return answer.Body.String()
	}
	fields := func(page string) url.Values {
		found := url.Values{}
		for _, m := range hidden.FindAllStringSubmatch(page, -1) {
			found.Set(m[1], html.UnescapeString(m[2]))
		}
		return found
	}
	m, err := saml.ParseMetadata([]byte(visit(http.MethodGet, "/metadata", nil)), saml.Expected{}, noon)
	if err != nil || m.EntityID != w.idp.EntityID {
		t.Fatal(err)
	}
	for _, name := range []string{"00u1alice", "00u2bob"} {
		out, departure, err := w.verifier.Depart(w.provider, saml.Ask{RelayState: "r1"})
		if err != nil {
			t.Fatal(err)
		}
		form := fields(visit(http.MethodGet, out.URL, nil))
		form.Set("person", name)
		back := fields(visit(http.MethodPost, "/sso/answer", form))
		s, err := w.verifier.Verify(w.provider, saml.Presented{Response: back.Get("SAMLResponse"), Departure: &departure})
		if err != nil || s.NameID().Value != name || back.Get("RelayState") != "r1" {
			t.Errorf("%v %v", s, err)
		}
	}
}

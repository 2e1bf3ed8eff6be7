package oidc_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

func query(t *testing.T, target string) url.Values {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// overage makes the IdP leave groups out, and say where a relying party that is not
// careful would look for them.
func (s *site) overage(elsewhere string) {
	s.breakWith(func(d *idptest.Draft) {
		d.Claims["groups"] = []string{"admins"} // what it sent does not count either
		d.Claims["_claim_names"] = map[string]any{"groups": "src1"}
		d.Claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": elsewhere}}
	})
}

// T15, T16: too many groups are not none, and nothing is followed.
func TestOverage(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a claim source was followed") }))
	defer trap.Close()
	s := newSite(t)
	s.overage(trap.URL)
	signedIn := s.mustSignIn(oidc.Ask{})
	if groups := signedIn.Groups(); groups.State != assertion.GroupsOverage || groups.Values != nil {
		t.Errorf("groups %+v", groups)
	}
	if signedIn.Private()["_claim_sources"] != nil {
		t.Error("claim sources are among the private claims")
	}
	for name, claims := range map[string]map[string]any{"hasgroups": {"hasgroups": true}, "groups:src1": {"groups:src1": "x"}} {
		s.breakWith(func(d *idptest.Draft) { maps.Copy(d.Claims, claims) })
		if groups := s.mustSignIn(oidc.Ask{}).Groups(); groups.State != assertion.GroupsOverage {
			t.Errorf("%s: %+v", name, groups)
		}
	}
	s.breakWith(func(d *idptest.Draft) { delete(d.Claims, "groups") })
	if groups := s.mustSignIn(oidc.Ask{}).Groups(); groups.State != assertion.GroupsAbsent {
		t.Errorf("absent: %+v", groups)
	}
	s.breakWith(func(d *idptest.Draft) { d.Claims["groups"] = []string{} })
	if groups := s.mustSignIn(oidc.Ask{}).Groups(); groups.State != assertion.GroupsComplete {
		t.Errorf("empty: %+v", groups)
	}
}

func TestOverageLookup(t *testing.T) {
	whole := `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)","value":["g-1","g-2"]}`
	for name, test := range map[string]struct {
		status int
		kind   string
		body   string
		groups []string // nil: still an overage
	}{
		"all":                {200, "application/json", whole, []string{"g-1", "g-2"}},
		"none":               {200, "application/json; charset=utf-8", `{"value":[]}`, []string{}},
		"forbidden":          {403, "application/json", `{"error":{"code":"Authorization_RequestDenied"}}`, nil},
		"down":               {503, "application/json", `{}`, nil},
		"a part":             {200, "application/json", `{"value":["g-1"],"@odata.nextLink":"https://evil.example"}`, nil},
		"no list":            {200, "application/json", `{"value":"g-1"}`, nil},
		"absent":             {200, "application/json", `{}`, nil},
		"null":               {200, "application/json", `{"value":null}`, nil},
		"numbers":            {200, "application/json", `{"value":[1]}`, nil},
		"objects":            {200, "application/json", `{"value":[{"id":"g-1"}]}`, nil},
		"twice":              {200, "application/json", `{"value":["g-1"],"value":["admins"]}`, nil},
		"folded":             {200, "application/json", `{"value":["g-1"],"Value":["admins"]}`, nil},
		"page":               {200, "text/html", whole, nil},
		"too many":           {200, "application/json", `{"value":["g` + strings.Repeat(`","g`, 2000) + `"]}`, nil},
		"with line break":    {200, "application/json", `{"value":["g\n1"]}`, nil},
		"redirect":           {302, "application/json", whole, nil},
		"huge":               {200, "application/json", `{"value":["` + strings.Repeat("g", 1<<20) + `"]}`, nil},
		"one group, empty":   {200, "application/json", `{"value":[""]}`, nil},
		"text behind it":     {200, "application/json", whole + "x", nil},
		"other status 2xx":   {206, "application/json", whole, nil},
		"compressed unasked": {200, "application/json+gzip", whole, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || len(r.Header.Get("Authorization")) < 20 {
					t.Errorf("%s with %q", r.Method, r.Header.Get("Authorization"))
				}
				w.Header().Set("Content-Type", test.kind)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			defer graph.Close()
			s.entry.Provider.Claims.FetchOverage, s.entry.OverageEndpoint = true, graph.URL+"/v1.0/me/getMemberGroups"
			s.overage("http://127.0.0.1:1/evil")
			signedIn := s.mustSignIn(oidc.Ask{})
			groups := signedIn.Groups()
			if test.groups == nil {
				if groups.State != assertion.GroupsOverage || groups.Values != nil {
					t.Errorf("groups %+v", groups)
				}
				last := signedIn.Checks()[len(signedIn.Checks())-1]
				if last.OK || last.Code != federation.CodeGroupsOverage {
					t.Errorf("the record says %+v", last)
				}
				return
			}
			if groups.State != assertion.GroupsComplete || !slices.Equal(groups.Values, test.groups) {
				t.Errorf("groups %+v", groups)
			}
		})
	}
	s := newSite(t) // nobody there, and not asked where nothing is left out
	s.entry.Provider.Claims.FetchOverage, s.entry.OverageEndpoint = true, "http://127.0.0.1:1/nobody"
	if groups := s.mustSignIn(oidc.Ask{}).Groups(); groups.State != assertion.GroupsComplete {
		t.Errorf("groups %+v", groups)
	}
	s.overage("http://127.0.0.1:1/evil")
	if groups := s.mustSignIn(oidc.Ask{}).Groups(); groups.State != assertion.GroupsOverage {
		t.Errorf("groups %+v", groups)
	}
}

func replace(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return []byte(strings.Replace(string(b), old, with, 1)) }
}

func TestUserinfo(t *testing.T) {
	lean := func(d *idptest.Draft) {
		for _, name := range []string{"email", "email_verified", "name", "groups"} {
			delete(d.Claims, name)
		}
	}
	t.Run("fills what is missing", func(t *testing.T) {
		s := newSite(t)
		s.breakWith(lean)
		if ids := s.mustSignIn(oidc.Ask{}).Identifiers(); ids.Email != "" || s.idp.Requests(idptest.PathUserinfo) != 0 {
			t.Errorf("not asked for: %+v", ids)
		}
		s.entry.Userinfo = true
		signedIn := s.mustSignIn(oidc.Ask{})
		ids := signedIn.Identifiers()
		if ids.Email != "alice@acme.com" || ids.EmailVerified == nil || !*ids.EmailVerified || signedIn.Name() != "Alice Example" ||
			!slices.Equal(signedIn.Groups().Values, []string{idptest.GroupEditors}) {
			t.Errorf("%+v %+v", ids, signedIn.Groups())
		}
	})
	t.Run("changes nothing that is there", func(t *testing.T) {
		s := newSite(t)
		s.entry.Userinfo = true
		s.idp.Tamper(idptest.PathUserinfo, func([]byte) []byte {
			return []byte(`{"sub":"00u1alice","email":"admin@acme.com","email_verified":true,"groups":["admins"],"name":"Admin","acr":"phr","auth_time":1}`)
		})
		s.breakWith(func(d *idptest.Draft) { d.Claims["email_verified"] = false })
		signedIn := s.mustSignIn(oidc.Ask{})
		ids := signedIn.Identifiers()
		if ids.Email != "alice@acme.com" || *ids.EmailVerified || !slices.Equal(signedIn.Groups().Values, []string{idptest.GroupEditors}) || signedIn.ACR() != "" {
			t.Errorf("%+v %+v %q", ids, signedIn.Groups(), signedIn.ACR())
		}
	})
	t.Run("no address without its own word on it", func(t *testing.T) {
		s := newSite(t)
		s.entry.Userinfo = true
		s.breakWith(func(d *idptest.Draft) { delete(d.Claims, "email") }) // email_verified: true stays, of no address
		s.idp.Tamper(idptest.PathUserinfo, func([]byte) []byte { return []byte(`{"sub":"00u1alice","email":"a@acme.com"}`) })
		if ids := s.mustSignIn(oidc.Ask{}).Identifiers(); ids.Email != "a@acme.com" || ids.EmailVerified != nil {
			t.Errorf("%+v", ids)
		}
	})
	for name, test := range map[string]struct {
		change func([]byte) []byte
		code   federation.Code
	}{
		"somebody else": {replace("00u1alice", "00u2bob"), federation.CodeUserinfoSubMismatch},
		"in other case": {replace("00u1alice", "00U1ALICE"), federation.CodeUserinfoSubMismatch},
		"nobody":        {replace(`"sub"`, `"subject"`), federation.CodeClaimMissing},
		"two people":    {replace(`{`, `{"sub":"00u2bob",`), federation.CodeUserinfoUnusable},
		"folded":        {replace(`{`, `{"Sub":"00u1alice",`), federation.CodeUserinfoUnusable},
		"no JSON":       {func([]byte) []byte { return []byte("sub=00u1alice") }, federation.CodeUserinfoUnusable},
		"a list":        {func(b []byte) []byte { return append(append([]byte("["), b...), ']') }, federation.CodeUserinfoUnusable},
		"sub as a list": {replace(`"00u1alice"`, `["00u1alice"]`), federation.CodeUserinfoUnusable},
		"email number":  {replace(`"alice@acme.com"`, `1`), federation.CodeClaimMalformed},
		"groups nested": {replace(`["notes-editors"]`, `[["notes-editors"]]`), federation.CodeGroupsMalformed},
		"larger":        {func([]byte) []byte { return []byte(`{"sub":"00u1alice","x":"` + strings.Repeat("x", 20<<10) + `"}`) }, federation.CodeUserinfoUnusable},
		"enormous":      {func([]byte) []byte { return []byte(`{"sub":"00u1alice","x":"` + strings.Repeat("x", 1<<20) + `"}`) }, federation.CodeUserinfoUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.entry.Userinfo = true
			s.breakWith(lean)
			s.idp.Tamper(idptest.PathUserinfo, test.change)
			_, err := s.signIn(oidc.Ask{})
			wantCode(t, err, test.code)
		})
	}
	t.Run("down", func(t *testing.T) {
		s := newSite(t)
		s.entry.Userinfo = true
		for fault, code := range map[idptest.Fault]federation.Code{
			idptest.FaultDown: federation.CodeIdPUnavailable, idptest.FaultCut: federation.CodeIdPUnavailable, idptest.FaultHTML: federation.CodeUserinfoUnusable,
			idptest.FaultRedirect: federation.CodeUserinfoUnusable, idptest.FaultGarbage: federation.CodeUserinfoUnusable,
		} {
			s.idp.Fail(idptest.PathUserinfo, fault)
			_, err := s.signIn(oidc.Ask{})
			wantCode(t, err, code)
		}
	})
}

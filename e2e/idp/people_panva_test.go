package idp_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const panvaEntry = `
  preset: generic
  issuer: {{panva}}
  network: {allow_private_addresses: true}
  oidc: {{{client}}, algorithms: [RS256], scopes: [openid, profile, email, groups], return_after_logout: true}
  subject: {provision: just_in_time, email_domains: [acme.com]}
  claims: {groups: groups, groups_from: [claim]}
`

// panvaHome: our client proves itself there by the key that signs our tokens.
func panvaHome(t *testing.T, w *harness.World) *home {
	t.Helper()
	h := &home{World: w, name: "panva", shown: "idp_client_refused", code: "idp_client_refused", gold: "unmet_authentication_requirements", unaskedCode: "sign_in_state_mismatch"}
	self := w.Issuer + "/federation/oidc/" + h.name
	client := func(id string, more map[string]any) map[string]any {
		all := map[string]any{
			"client_id": id, "redirect_uris": []string{self + "/callback"}, "post_logout_redirect_uris": []string{w.Issuer + "/end_session"},
			"grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
			"backchannel_logout_uri": self + "/backchannel_logout", "backchannel_logout_session_required": true,
		}
		maps.Copy(all, more)
		return all
	}
	people := map[string]any{}
	for user, groups := range map[string][]string{"alice": {idptest.GroupEditors}, "bob": {idptest.GroupReaders}} {
		people[user] = map[string]any{"sub": user, "name": user, "email": user + "@acme.com", "email_verified": true, "groups": groups}
	}
	setup, err := json.Marshal(map[string]any{"people": people, "clients": []any{
		client("chancery", map[string]any{
			"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks_uri": w.Issuer + "/.well-known/jwks.json",
		}),
		client("chancery-secret", map[string]any{"client_secret": harness.SignInSecret}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	issuer := runPanva(t, "CHANCERY_IDP="+string(setup), "CHANCERY_IDP_PUSHED=no")
	entry := entryOf(h.name, strings.ReplaceAll(panvaEntry, "{{panva}}", issuer))
	h.entry = strings.ReplaceAll(entry, "{{{client}}", "{client_id: chancery, auth_method: private_key_jwt")
	h.broken = strings.ReplaceAll(entry, "{{{client}}", "{client_id: chancery-secret, client_secret: {file: {{folder}}/"+wrongSecret+"}")
	h.fill = func(user string) func(*harness.Page) (harness.Form, url.Values, bool) {
		login := fields(url.Values{"login": {user}, "password": {"x"}})
		return func(page *harness.Page) (harness.Form, url.Values, bool) {
			if !strings.HasPrefix(page.URL.String(), issuer) || len(page.Forms) == 0 {
				return harness.Form{}, nil, false
			}
			if f, filled, ok := login(page); ok {
				return f, filled, true
			}
			if f := page.Forms[0]; f.Fields.Has("xsrf") { // its button is outside of the form
				f.Fields.Set("logout", "yes")
				return f, f.Fields, true
			}
			return page.Forms[0], page.Forms[0].Fields, true // of consent, which needs no more
		}
	}
	h.unasked = func(_ *testing.T, p *harness.Person) *harness.Page {
		return p.Open(self + "/callback?" + url.Values{"code": {"of-another"}, "state": {"of-another"}, "iss": {issuer}}.Encode())
	}
	h.leave = func(t *testing.T, p *harness.Person) {
		t.Helper()
		if page := p.GoOn(p.Open(issuer + "/session/end")); page.Status != http.StatusOK {
			t.Errorf("%d %s", page.Status, page.Body)
		}
	}
	return h
}

// People come from panva's oidc-provider and from SimpleSAMLphp to one Chancery.
func TestPeopleAtPanvaAndSimpleSAML(t *testing.T) {
	w := startCompany(t, harness.Postgres)
	panva, simple := panvaHome(t, w), simpleSAMLHome(t, w)
	var one, other string
	t.Run("panva", func(t *testing.T) { one = panva.suite(t) })
	t.Run("simplesamlphp", func(t *testing.T) { other = simple.suite(t) })
	t.Run("strangers", func(t *testing.T) { strangers(t, panva, simple, one, other) })
	t.Run("DPoP", func(t *testing.T) { panva.bound(t) })
	t.Run("overage", func(t *testing.T) { simple.overage(t) })
	t.Run("IdP-initiated", func(t *testing.T) { simple.confirms(t) })
}

// bound: a code and what comes of it are bound to the host's key, whoever the person came from.
func (h *home) bound(t *testing.T) {
	t.Helper()
	key, other := harness.NewSigner(t, "host-1"), harness.NewSigner(t, "host-2")
	proof := func(s *harness.Signer) http.Header { return http.Header{"Dpop": {s.Proof(h.Issuer+"/token", nil)}} }
	p, r := h.person(t, "alice"), harness.NewCodeRequest(both)
	r.Form.Set("dpop_jkt", key.Thumbprint())
	code := p.Authorize(r.URL(h.Issuer), harness.HostRedirect).Get("code")
	h.ask(t, "/token", r.Exchange(code), proof(other)).Refused(t, http.StatusBadRequest, "invalid_grant", "code_key_mismatch")
	got := h.ask(t, "/token", r.Exchange(code), proof(key))
	got.Granted(t)
	cnf, _ := h.claims(t, got)["cnf"].(map[string]any)
	if got.TokenType != "DPoP" || cnf["jkt"] != key.Thumbprint() {
		t.Errorf("%s %v", got.TokenType, cnf)
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}, "client_id": {harness.Host}}
	h.ask(t, "/token", form, proof(other)).Refused(t, http.StatusBadRequest, "invalid_grant", "refresh_key_mismatch")
	h.ask(t, "/token", form, proof(key)).Granted(t)
}

package idp_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

var certified = regexp.MustCompile(`(<(?:\w+:)?X509Certificate>)[^<]*(</)`)

const keycloakEntry = `
  preset: keycloak
  issuer: {{realm}}
  network: {allow_private_addresses: true}
  oidc: {client_id: chancery, client_secret: {file: {{folder}}/secret}, return_after_logout: true}
  subject: {provision: just_in_time, email_domains: [acme.com]}
  claims: {groups: groups, groups_from: [claim]}
`

const keycloakSAMLEntry = `
  preset: saml
  network: {allow_private_addresses: true}
  saml:
    metadata: |
      {{metadata}}
    name_id_format: urn:oasis:names:tc:SAML:2.0:nameid-format:persistent
    attributes: {email: email}
    acr: {"urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified": silver}
  assertions: {profiles: [saml2-bearer], max_lifetime: 10m, clock_skew: 30s, clients: [claude], resources: [notes], scopes: ["notes:read", "notes:write"]}
  subject: {provision: just_in_time, email_domains: [acme.com]}
  claims: {groups: groups, groups_from: [claim]}
`

// peopleAtKeycloak: people come from one realm in both ways, to one Chancery, where each way is another IdP.
func peopleAtKeycloak(t *testing.T, keycloak *harness.Keycloak) {
	t.Helper()
	w := startCompany(t, harness.SQLite)
	realm, password := keycloak.URL+"/realms/people", rand.Text()
	keycloak.Import(t, "testdata/people-realm.json", "CLIENT_SECRET="+harness.SignInSecret, "PASSWORD="+password,
		"CHANCERY_ISSUER="+w.Issuer, "CHANCERY_SELF="+w.Issuer+"/federation/oidc/keycloak")
	openID, saml := keycloakHome(w, realm, password), keycloakSAMLHome(t, w, keycloak, password)
	var one, other string
	t.Run("OpenID", func(t *testing.T) { one = openID.suite(t) })
	t.Run("SAML", func(t *testing.T) { other = saml.suite(t) })
	t.Run("strangers", func(t *testing.T) { strangers(t, openID, saml, one, other) })
	t.Run("other groups", func(t *testing.T) { openID.regrouped(t, keycloak) })
}

// regrouped: what she was given before has, from her next sign-in on, what her groups give then.
func (h *home) regrouped(t *testing.T, keycloak *harness.Keycloak) {
	t.Helper()
	before := h.hosted(t, h.person(t, "alice"), harness.NewCodeRequest(both))
	const admin = "/admin/realms/people"
	id := func(path string) string {
		var found []struct{ ID string }
		if err := json.Unmarshal(keycloak.Admin(t, http.MethodGet, admin+path, "application/json", nil), &found); err != nil || len(found) != 1 {
			t.Fatalf("%s: %v %v", path, found, err)
		}
		return found[0].ID
	}
	alice := admin + "/users/" + id("/users?exact=true&username=alice") + "/groups/"
	keycloak.Admin(t, http.MethodDelete, alice+id("/groups?exact=true&search=notes-editors"), "application/json", nil)
	keycloak.Admin(t, http.MethodPut, alice+id("/groups?exact=true&search=notes-readers"), "application/json", nil)
	if got := h.refresh(t, before); got.Scope != both { // nobody has said so here
		t.Errorf("before she came again: %s", got.Body)
	} else {
		before = got
	}
	if got := h.hosted(t, h.person(t, "alice"), harness.NewCodeRequest(both)); got.Scope != "notes:read" {
		t.Errorf("when she came again: %q", got.Scope)
	}
	if got := h.refresh(t, before); got.Scope != "notes:read" {
		t.Errorf("after she came again: %s", got.Body)
	}
}

func keycloakHome(w *harness.World, realm, password string) *home {
	h := &home{World: w, name: "keycloak", silver: true, shown: "idp_client_refused", code: "idp_client_refused", unaskedCode: "sign_in_state_mismatch"}
	h.entry = entryOf(h.name, strings.ReplaceAll(keycloakEntry, "{{realm}}", realm))
	h.broken = strings.ReplaceAll(h.entry, "{{folder}}/secret", "{{folder}}/"+wrongSecret)
	h.fill = atKeycloak(realm, password)
	h.unasked = func(_ *testing.T, p *harness.Person) *harness.Page {
		return p.Open(w.Issuer + "/federation/oidc/keycloak/callback?" + url.Values{"code": {"of-another"}, "state": {"of-another"}, "iss": {realm}}.Encode())
	}
	h.leave = leaveKeycloak(realm)
	return h
}

// atKeycloak signs in, and says that it wants to leave.
func atKeycloak(realm, password string) func(string) func(*harness.Page) (harness.Form, url.Values, bool) {
	return func(user string) func(*harness.Page) (harness.Form, url.Values, bool) {
		login := fields(url.Values{"username": {user}, "password": {password}})
		return func(page *harness.Page) (harness.Form, url.Values, bool) {
			if !strings.HasPrefix(page.URL.String(), realm) {
				return harness.Form{}, nil, false
			}
			for _, f := range page.Forms {
				if strings.HasSuffix(f.Action.Path, "/logout-confirm") {
					return f, f.Fields, true
				}
			}
			return login(page)
		}
	}
}

func leaveKeycloak(realm string) func(*testing.T, *harness.Person) {
	return func(t *testing.T, p *harness.Person) {
		t.Helper()
		if page := p.GoOn(p.Open(realm + "/protocol/openid-connect/logout")); page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), realm) {
			t.Errorf("ends at %s: %d %s", page.URL, page.Status, page.Body)
		}
	}
}

// keycloakSAMLHome: Keycloak makes a client of our metadata, which gets the mappers that an administrator adds.
func keycloakSAMLHome(t *testing.T, w *harness.World, keycloak *harness.Keycloak, password string) *home {
	t.Helper()
	h := &home{World: w, name: "keycloak-saml", silver: true, shown: "assertion_untrusted", code: "saml_signature_invalid", gold: "unmet_authentication_requirements", unaskedCode: "saml_unsolicited"}
	realm := keycloak.URL + "/realms/people"
	metadata := fetched(t, realm+"/protocol/saml/descriptor")
	entry := entryOf(h.name, keycloakSAMLEntry)
	h.entry = strings.ReplaceAll(entry, "{{metadata}}", indented(metadata))
	h.broken = strings.ReplaceAll(entry, "{{metadata}}", indented(certified.ReplaceAllString(metadata, "${1}"+newPair(t).encoded()+"${2}")))
	h.fill = atKeycloak(realm, password)
	w.Apply(w.Server(), h.entry)
	described := fetched(t, w.Issuer+"/federation/saml/"+h.name+"/metadata")
	const admin = "/admin/realms/people"
	var ours map[string]any
	if err := json.Unmarshal(keycloak.Admin(t, http.MethodPost, admin+"/client-description-converter", "application/xml", []byte(described)), &ours); err != nil {
		t.Fatal(err)
	}
	add := func(client map[string]any, attributes map[string]any) {
		merged := map[string]any{}
		if told, ok := client["attributes"].(map[string]any); ok {
			maps.Copy(merged, told)
		}
		maps.Copy(merged, attributes)
		client["attributes"], client["fullScopeAllowed"], client["protocolMappers"] = merged, false, mappers
		client["defaultClientScopes"] = []string{}
		encoded, err := json.Marshal(client)
		if err != nil {
			t.Fatal(err)
		}
		keycloak.Admin(t, http.MethodPost, admin+"/clients", "application/json", encoded)
	}
	add(ours, map[string]any{"saml_idp_initiated_sso_url_name": "chancery", "saml.onetimeuse.condition": "true"})
	add(map[string]any{"clientId": w.Issuer, "protocol": "saml", "enabled": true, "redirectUris": []string{w.Issuer + "/token"}}, map[string]any{
		"saml.assertion.signature": "true", "saml.server.signature": "false", "saml.client.signature": "false", "saml.signature.algorithm": "RSA_SHA256",
		"saml_signature_canonicalization_method": "http://www.w3.org/2001/10/xml-exc-c14n#", "saml.force.post.binding": "true", "saml_name_id_format": "persistent",
		"saml_force_name_id_format": "true", "saml.authnstatement": "true", "saml_assertion_consumer_url_post": w.Issuer + "/token", "saml_idp_initiated_sso_url_name": "token",
	})
	begin := func(name string) string { return realm + "/protocol/saml/clients/" + name }
	h.unasked = func(_ *testing.T, p *harness.Person) *harness.Page { return p.GoOn(p.Open(begin("chancery"))) }
	h.leave = leaveKeycloak(realm)
	h.bearer = func(t *testing.T, user string) string {
		t.Helper()
		return mint(t, h.person(t, user), begin("token"), w.Issuer+"/token")
	}
	h.misled = func(t *testing.T, user string) string {
		t.Helper()
		return mint(t, h.person(t, user), begin("chancery"), w.Issuer+"/federation/")
	}
	return h
}

var mappers = json.RawMessage(bytes.TrimSpace([]byte(`[
  {"name": "groups", "protocol": "saml", "protocolMapper": "saml-group-membership-mapper",
   "config": {"attribute.name": "groups", "attribute.nameformat": "Basic", "single": "true", "full.path": "false"}},
  {"name": "email", "protocol": "saml", "protocolMapper": "saml-user-property-mapper",
   "config": {"user.attribute": "email", "attribute.name": "email", "attribute.nameformat": "Basic"}}
]`)))

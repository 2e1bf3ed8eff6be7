package token

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// many are resources inside and outside of client ∩ IdP entry, and a policy that takes nothing away.
const many = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec:
  preset: generic
  issuer: {{idp}}
  network: {allow_private_addresses: true}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256]
    clients: [claude, single, reader]
    resources: [notes, files, mail, old]
    scopes: [notes:read, notes:write, files:read, mail:read, wiki:read, old:read]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:admin, notes:write, files:read, mail:read, wiki:read, old:read]
  resources: [notes, files, wiki, old]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: single}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read]
  resources: [notes, wiki]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: reader}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes: {"notes:read": {}, "notes:write": {implies: ["notes:read"]}, "notes:admin": {implies: ["notes:write"]}}
  default_scopes: [notes:read]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: files}
spec: {uri: "https://mcp.acme.example/files", scopes: {"files:read": {}}, default_scopes: [files:read]}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: mail}
spec: {uri: "https://mcp.acme.example/mail", scopes: {"mail:read": {}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.example/wiki", scopes: {"wiki:read": {}}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: old}
spec: {uri: "https://mcp.acme.example/old", disabled: true, scopes: {"old:read": {}}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: everything}
spec:
  role: grant
  modules: {"everything.rego": "package chancery.authz\ndecision := {\"allow\": true, \"scopes\": input.resource.scopes}\n"}
---
` + harness.DefaultPeople

func uri(name string) string {
	if name == "" || strings.Contains(name, ":") || strings.HasPrefix(name, "/") {
		return name
	}
	return "https://mcp.acme.example/" + name
}

// Contract, section 2: which resource a token is for.
func TestResourceSettlement(t *testing.T) {
	const target, grant = "invalid_target", "invalid_grant"
	cases := []struct {
		name, client       string
		claimed, requested []string
		settled            string // or the refusal:
		oauthError, code   string
	}{
		{"absent, none", "claude", nil, nil, "", target, "resource_unsettled"},
		{"absent, none, only one in both", "single", nil, nil, "notes", "", ""},
		{"absent, one", "claude", nil, []string{"notes"}, "notes", "", ""},
		{"absent, the other", "claude", nil, []string{"files"}, "files", "", ""},
		{"absent, outside the IdP's", "claude", nil, []string{"wiki"}, "", target, "resource_not_allowed"},
		{"absent, outside the client's", "claude", nil, []string{"mail"}, "", target, "resource_not_allowed"},
		{"absent, disabled", "claude", nil, []string{"old"}, "", target, "resource_not_allowed"},
		{"absent, unknown", "claude", nil, []string{"none"}, "", target, "resource_not_allowed"},
		{"absent, two", "claude", nil, []string{"notes", "files"}, "", target, "resource_unsettled"},
		{"absent, one with scheme and host in capitals", "claude", nil, []string{"HTTPS://MCP.ACME.example/notes"}, "notes", "", ""},
		{"absent, one with the default port", "claude", nil, []string{"https://mcp.acme.example:443/notes"}, "notes", "", ""},
		{"absent, another port", "claude", nil, []string{"https://mcp.acme.example:8443/notes"}, "", target, "resource_not_allowed"},
		{"absent, a path in capitals", "claude", nil, []string{"https://mcp.acme.example/NOTES"}, "", target, "resource_not_allowed"},
		{"absent, a trailing slash", "claude", nil, []string{"https://mcp.acme.example/notes/"}, "", target, "resource_not_allowed"},
		{"absent, a query", "claude", nil, []string{"https://mcp.acme.example/notes?x=1"}, "", target, "resource_not_allowed"},
		{"absent, a fragment", "claude", nil, []string{"https://mcp.acme.example/notes#x"}, "", target, "resource_not_allowed"},
		{"absent, user information", "claude", nil, []string{"https://x@mcp.acme.example/notes"}, "", target, "resource_not_allowed"},
		{"absent, relative", "claude", nil, []string{"/notes"}, "", target, "resource_not_allowed"},
		{"one, none", "claude", []string{"notes"}, nil, "notes", "", ""},
		{"one, the same", "claude", []string{"notes"}, []string{"notes"}, "notes", "", ""},
		{"one, the same twice", "claude", []string{"notes"}, []string{"notes", "notes"}, "notes", "", ""},
		{"one, another", "claude", []string{"notes"}, []string{"files"}, "", target, "resource_outside_claim"},
		{"one, the same and another", "claude", []string{"notes"}, []string{"notes", "files"}, "", target, "resource_unsettled"},
		{"one unknown", "claude", []string{"none"}, nil, "", grant, "resource_unknown"},
		{"one outside the IdP's", "claude", []string{"wiki"}, nil, "", grant, "resource_unknown"},
		{"one outside the client's", "claude", []string{"mail"}, nil, "", grant, "resource_unknown"},
		{"one disabled", "claude", []string{"old"}, nil, "", grant, "resource_unknown"},
		{"several, none", "claude", []string{"notes", "files"}, nil, "", target, "resource_unsettled"},
		{"several, the first", "claude", []string{"notes", "files"}, []string{"notes"}, "notes", "", ""},
		{"several, the second", "claude", []string{"notes", "files"}, []string{"files"}, "files", "", ""},
		{"several, both", "claude", []string{"notes", "files"}, []string{"notes", "files"}, "", target, "resource_unsettled"},
		{"several, a third", "claude", []string{"notes", "files"}, []string{"mail"}, "", target, "resource_outside_claim"},
		{"several, one unknown", "claude", []string{"notes", "none"}, []string{"notes"}, "", grant, "resource_unknown"},
		{"several, one outside the client's", "claude", []string{"notes", "mail"}, []string{"notes"}, "", grant, "resource_unknown"},
		{"the same one twice, none", "claude", []string{"notes", "notes"}, nil, "notes", "", ""},
	}
	each(t, many, func(t *testing.T, w *harness.World) {
		secrets := map[string]string{"claude": w.Secret, "single": w.NewSecret("", "single")}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				options := []idptest.Option{idptest.WithClientID(c.client), idptest.WithScope("notes:read files:read mail:read wiki:read old:read"), idptest.WithoutClaim("resource")}
				if c.claimed != nil {
					options = append(options, idptest.WithResource(uris(c.claimed)...))
				}
				call := w.NewCall(w.IdP.IDJAG(idptest.Alice, options...)).With("client_id", c.client).With("client_secret", secrets[c.client])
				a := w.Send(w.Server(), call.With("resource", uris(c.requested)...))
				if c.code != "" {
					a.Refused(t, http.StatusBadRequest, c.oauthError, c.code)
					return
				}
				if aud := harness.Decode(t, a.Granted(t).AccessToken).Claims["aud"]; aud != uri(c.settled) || a.Resource != aud {
					t.Errorf("aud %v, resource %q, want %s", aud, a.Resource, uri(c.settled))
				}
			})
		}
	})
}

func uris(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = uri(name)
	}
	return all
}

// Contract, section 2: requested ∩ asserted ∩ client ∩ resource ∩ IdP ceiling, then policy.
func TestScopes(t *testing.T) {
	cases := []struct {
		name, client, asserted, requested string
		granted                           string // or the refusal:
		code                              string
	}{
		{"asserted, none requested", "claude", "notes:read notes:write", "", "notes:read notes:write", ""},
		{"implied is not granted unasked", "claude", "notes:write", "", "notes:write", ""},
		{"implied may be requested", "claude", "notes:write", "notes:read", "notes:read", ""},
		{"implied over two levels", "claude", "notes:admin", "notes:read", "notes:read", ""},
		{"narrowed", "claude", "notes:read notes:write", "notes:read", "notes:read", ""},
		{"asked for more than asserted", "claude", "notes:read", "notes:read notes:write", "notes:read", ""},
		{"asked for something else", "claude", "notes:read", "notes:write", "", "scope_empty"},
		{"above the IdP's ceiling", "claude", "notes:admin", "", "", "scope_empty"},
		{"above the IdP's ceiling, partly", "claude", "notes:admin notes:write", "", "notes:write", ""},
		{"above the client's", "reader", "notes:write", "", "", "scope_empty"},
		{"above the client's, implied requested", "reader", "notes:write", "notes:read", "notes:read", ""},
		{"above the client's, partly", "reader", "notes:read notes:write", "", "notes:read", ""},
		{"of another resource", "claude", "files:read", "", "", "scope_empty"},
		{"of another resource, partly", "claude", "files:read notes:read", "", "notes:read", ""},
		{"unknown", "claude", "something", "", "", "scope_empty"},
		{"in other case", "claude", "Notes:Read", "", "", "scope_empty"},
		{"unknown requested", "claude", "notes:read", "something", "", "scope_empty"},
		{"requested twice", "claude", "notes:read", "notes:read notes:read", "notes:read", ""},
		{"malformed", "claude", "notes:read", `notes:"read"`, "", "scope_malformed"},
	}
	each(t, many, func(t *testing.T, w *harness.World) {
		secrets := map[string]string{"claude": w.Secret, "reader": w.NewSecret("", "reader")}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				call := w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithClientID(c.client), idptest.WithScope(c.asserted)))
				a := w.Send(w.Server(), call.With("client_id", c.client).With("client_secret", secrets[c.client]).With("scope", c.requested))
				if c.code != "" {
					a.Refused(t, http.StatusBadRequest, "invalid_scope", c.code)
					return
				}
				if in := harness.Decode(t, a.Granted(t).AccessToken).Claims["scope"]; a.Scope != c.granted || in != c.granted {
					t.Errorf("scope %q, in the token %v, want %q", a.Scope, in, c.granted)
				}
			})
		}
		t.Run("absent", func(t *testing.T) {
			silent := func() string { return w.IdP.IDJAG(idptest.Alice, idptest.WithoutClaim("scope")) }
			w.Redeem(silent()).Refused(t, http.StatusBadRequest, "invalid_scope", "scope_not_asserted")
			w.Send(w.Server(), w.NewCall(silent()).With("scope", "notes:read")).Refused(t, http.StatusBadRequest, "invalid_scope", "scope_not_asserted")

			idp, _, _ := strings.Cut(many, "---")
			w.Apply(w.Server(), strings.Replace(idp, "profiles:", "absent_scope: default_scopes\n    profiles:", 1))
			if a := w.Redeem(silent()).Granted(t); a.Scope != "notes:read" {
				t.Errorf("scope %q", a.Scope)
			}
			w.Send(w.Server(), w.NewCall(silent()).With("scope", "notes:write")).Refused(t, http.StatusBadRequest, "invalid_scope", "scope_empty")
			w.Redeem(w.IdP.IDJAG(idptest.Alice, idptest.WithScope(""))).Refused(t, http.StatusBadRequest, "invalid_grant", "claim_malformed")
		})
	})
}

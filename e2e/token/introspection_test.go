package token

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const servers = `
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-server}
spec: {auth: {method: client_secret_post}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: wiki-server}
spec: {auth: {method: client_secret_post}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}
spec: {uri: "https://mcp.acme.example/wiki", scopes: {"notes:read": {}}, server: {client: wiki-server}}
---`

// about is a question about a token.
func about(path, client, secret, token string) *harness.Call {
	return &harness.Call{Path: path, Header: http.Header{}, Form: url.Values{"token": {token}, "client_id": {client}, "client_secret": {secret}}}
}

// TestIntrospection: RFC 7662 over the wire: the resource's server learns what the token says, everybody else nothing.
func TestIntrospection(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		w.Apply(w.Server(), servers+strings.Replace(harness.DefaultResource, "  default_scopes", "  server: {client: notes-server}\n  default_scopes", 1))
		secret, foreign := w.NewSecret("", "notes-server"), w.NewSecret("", "wiki-server")
		token := w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken
		said := harness.Decode(t, token).Claims

		a := w.Send(w.Server(), about("/introspect", "notes-server", secret, token))
		var got map[string]any
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Fatal(err)
		}
		if a.Status != http.StatusOK || got["active"] != true || got["token_type"] != "Bearer" || len(got) != len(said)+2 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		for name, value := range said {
			if text, ok := value.(string); ok && got[name] != text {
				t.Errorf("%s is %v, the token says %v", name, got[name], value)
			}
		}
		if a.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
			t.Errorf("headers %v", a.Header)
		}

		// To the byte the same, whatever is wrong.
		cut := token[:len(token)-2] + "AA"
		for name, call := range map[string]*harness.Call{
			"another audience":  about("/introspect", "wiki-server", foreign, token),
			"the client itself": about("/introspect", harness.ClientID, w.Secret, token),
			"another signature": about("/introspect", "notes-server", secret, cut),
			"nonsense":          about("/introspect", "notes-server", secret, "nonsense"),
			"an assertion":      about("/introspect", "notes-server", secret, w.IdP.IDJAG(idptest.Alice)),
		} {
			b := w.Send(w.Server(), call)
			if b.Status != http.StatusOK || b.Body != `{"active":false}` || b.Header.Get("Content-Type") != "application/json" || b.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %q %v", name, b.Status, b.Body, b.Header)
			}
		}
		w.Send(w.Server(), about("/introspect", "notes-server", "wrong", token)).Refused(t, 401, "invalid_client", "client_authentication_failed")
		nobody := about("/introspect", "", "", token)
		nobody.With("client_id").With("client_secret")
		w.Send(w.Server(), nobody).Refused(t, 401, "invalid_client", "client_authentication_required")
		w.Send(w.Server(), about("/introspect", "notes-server", secret, "")).Refused(t, 400, "invalid_request", "parameter_missing")
	})
}

// TestRevocation: RFC 7009 over the wire.
func TestRevocation(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		w.Apply(w.Server(), servers+strings.Replace(harness.DefaultResource, "  default_scopes", "  server: {client: notes-server}\n  default_scopes", 1))
		secret, foreign := w.NewSecret("", "notes-server"), w.NewSecret("", "wiki-server")
		token := w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken
		active := func() bool {
			t.Helper()
			return w.Send(w.Server(), about("/introspect", "notes-server", secret, token)).Body != `{"active":false}`
		}
		for name, call := range map[string]*harness.Call{
			"another client's": about("/revoke", "wiki-server", foreign, token),
			"its server's":     about("/revoke", "notes-server", secret, token),
			"nonsense":         about("/revoke", harness.ClientID, w.Secret, "nonsense"),
		} {
			if a := w.Send(w.Server(), call); a.Status != http.StatusOK || a.Body != "" || !active() {
				t.Errorf("%s: %d %q, active %v", name, a.Status, a.Body, active())
			}
		}
		w.Send(w.Server(), about("/revoke", harness.ClientID, w.Secret, w.IdP.IDJAG(idptest.Alice))).Refused(t, 400, "unsupported_token_type", "token_type_unsupported")
		w.Send(w.Server(), about("/revoke", harness.ClientID, "wrong", token)).Refused(t, 401, "invalid_client", "client_authentication_failed")

		db := w.DB.Open(t)
		for range 2 { // idempotent, and told of once
			if a := w.Send(w.Server(), about("/revoke", harness.ClientID, w.Secret, token).With("token_type_hint", "refresh_token")); a.Status != http.StatusOK || a.Body != "" {
				t.Fatalf("%d %q", a.Status, a.Body)
			}
			if active() {
				t.Fatal("it is active")
			}
		}
		if n := harness.Count(t, db, "select count(*) from audit_events where type = 'token.revoked'"); n != 1 {
			t.Errorf("%d events tell of it", n)
		}
		// The command line tells where it came from and what became of it.
		jti, _ := harness.Decode(t, token).Claims["jti"].(string)
		told := w.Run("get", "token", jti)
		for _, want := range []string{"revoked", "alice (usr_", "claude (cli_", "okta (idp_", "notes (res_", "assertion", "trc_", "dec_", "token " + jti} {
			if told.Status != 0 || !strings.Contains(told.Stdout, want) {
				t.Errorf("%q is missing: %v", want, told)
			}
		}
	})
}

// TestRevokeCommand: the count, a dry run first, by name and by uid.
func TestRevokeCommand(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		for range 3 {
			w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t)
		}
		w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Bob))).Granted(t)
		steps := []struct {
			args   []string
			status int
			says   string
		}{
			{[]string{"revoke", "user", "alice", "--dry-run"}, 2, "3 live tokens would be revoked"},
			{[]string{"revoke", "user", "alice", "--reason", "laptop stolen"}, 0, "3 live tokens revoked"},
			{[]string{"revoke", "user", "alice", "--dry-run"}, 0, "0 live tokens would be revoked"},
			{[]string{"revoke", "idp", "okta", "--output", "json"}, 0, `"tokens": 1`},
			{[]string{"revoke", "client", "claude"}, 0, "0 live tokens revoked"},
			{[]string{"revoke", "client", "nobody"}, 1, "object_unknown"},
			{[]string{"revoke", "token", "tok_nothing"}, 1, "token_unknown"},
			{[]string{"revoke", "policy", "notes"}, 1, "user, client, idp or token is expected"},
			{[]string{"get", "tokens", "--live"}, 0, "JTI"},
			{[]string{"get", "tokens", "--user", "alice", "--output", "json"}, 0, `"by": "user"`},
			{[]string{"get", "clients", "--live"}, 1, "about tokens"},
			{[]string{"audit", "query", "--type", "tokens.revoked", "--output", "json"}, 0, "laptop stolen"},
		}
		for _, s := range steps {
			if o := w.Run(s.args...); o.Status != s.status || !strings.Contains(o.Stdout+o.Stderr, s.says) {
				t.Errorf("chancery %s: %v; want %d and %q", strings.Join(s.args, " "), o, s.status, s.says)
			}
		}
		user, err := w.Server().Admin.Get(t.Context(), "User", "bob")
		if err != nil {
			t.Fatal(err)
		}
		w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Bob))).Granted(t)
		if o := w.Run("revoke", "user", user.Metadata.UID); o.Status != 0 || !strings.Contains(o.Stdout, "bob ("+user.Metadata.UID+"): 1 live token revoked") {
			t.Errorf("%v", o)
		}
	})
}

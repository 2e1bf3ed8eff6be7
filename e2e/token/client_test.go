package token

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// moreClients: one with a key, one that accepts the token endpoint as audience, one with a name that needs escapes, one public.
func moreClients(key, other *harness.Signer) string {
	client := func(name, auth, more string) string {
		return "\napiVersion: chancery/v1\nkind: Client\nmetadata: {name: " + name + `}
spec:
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
  auth: ` + auth + "\n" + more + "---\n"
	}
	idp := strings.Replace(harness.DefaultIdP, "clients: [claude]", "clients: [claude, keyed, legacy, odd]", 1)
	return idp + harness.DefaultClient + harness.DefaultResource + harness.DefaultPeople + harness.DefaultPolicy +
		client("keyed", "{method: private_key_jwt, jwks: "+key.Set()+"}", "") +
		client("legacy", "{method: private_key_jwt, audience: issuer_or_token_endpoint, jwks: "+other.Set()+"}", "") +
		client("odd", "{method: client_secret_basic}", "  client_id: \"odd:name+%\"\n")
}

func TestClientAuthentication(t *testing.T) {
	key, other := harness.NewSigner(t, "client-1"), harness.NewSigner(t, "client-2")
	each(t, moreClients(key, other), func(t *testing.T, w *harness.World) {
		p := w.Server()
		failed := func(t *testing.T, a harness.Answer) {
			t.Helper()
			a.Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
		}
		fresh := func() string { return w.IdP.IDJAG(idptest.Alice) }
		t.Run("secrets", func(t *testing.T) {
			w.Send(p, w.NewCall(fresh())).Granted(t)
			w.Send(p, w.NewCall(fresh()).Basic(harness.ClientID, w.Secret)).Granted(t) // whatever its method says
			w.Send(p, w.NewCall(fresh()).Basic(harness.ClientID, w.Secret).With("client_id", harness.ClientID)).Granted(t)
			failed(t, w.Send(p, w.NewCall(fresh()).Basic(harness.ClientID, w.Secret).With("client_id", "keyed")))
		})
		t.Run("two ways", func(t *testing.T) {
			for name, c := range map[string]*harness.Call{
				"header and body":      w.NewCall(fresh()).Basic(harness.ClientID, w.Secret).With("client_secret", w.Secret),
				"body and assertion":   w.NewCall(fresh()).With("client_assertion_type", assertionType).With("client_assertion", "x"),
				"header and assertion": w.NewCall(fresh()).Basic(harness.ClientID, w.Secret).With("client_assertion_type", assertionType).With("client_assertion", "x"),
			} {
				a := w.Send(p, c)
				if a.Status != http.StatusBadRequest || a.Code() != "two_client_authentications" || a.Error != "invalid_request" {
					t.Errorf("%s: %d %s", name, a.Status, a.Body)
				}
			}
		})
		t.Run("Basic is form-encoded", func(t *testing.T) {
			const id = "odd:name+%"
			secret := w.NewSecret("", "odd")
			odd := func() string { return w.IdP.IDJAG(idptest.Alice, idptest.WithClientID(id)) }
			w.Send(p, w.NewCall(odd()).Basic(id, secret)).Granted(t)
			w.Send(p, w.NewCall(odd()).With("client_id", id).With("client_secret", secret)).Granted(t)
			raw := w.NewCall(odd()).With("client_id").With("client_secret")
			r := http.Request{Header: raw.Header}
			r.SetBasicAuth(id, secret) // not encoded: the colon cuts the name
			failed(t, w.Send(p, raw))
		})
		t.Run("wrong and unknown look the same", func(t *testing.T) {
			calls := map[string]*harness.Call{
				"wrong secret":        w.NewCall(fresh()).With("client_secret", w.Secret+"x"),
				"secret of another":   w.NewCall(fresh()).With("client_id", "odd"),
				"unknown client":      w.NewCall(fresh()).With("client_id", "nobody"),
				"no secret":           w.NewCall(fresh()).With("client_secret"),
				"secret of a key's":   w.NewCall(fresh()).With("client_id", "keyed"),
				"a name in capitals":  w.NewCall(fresh()).With("client_id", "CLAUDE"),
				"a name with a space": w.NewCall(fresh()).With("client_id", "claude "),
			}
			var one string
			for name, c := range calls {
				a := w.Send(p, c)
				failed(t, a)
				body, _, _ := strings.Cut(a.Body, "?trace=")
				if one == "" {
					one = body
				}
				if body != one || a.Header.Get("WWW-Authenticate") != "" {
					t.Errorf("%s: %s %v", name, a.Body, a.Header)
				}
			}
		})
		t.Run("WWW-Authenticate answers Basic only", func(t *testing.T) {
			a := w.Send(p, w.NewCall(fresh()).Basic(harness.ClientID, "wrong"))
			failed(t, a)
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("headers %v", a.Header)
			}
			for _, broken := range []string{"Basic", "Basic !!!", "Basic " + strings.Repeat("A", 9000), "Bearer x", "Digest username=x"} {
				c := w.NewCall(fresh()).With("client_id").With("client_secret")
				c.Header.Set("Authorization", broken)
				if a := w.Send(p, c); a.Status != http.StatusUnauthorized || a.Error != "invalid_client" {
					t.Errorf("%.20s: %d %s", broken, a.Status, a.Body)
				}
			}
		})
		t.Run("none", func(t *testing.T) {
			w.Send(p, w.NewCall(fresh()).With("client_id").With("client_secret")).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_required")
		})
		t.Run("secrets come and go", func(t *testing.T) {
			second := w.NewSecret("", harness.ClientID)
			w.Send(p, w.NewCall(fresh()).With("client_secret", second)).Granted(t)
			w.Send(p, w.NewCall(fresh())).Granted(t)
			if _, err := p.Admin.AddSecret(t.Context(), harness.ClientID); err == nil {
				t.Error("three live secrets")
			}
			live, err := p.Admin.Secrets(t.Context(), harness.ClientID)
			if err != nil || len(live) != 2 {
				t.Fatal(live, err)
			}
			for _, s := range live {
				if err := p.Admin.RevokeSecret(t.Context(), harness.ClientID, s.ID); err != nil {
					t.Fatal(err)
				}
			}
			failed(t, w.Send(p, w.NewCall(fresh())))
			failed(t, w.Send(p, w.NewCall(fresh()).With("client_secret", second)))
		})
	})
}

func TestPrivateKeyJWT(t *testing.T) {
	key, other := harness.NewSigner(t, "client-1"), harness.NewSigner(t, "client-2")
	each(t, moreClients(key, other), func(t *testing.T, w *harness.World) {
		p := w.Server()
		endpoint := w.Issuer + "/token"
		with := func(name, clientAssertion string) harness.Answer {
			c := w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithClientID(name))).With("client_id").With("client_secret")
			return w.Send(p, c.With("client_assertion_type", assertionType).With("client_assertion", clientAssertion))
		}
		with("keyed", key.ClientAssertion("keyed", w.Issuer, nil)).Granted(t)
		with("legacy", other.ClientAssertion("legacy", w.Issuer, nil)).Granted(t)
		with("legacy", other.ClientAssertion("legacy", endpoint, nil)).Granted(t)

		now := time.Now().Unix()
		refused := map[string]string{
			"token endpoint as audience": key.ClientAssertion("keyed", endpoint, nil),
			"audience of a list":         key.ClientAssertion("keyed", "", map[string]any{"aud": []string{w.Issuer}}),
			"audience of two":            key.ClientAssertion("keyed", "", map[string]any{"aud": []string{w.Issuer, endpoint}}),
			"audience with a slash":      key.ClientAssertion("keyed", w.Issuer+"/", nil),
			"audience of another tenant": key.ClientAssertion("keyed", w.Issuer+"/t/acme", nil),
			"no audience":                key.ClientAssertion("keyed", "", map[string]any{"aud": nil}),
			"no jti":                     key.ClientAssertion("keyed", w.Issuer, map[string]any{"jti": nil}),
			"no exp":                     key.ClientAssertion("keyed", w.Issuer, map[string]any{"exp": nil}),
			"expired":                    key.ClientAssertion("keyed", w.Issuer, map[string]any{"exp": now - 120, "iat": now - 180}),
			"for too long":               key.ClientAssertion("keyed", w.Issuer, map[string]any{"exp": now + 86400}),
			"not yet":                    key.ClientAssertion("keyed", w.Issuer, map[string]any{"nbf": now + 300}),
			"another sub":                key.ClientAssertion("keyed", w.Issuer, map[string]any{"sub": "claude"}),
			"another iss":                key.ClientAssertion("keyed", w.Issuer, map[string]any{"iss": "claude"}),
			"key of another client":      other.ClientAssertion("keyed", w.Issuer, nil),
			"a client without a key":     key.ClientAssertion(harness.ClientID, w.Issuer, nil),
			"a client that is not there": key.ClientAssertion("nobody", w.Issuer, nil),
			"an ID-JAG":                  w.IdP.IDJAG(idptest.Alice),
			"typ of an access token":     key.Sign(map[string]any{"typ": "at+jwt", "alg": "ES256", "kid": "client-1"}, map[string]any{"iss": "keyed", "sub": "keyed", "aud": w.Issuer, "jti": "x", "exp": now + 60}),
			"typ of a proof":             key.Sign(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "kid": "client-1"}, map[string]any{"iss": "keyed", "sub": "keyed", "aud": w.Issuer, "jti": "y", "exp": now + 60}),
			"no JWS":                     "x",
			"unsecured":                  "eyJhbGciOiJub25lIn0.e30.",
			"exp is a text":              key.ClientAssertion("keyed", w.Issuer, map[string]any{"exp": "2030-01-01"}),
		}
		for name, clientAssertion := range refused {
			t.Run(name, func(t *testing.T) {
				with("keyed", clientAssertion).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
			})
		}
		t.Run("once", func(t *testing.T) {
			once := key.ClientAssertion("keyed", w.Issuer, nil)
			with("keyed", once).Granted(t)
			with("keyed", once).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed") // client_assertion_replayed in the audit log
		})
		t.Run("used up by a refusal", func(t *testing.T) {
			once := key.ClientAssertion("keyed", w.Issuer, nil)
			c := w.NewCall("nonsense").With("client_id").With("client_secret")
			w.Send(p, c.With("client_assertion_type", assertionType).With("client_assertion", once)).Refused(t, http.StatusBadRequest, "invalid_grant", "assertion_malformed")
			with("keyed", once).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed") // client_assertion_replayed in the audit log
		})
		t.Run("another assertion type", func(t *testing.T) {
			c := w.NewCall(w.IdP.IDJAG(idptest.Alice)).With("client_id").With("client_secret")
			a := w.Send(p, c.With("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer").With("client_assertion", key.ClientAssertion("keyed", w.Issuer, nil)))
			if a.Status != http.StatusUnauthorized || a.Error != "invalid_client" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	})
}

package token

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestDPoP(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		key, other := harness.NewSigner(t, ""), harness.NewSigner(t, "")
		endpoint := w.Issuer + "/token"
		with := func(assertion string, proofs ...string) harness.Answer {
			c := w.NewCall(assertion)
			for _, proof := range proofs {
				c.Header.Add("DPoP", proof)
			}
			return w.Send(w.Server(), c)
		}
		fresh := func(options ...idptest.Option) string { return w.IdP.IDJAG(idptest.Alice, options...) }
		bound := func(t *testing.T, a harness.Answer) {
			t.Helper()
			token := harness.Decode(t, a.Granted(t).AccessToken)
			if a.TokenType != "DPoP" || fmt.Sprint(token.Claims["cnf"]) != fmt.Sprint(map[string]any{"jkt": key.Thumbprint()}) {
				t.Errorf("%s, cnf %v", a.TokenType, token.Claims["cnf"])
			}
		}
		t.Run("binds", func(t *testing.T) { bound(t, with(fresh(), key.Proof(endpoint, nil))) })
		t.Run("as the assertion says", func(t *testing.T) {
			bound(t, with(fresh(idptest.WithJKT(key.Thumbprint())), key.Proof(endpoint, nil)))
		})
		t.Run("another key than the assertion's", func(t *testing.T) {
			with(fresh(idptest.WithJKT(key.Thumbprint())), other.Proof(endpoint, nil)).Refused(t, http.StatusBadRequest, "invalid_grant", "cnf_unproved")
		})
		t.Run("no proof of the assertion's", func(t *testing.T) {
			assertion := fresh(idptest.WithJKT(key.Thumbprint()))
			with(assertion).Refused(t, http.StatusBadRequest, "invalid_grant", "cnf_unproved")
			bound(t, with(assertion, key.Proof(endpoint, nil))) // it is still unused
		})
		t.Run("once", func(t *testing.T) {
			proof := key.Proof(endpoint, nil)
			bound(t, with(fresh(), proof))
			with(fresh(), proof).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_replayed")
		})
		now := time.Now().Unix()
		broken := map[string]string{
			"another method":         key.Proof(endpoint, map[string]any{"htm": "GET"}),
			"method in lower case":   key.Proof(endpoint, map[string]any{"htm": "post"}),
			"another path":           key.Proof(w.Issuer+"/other", nil),
			"another host":           key.Proof("https://evil.example/token", nil),
			"another scheme":         key.Proof(strings.Replace(endpoint, "http:", "https:", 1), nil),
			"another tenant":         key.Proof(w.Issuer+"/t/acme/token", nil),
			"no htu":                 key.Proof(endpoint, map[string]any{"htu": nil}),
			"no htm":                 key.Proof(endpoint, map[string]any{"htm": nil}),
			"no jti":                 key.Proof(endpoint, map[string]any{"jti": nil}),
			"no iat":                 key.Proof(endpoint, map[string]any{"iat": nil}),
			"old":                    key.Proof(endpoint, map[string]any{"iat": now - 300}),
			"from the future":        key.Proof(endpoint, map[string]any{"iat": now + 300}),
			"iat with a fraction":    key.Proof(endpoint, map[string]any{"iat": float64(now) + 0.5}),
			"empty":                  "",
			"no JWS":                 "x",
			"an ID-JAG":              fresh(),
			"key in the header only": key.Sign(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": other.JWK()}, map[string]any{"jti": "a", "htm": "POST", "htu": endpoint, "iat": now}),
			"no key":                 key.Sign(map[string]any{"typ": "dpop+jwt", "alg": "ES256"}, map[string]any{"jti": "b", "htm": "POST", "htu": endpoint, "iat": now}),
			"typ JWT":                key.Sign(map[string]any{"typ": "JWT", "alg": "ES256", "jwk": key.JWK()}, map[string]any{"jti": "c", "htm": "POST", "htu": endpoint, "iat": now}),
		}
		for name, proof := range broken {
			t.Run(name, func(t *testing.T) {
				assertion := fresh()
				with(assertion, proof).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_invalid")
				with(assertion).Granted(t)
			})
		}
		t.Run("two proofs", func(t *testing.T) {
			with(fresh(), key.Proof(endpoint, nil), key.Proof(endpoint, nil)).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_invalid")
		})
		t.Run("htu is compared without query and fragment", func(t *testing.T) {
			bound(t, with(fresh(), key.Proof(endpoint+"?a=b#c", nil)))
		})
		t.Run("required by the client", func(t *testing.T) {
			w.Apply(w.Server(), strings.Replace(harness.DefaultClient, "spec:", "spec:\n  dpop: required", 1))
			with(fresh()).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_required")
			bound(t, with(fresh(), key.Proof(endpoint, nil)))
			w.Apply(w.Server(), harness.DefaultClient)
			with(fresh()).Granted(t)
		})
		t.Run("required by the resource", func(t *testing.T) {
			w.Apply(w.Server(), strings.Replace(harness.DefaultResource, "spec:", "spec:\n  token: {dpop: required}", 1))
			with(fresh()).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_required")
			bound(t, with(fresh(), key.Proof(endpoint, nil)))
		})
	})
}

// reuse: client_bound lets the same client present an assertion again, with the key that the assertion names.
func TestClientBound(t *testing.T) {
	objects := strings.Replace(harness.DefaultObjects, "profiles: [id-jag]", "profiles: [id-jag]\n    reuse: client_bound", 1)
	each(t, objects, func(t *testing.T, w *harness.World) {
		key := harness.NewSigner(t, "")
		assertion := w.IdP.IDJAG(idptest.Alice)
		first, second := w.Redeem(assertion).Granted(t), w.Redeem(assertion).Granted(t)
		if first.AccessToken == second.AccessToken {
			t.Error("one token twice")
		}
		bound := w.IdP.IDJAG(idptest.Alice, idptest.WithJKT(key.Thumbprint()))
		for range 2 {
			c := w.NewCall(bound)
			c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", nil))
			w.Send(w.Server(), c).Granted(t)
		}
	})
}

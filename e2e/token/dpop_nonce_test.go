package token

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/keyring"
)

var nonceRequired = map[string]any{"dpop.nonce": "required"}

// sendProof presents an assertion with a proof; no nonce, no claim.
func sendProof(t *testing.T, w *harness.World, p *harness.Process, key *harness.Signer, assertion, nonce string) harness.Answer {
	t.Helper()
	claims := map[string]any{}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	c := w.NewCall(assertion)
	c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", claims))
	return w.Send(p, c)
}

func challenged(t *testing.T, a harness.Answer) string {
	t.Helper()
	a.Refused(t, http.StatusBadRequest, "use_dpop_nonce", "dpop_nonce_required")
	nonce := a.Header.Get("DPoP-Nonce")
	if nonce == "" || len(a.Header.Values("DPoP-Nonce")) != 1 {
		t.Fatalf("DPoP-Nonce: %q", a.Header.Values("DPoP-Nonce"))
	}
	return nonce
}

// RFC 9449 §8: a proof without a fresh nonce of ours is challenged, and the second attempt gets through.
func TestDPoPNonce(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e, Config: nonceRequired, Objects: harness.DefaultObjects + acme})
		key := harness.NewSigner(t, "")
		fresh := func() string { return w.IdP.IDJAG(idptest.Alice) }

		assertion := fresh()
		nonce := challenged(t, sendProof(t, w, w.Server(), key, assertion, ""))
		a := sendProof(t, w, w.Server(), key, assertion, nonce).Granted(t) // the challenge used nothing up
		if a.TokenType != "DPoP" || a.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("%s, and the next nonce is %q", a.TokenType, a.Header.Get("DPoP-Nonce"))
		}
		sendProof(t, w, w.Server(), key, fresh(), a.Header.Get("DPoP-Nonce")).Granted(t)

		t.Run("one nonce is not one use", func(t *testing.T) {
			c := w.NewCall(fresh())
			c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", map[string]any{"nonce": nonce}))
			w.Send(w.Server(), c).Granted(t)
			w.Send(w.Server(), c.With("assertion", fresh())).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_replayed")
		})
		t.Run("no proof, no nonce", func(t *testing.T) {
			if a := w.Redeem(fresh()).Granted(t); a.TokenType != "Bearer" || a.Header.Get("DPoP-Nonce") != "" {
				t.Errorf("%s with %q", a.TokenType, a.Header.Get("DPoP-Nonce"))
			}
		})
		t.Run("a nonce of no text", func(t *testing.T) {
			c := w.NewCall(fresh())
			c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", map[string]any{"nonce": 1}))
			w.Send(w.Server(), c).Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_proof_invalid")
		})
		for name, nonce := range foreign(t, w) {
			t.Run(name, func(t *testing.T) {
				again := challenged(t, sendProof(t, w, w.Server(), key, fresh(), nonce))
				sendProof(t, w, w.Server(), key, fresh(), again).Granted(t)
			})
		}
		t.Run("a client assertion is not used up by the challenge", func(t *testing.T) {
			mine := harness.NewSigner(t, "k1")
			w.Apply(w.Server(), strings.Replace(harness.DefaultClient, "{method: client_secret_post}", "{method: private_key_jwt, jwks: "+mine.Set()+"}", 1))
			c := w.NewCall(fresh()).With("client_secret").
				With("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer").
				With("client_assertion", mine.ClientAssertion(harness.ClientID, w.Issuer, nil))
			c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", nil))
			nonce := challenged(t, w.Send(w.Server(), c))
			c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", map[string]any{"nonce": nonce}))
			w.Send(w.Server(), c).Granted(t)
			c.Header.Set("DPoP", key.Proof(w.Issuer+"/token", map[string]any{"nonce": nonce}))
			w.Send(w.Server(), c.With("assertion", fresh())).Refused(t, http.StatusUnauthorized, "invalid_client", "client_authentication_failed")
			w.Apply(w.Server(), harness.DefaultClient)
		})
		t.Run("after a restart", func(t *testing.T) {
			w.Server().Stop()
			w.Server().Restart()
			sendProof(t, w, w.Server(), key, fresh(), nonce).Granted(t)
		})
	})
}

// foreign are nonces that are not ours, or not any more.
func foreign(t *testing.T, w *harness.World) map[string]string {
	t.Helper()
	ring, err := keyring.Load(filepath.Join(w.Folder, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	made := func(ring *keyring.Keyring, name string, ago time.Duration) string {
		uid := harness.Strings(t, w.DB.Open(t), "select uid from tenants where name = '"+name+"'")
		if len(uid) != 1 {
			t.Fatalf("%d tenants %s", len(uid), name)
		}
		n, err := dpop.NewNonces(ring, func() time.Time { return time.Now().Add(-ago) })
		if err != nil {
			t.Fatal(err)
		}
		nonce, err := n.Fresh(tenant.MustParseUID(uid[0]))
		if err != nil {
			t.Fatal(err)
		}
		return nonce
	}
	sendProof(t, w, w.Server(), harness.NewSigner(t, ""), w.IdP.IDJAG(idptest.Alice), made(ring, "default", 0)).Granted(t) // what follows differs in one thing
	return map[string]string{
		"forged":                made(other, "default", 0),
		"stale":                 made(ring, "default", dpop.NonceLifetime+2*time.Minute),
		"another tenant's":      made(ring, "acme", 0),
		"from the future":       made(ring, "default", -3*time.Minute),
		"of no form of a nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v",
	}
}

// The replicas make and recognise the same nonces: whoever answers first, the next one takes it.
func TestDPoPNonceOfAnotherReplica(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Config: nonceRequired})
	key := harness.NewSigner(t, "")
	for i := range 4 {
		here, there := w.Replicas[i%2], w.Replicas[(i+1)%2]
		assertion := w.IdP.IDJAG(idptest.Alice)
		nonce := challenged(t, sendProof(t, w, here, key, assertion, ""))
		if a := sendProof(t, w, there, key, assertion, nonce).Granted(t); fmt.Sprint(harness.Decode(t, a.AccessToken).Claims["cnf"]) != fmt.Sprint(map[string]any{"jkt": key.Thumbprint()}) {
			t.Errorf("bound to %v", harness.Decode(t, a.AccessToken).Claims["cnf"])
		}
	}
}

// I2: one proof, two processes, a hundred requests at one moment: one token.
func TestDPoPOnceAcrossReplicas(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2})
	key := harness.NewSigner(t, "")
	const n = 100
	for range 2 {
		proof := key.Proof(w.Issuer+"/token", nil)
		answers := make(chan harness.Answer, n)
		start := make(chan struct{})
		client := harness.Clients(n)
		for i := range n {
			c := w.NewCall(w.IdP.IDJAG(idptest.Alice)) // each with an assertion of its own: the proof alone decides
			c.Header.Set("DPoP", proof)
			go func() {
				<-start
				a, err := harness.TrySend(t.Context(), client, w.Replicas[i%2], c)
				if err != nil {
					t.Error(err)
				}
				answers <- a
			}()
		}
		close(start)
		granted := 0
		for range n {
			a := <-answers
			if a.AccessToken != "" {
				granted++
				continue
			}
			a.Refused(t, http.StatusBadRequest, "invalid_dpop_proof", "dpop_replayed")
		}
		client.CloseIdleConnections()
		if granted != 1 {
			t.Errorf("%d tokens for one proof", granted)
		}
	}
	if issued := harness.Count(t, w.DB.Open(t), "select count(*) from issued_tokens"); issued != 2 {
		t.Errorf("%d tokens are recorded for two proofs", issued)
	}
}

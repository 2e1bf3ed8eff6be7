package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// I6: through a rotation every token verifies with the published keys of every replica; after a key is revoked nobody
// publishes it, and nobody signs with it.
func TestSigningKeyRevoked(t *testing.T) {
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Config: map[string]any{"log.level": "info"}})
	verify := func(compact string) string {
		t.Helper()
		var kid string
		for _, p := range w.Replicas {
			kid, _ = harness.Verify(t, compact, p.Get("/.well-known/jwks.json").Body).Header["kid"].(string)
		}
		return kid
	}
	old := w.Send(w.Replicas[1], w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken
	revoked := verify(old)
	if _, err := w.Server().Admin.RotateKeys(t.Context(), "ES256"); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 5*time.Second, "every replica publishes the next key", func() bool {
		return strings.Count(w.Replicas[0].Get("/.well-known/jwks.json").Body, `"kid"`) == 2 &&
			strings.Count(w.Replicas[1].Get("/.well-known/jwks.json").Body, `"kid"`) == 2
	})
	verify(old)
	verify(w.Send(w.Replicas[1], w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken)

	load := w.StartLoad(t, 16)
	harness.Eventually(t, 10*time.Second, "the load gets tokens", func() bool { return load.Granted() > 100 })
	if _, err := w.Server().Admin.RevokeKey(t.Context(), revoked, "it leaked"); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	time.Sleep(time.Second)
	after := 0
	for _, s := range load.Stop() {
		if s.Answer.AccessToken == "" || !s.Started.After(answered) {
			continue
		}
		after++
		if kid := harness.Decode(t, s.Answer.AccessToken).Header["kid"]; kid == revoked {
			t.Fatalf("replica %d signed with the revoked key %s after the answer", s.Replica, s.Started.Sub(answered))
		}
	}
	if after < 20 {
		t.Errorf("%d tokens after the revocation", after)
	}
	for _, p := range w.Replicas {
		if strings.Contains(p.Get("/.well-known/jwks.json").Body, revoked) {
			t.Errorf("%s publishes the revoked key", p.Base)
		}
	}
	verify(w.Send(w.Replicas[1], w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken)
}

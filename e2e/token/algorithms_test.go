package token

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// signedWith is the default resource whose tokens are signed so.
func signedWith(algorithm string) string {
	return strings.Replace(harness.DefaultResource, "spec:", "spec:\n  token: {algorithm: "+algorithm+"}", 1)
}

func algorithmsOf(t *testing.T, keySet string) []string {
	t.Helper()
	var set struct {
		Keys []struct {
			Algorithm string `json:"alg"`
		}
	}
	if err := json.Unmarshal([]byte(keySet), &set); err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, k := range set.Keys {
		all = append(all, k.Algorithm)
	}
	slices.Sort(all)
	return all
}

// Tokens are signed as their resource says, by a key that was published before; each algorithm has keys of its own, which
// are rotated on their own.
func TestAlgorithms(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		keySet := func() string { return w.Server().Get("/.well-known/jwks.json").Body }
		tokens := map[string]string{}
		for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
			w.Apply(w.Server(), signedWith(algorithm))
			harness.Eventually(t, 5*time.Second, "a key for "+algorithm+" is published before it signs", func() bool {
				return slices.Contains(algorithmsOf(t, keySet()), algorithm)
			})
			before := keySet()
			tokens[algorithm] = w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t).AccessToken
			if got := harness.Verify(t, tokens[algorithm], before).Header["alg"]; got != algorithm {
				t.Errorf("signed with %s, want %s", got, algorithm)
			}
		}
		for algorithm := range tokens {
			if _, err := w.Server().Admin.RotateKeys(t.Context(), algorithm); err != nil {
				t.Fatalf("rotate %s: %v", algorithm, err)
			}
		}
		harness.Eventually(t, 5*time.Second, "each algorithm's successor is published", func() bool {
			return slices.Equal(algorithmsOf(t, keySet()), []string{"ES256", "ES256", "EdDSA", "EdDSA", "RS256", "RS256"})
		})
		for algorithm, compact := range tokens {
			harness.Verify(t, compact, keySet())
			w.Apply(w.Server(), signedWith(algorithm))
			harness.Verify(t, w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t).AccessToken, keySet())
		}
		states := map[string]int{}
		keys, err := w.Server().Admin.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			states[k.Algorithm+" "+k.State]++
		}
		for algorithm := range tokens {
			if states[algorithm+" active"] != 1 || states[algorithm+" prepared"] != 1 {
				t.Errorf("%s: %v, want one active and one prepared", algorithm, states)
			}
		}
		if len(keys) != 6 {
			t.Errorf("%d keys", len(keys))
		}
	})
}

// What the metadata says of proofs is what works: a proof of each algorithm binds a token.
func TestProofAlgorithms(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		var metadata struct {
			Proofs []string `json:"dpop_signing_alg_values_supported"`
		}
		if err := json.Unmarshal([]byte(w.Server().Get("/.well-known/oauth-authorization-server").Body), &metadata); err != nil {
			t.Fatal(err)
		}
		if len(metadata.Proofs) < 3 {
			t.Fatalf("advertised: %v", metadata.Proofs)
		}
		for _, algorithm := range metadata.Proofs {
			t.Run(algorithm, func(t *testing.T) {
				key := harness.NewSignerOf(t, "", algorithm)
				a := sendProof(t, w, w.Server(), key, w.IdP.IDJAG(idptest.Alice), "").Granted(t)
				confirmation, _ := harness.Decode(t, a.AccessToken).Claims["cnf"].(map[string]any)
				if a.TokenType != "DPoP" || len(confirmation) != 1 || confirmation["jkt"] != key.Thumbprint() {
					t.Errorf("%s bound to %v, want %s", a.TokenType, confirmation, key.Thumbprint())
				}
			})
		}
	})
}

// keys.algorithm is for resources that say nothing themselves.
func TestAlgorithmOfTheConfiguration(t *testing.T) {
	for _, algorithm := range []string{"RS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			w := harness.Start(t, harness.Options{Engine: harness.SQLite, Config: map[string]any{"keys.algorithm": algorithm}})
			signed := func() any {
				keySet := w.Server().Get("/.well-known/jwks.json").Body
				return harness.Verify(t, w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t).AccessToken, keySet).Header["alg"]
			}
			if got := signed(); got != algorithm {
				t.Errorf("signed with %s", got)
			}
			w.Apply(w.Server(), signedWith("ES256"))
			if got := signed(); got != "ES256" {
				t.Errorf("the resource says ES256, signed with %s", got)
			}
		})
	}
}

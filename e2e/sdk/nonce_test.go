package sdk

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// The TypeScript SDK's DPoP session against a server that asks for nonces (RFC 9449 §8): one challenge, one more attempt,
// and from then on the nonce that it was given.
func TestTypeScriptDPoPNonce(t *testing.T) {
	resource := protected(t)
	w := harness.Start(t, harness.Options{
		Engine: harness.SQLite, Objects: strings.ReplaceAll(harness.DefaultObjects, harness.Notes, resource.uri), Config: map[string]any{"dpop.nonce": "required"},
	})
	w.IdP.AddAudience(idptest.Audience{Issuer: w.Issuer, Resources: []string{resource.uri}, Scopes: []string{"notes:read", "notes:write"}})
	w.IdP.AddClient(idptest.Client{ID: idpClientID, Secret: idpClientSecret, RedirectURIs: []string{callback}, IDs: map[string]string{w.Issuer: harness.ClientID}})
	resource.trust(w.Issuer)
	for _, algorithm := range []string{"ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			input, err := json.Marshal(crossAppAccess(w, resource.uri, "alice").with(task{"algorithm": algorithm, "times": 3}))
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			command := exec.CommandContext(t.Context(), "node", filepath.Join("typescript", "nonce.mjs"))
			command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &stdout, &stderr
			if err := command.Run(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
			}
			var got struct {
				Token      string   `json:"token"`
				TokenType  string   `json:"token_type"`
				Thumbprint string   `json:"thumbprint"`
				Answers    []string `json:"answers"`
			}
			if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
				t.Fatalf("%v\n%s", err, &stdout)
			}
			confirmation, _ := harness.Decode(t, got.Token).Claims["cnf"].(map[string]any)
			if got.TokenType != "DPoP" || confirmation["jkt"] != got.Thumbprint {
				t.Errorf("%s, bound to %v, the session's key is %s", got.TokenType, confirmation, got.Thumbprint)
			}
			if want := []string{"use_dpop_nonce", "token", "token", "token"}; !slices.Equal(got.Answers, want) {
				t.Errorf("answered %v, want %v", got.Answers, want)
			}
		})
	}
}

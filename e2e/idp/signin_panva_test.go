package idp_test

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// People sign in at panva's oidc-provider, installed by deploy/ci/install-tools.sh.
func TestSignInAtPanva(t *testing.T) {
	for name, pushed := range map[string]bool{"by the browser": false, "pushed": true} {
		t.Run(name, func(t *testing.T) { startPanva(t, pushed).suite(t) })
	}
}

func signingAlgorithms() []string {
	return []string{"RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"}
}

// It leaves at_hash out at the token endpoint, so that who requires it takes nothing.
func TestAlgorithmsAtPanva(t *testing.T) {
	f, rp := startPanva(t, false), newRelyingParty(t)
	for _, algorithm := range signingAlgorithms() {
		e := f.entry()
		e.ClientID, e.Algorithms = "chancery-"+algorithm, []string{algorithm}
		signedIn, err := f.signIn(t, rp, e, newPerson(t), oidc.Ask{})
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		f.isAlice(t, signedIn)
		e.Dialect.RequireAtHash = true
		_, err = f.signIn(t, rp, e, newPerson(t), oidc.Ask{})
		if refusal, ok := errors.AsType[*federation.Refusal](err); !ok || refusal.Code != federation.CodeAtHashMismatch {
			t.Errorf("%s: got %v", algorithm, err)
		}
	}
}

func startPanva(t *testing.T, pushed bool) *foreign {
	t.Helper()
	p := startPeers(t)
	f := &foreign{
		preset: "generic", algorithm: "RS256", scopes: []string{"openid", "profile", "email", "groups"}, alice: "00u1alice",
		logouts: p.logouts, key: p.key, secret: rand.Text(),
	}
	common := map[string]any{
		"redirect_uris": []string{returns}, "post_logout_redirect_uris": []string{returns},
		"grant_types": []string{"authorization_code"}, "response_types": []string{"code"},
	}
	withSecret := map[string]any{
		"client_id": "chancery", "client_secret": f.secret, "token_endpoint_auth_method": "client_secret_basic",
		"backchannel_logout_uri": p.backchannel, "backchannel_logout_session_required": true,
	}
	withKey := map[string]any{
		"client_id": "chancery-key", "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
		"jwks": map[string]any{"keys": []any{p.key.JWK()}},
	}
	maps.Copy(withSecret, common)
	maps.Copy(withKey, common)
	alice := map[string]any{
		"sub": f.alice, "name": "Alice Example", "email": "alice@acme.com", "email_verified": true, "groups": []string{idptest.GroupEditors},
	}
	clients := []any{withSecret, withKey}
	for _, algorithm := range signingAlgorithms() {
		client := map[string]any{"client_id": "chancery-" + algorithm, "client_secret": f.secret, "id_token_signed_response_alg": algorithm}
		maps.Copy(client, common)
		clients = append(clients, client)
	}
	setup, err := json.Marshal(map[string]any{"clients": clients, "people": map[string]any{f.alice: alice}})
	if err != nil {
		t.Fatal(err)
	}
	f.issuer = runPanva(t, "CHANCERY_IDP="+string(setup), "CHANCERY_IDP_PUSHED="+map[bool]string{true: "yes", false: "no"}[pushed])
	f.answer = func(p *person, at page) page {
		return p.submit(at, returns, url.Values{"login": {f.alice}, "password": {"x"}}) // then a page of consent, which needs no more
	}
	f.confirm = func(p *person, at page) { p.submit(at, returns, url.Values{"logout": {"yes"}}) }
	return f
}

// runPanva runs one until the test ends, and returns its issuer.
func runPanva(t *testing.T, environment ...string) string {
	t.Helper()
	provider := exec.CommandContext(t.Context(), "node", filepath.Join("panva", "provider.mjs"))
	provider.Env = append(provider.Environ(), environment...)
	var complaints strings.Builder
	provider.Stderr = &complaints
	stdin, err := provider.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := provider.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := provider.Start(); err != nil {
		t.Fatalf("node: %v (deploy/ci/install-tools.sh panva)", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // it ends with its standard input
		_ = provider.Wait()
		if t.Failed() {
			t.Log(complaints.String())
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if issuer := lines.Text(); strings.HasPrefix(issuer, "http://127.0.0.1:") {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return issuer
		}
	}
	t.Fatalf("oidc-provider did not start: %s", complaints.String())
	return ""
}

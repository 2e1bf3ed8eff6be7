package grant_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// Where nobody connects, what is lent is the company's own account's.
func TestVendWithoutAConnection(t *testing.T) {
	l := newLenderOf(t, "client-credentials")
	response := l.lent(t, l.exchange(t))
	if !response.Vended.Narrowed || response.Vended.Account != "" || len(l.links) != 0 {
		t.Errorf("lent %+v", response.Vended)
	}
	if d := l.journal.last(t).Event.Detail; d["connection"] != "" || d["provider"] != "tracker" {
		t.Errorf("told of %v", d)
	}
}

// The token of the company's own account is obtained once for who is lent it again, and not for anything else.
func TestVendOfTheSameAgain(t *testing.T) {
	l := newLenderOf(t, "client-credentials")
	first := l.lent(t, l.exchange(t))
	asked := len(l.server.Seen())
	if again := l.lent(t, l.exchange(t)); again.AccessToken != first.AccessToken || len(l.server.Seen()) != asked {
		t.Errorf("the provider was asked %d times more", len(l.server.Seen())-asked)
	}
	if other := l.lent(t, l.exchange(t).with("scope", "issues:write")); other.AccessToken == first.AccessToken {
		t.Error("the token of other scopes was lent")
	}
}

func TestVendOfScopesThatTheProviderRefuses(t *testing.T) {
	l := newLenderOf(t, "client-credentials")
	l.server.Break("client", providertest.Fault{Kind: "status", Status: 400, Body: map[string]any{"error": "invalid_scope"}})
	if wire := l.notLent(t, l.exchange(t), oauth.CodeProviderScopeRefused).Wire(issuer, ""); wire.Error != "invalid_scope" {
		t.Errorf("answered %s", wire.Error)
	}
}

// Nobody could connect again where nobody connects.
func TestVendOfARegistrationThatEnded(t *testing.T) {
	l := newLenderOf(t, "client-credentials")
	l.server.Set(func(s *providertest.Switches) { s.WrongSecret = true })
	l.notLent(t, l.exchange(t), oauth.CodeProviderMisconfigured)
	if len(l.links) != 0 {
		t.Error("a person was sent away")
	}
}

// T45: a company's own authorization server is shown a token that was made for it, and names the person.
func TestVendPresentsATokenOfItsOwn(t *testing.T) {
	l := newLenderOf(t, "token-exchange")
	a := l.exchange(t)
	l.server.Break("exchange", providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"access_token": "lent-1", "token_type": "Bearer", "expires_in": 600}})
	response, err := l.send(t, a)
	if err != nil || response.AccessToken != "lent-1" {
		t.Fatalf("lent %v, %v", response, err)
	}
	shown := ""
	for _, seen := range l.server.Seen() {
		text, err := json.Marshal(seen)
		must(t, err)
		l.hides(t, string(text), a.form.Get("subject_token"))
		if one := seen.Form.Get("subject_token"); one != "" {
			shown = one
		}
	}
	claims := claimsOf(t, shown)
	if claims["iss"] != issuer || claims["aud"] != "https://as.example.com/token" || claims["sub"] != l.alice(t).UID || claims["client_id"] != "agent" ||
		claims["email"] != "alice@acme.com" {
		t.Errorf("presented %v", claims)
	}
	// It is no access token here.
	l.notLent(t, l.exchange(t).with("subject_token", shown), oauth.CodeSubjectTokenInvalid)
}

func claimsOf(t *testing.T, compact string) map[string]any {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	var claims map[string]any
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	must(t, json.Unmarshal(text, &claims))
	return claims
}

// TestVendPresentsNothingOfOurs: a Provider cannot have our key say what we ourselves, or a resource, would take for a token of
// theirs.
func TestVendPresentsNothingOfOurs(t *testing.T) {
	for name, audience := range map[string]string{
		"a resource": "https://mcp.acme.com/notes", "a resource that is disabled": "https://mcp.acme.com/old", "we": issuer, "our endpoint": issuer + "/token",
		"a resource, written otherwise": "https://MCP.acme.com:443/notes",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLenderOf(t, "token-exchange", change{"token_url: https://as.example.com/token", "token_url: https://as.example.com/token, issuer: '" + audience + "'"})
			l.notLent(t, l.exchange(t), oauth.CodeProviderMisconfigured)
			if seen := l.server.Seen(); len(seen) > 0 {
				t.Errorf("asked %+v", seen)
			}
		})
	}
	l := newLenderOf(t, "token-exchange", change{"token_url: https://as.example.com/token", "token_url: https://as.example.com/token, issuer: 'https://as.example.com'"})
	l.server.Break("exchange", providertest.Fault{Kind: "status", Status: 200, Body: map[string]any{"access_token": "lent-1", "token_type": "Bearer", "expires_in": 600}})
	if _, err := l.send(t, l.exchange(t)); err != nil {
		t.Fatal(err)
	}
	for _, seen := range l.server.Seen() {
		if shown := seen.Form.Get("subject_token"); shown != "" && claimsOf(t, shown)["aud"] != "https://as.example.com" {
			t.Errorf("addressed to %v", claimsOf(t, shown)["aud"])
		}
	}
}

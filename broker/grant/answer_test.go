package grant_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// changeTenant changes the tenant's object, on another replica.
func (w *world) changeTenant(t *testing.T, from, to string) {
	t.Helper()
	stored, err := w.store.Tenant(t.Context(), "default")
	must(t, err)
	stored.Spec = []byte(strings.Replace(string(stored.Spec), from, to, 1))
	stored.Revision++
	_, err = w.store.Apply(t.Context(), object.Write{Tenant: stored.Tenant, Changes: []object.Change{{Stored: stored, Narrows: true}}})
	must(t, err)
	w.store.Newer++
}

// TestErrorProfiles: what is valid, but not entitled, is invalid_grant under ema-04 and access_denied under idjag-06; what
// is not valid is invalid_grant under both (specs 1.10).
func TestErrorProfiles(t *testing.T) {
	later := change{"clients: [agent], resources", "error_profile: idjag-06, clients: [agent], resources"}
	for name, c := range map[string]struct {
		changes     []change
		options     []idptest.Option
		again       bool // send it twice
		entitlement bool
	}{
		"denied":             {changes: []change{policyOf(`{"allow": false}`)}, entitlement: true},
		"policy time":        {changes: []change{policyOf(`{"allow": 1}`)}, entitlement: true},
		"no such user":       {options: []idptest.Option{idptest.WithClaim("sub", "x")}, entitlement: true},
		"disabled user":      {changes: []change{{"status: active", "status: disabled"}}, entitlement: true},
		"not in clients":     {changes: []change{{"clients: [agent]", "clients: [other]"}}, entitlement: true},
		"overage":            {options: []idptest.Option{idptest.WithClaim("hasgroups", true)}, entitlement: true},
		"audience":           {options: []idptest.Option{idptest.WithAudience("https://x.example")}},
		"claimed resource":   {options: []idptest.Option{idptest.WithResource("https://x.example/")}},
		"cnf":                {options: []idptest.Option{idptest.WithJKT("x")}},
		"signature":          {options: []idptest.Option{idptest.WithHeader("kid", "other")}},
		"replay":             {again: true},
		"expired":            {options: []idptest.Option{idptest.WithClaim("exp", now.Unix()-100), idptest.WithClaim("iat", now.Unix()-200)}},
		"two audiences":      {options: []idptest.Option{idptest.WithClaim("aud", []string{issuer, "https://x.example"})}},
		"an unlisted tenant": {options: []idptest.Option{idptest.WithClaim("tenant", "x")}},
	} {
		for _, profile := range []string{"ema-04", "idjag-06"} {
			t.Run(name+" "+profile, func(t *testing.T) {
				changes := c.changes
				if profile == "idjag-06" {
					changes = append([]change{later}, changes...)
					if name == "not in clients" {
						changes = []change{{"clients: [agent], resources", "error_profile: idjag-06, clients: [other], resources"}}
					}
				}
				w := newWorld(t, changes...)
				a := w.ask(t, c.options...)
				if c.again {
					w.granted(t, a)
				}
				_, err := w.send(t, a)
				want := "invalid_grant"
				if c.entitlement && profile == "idjag-06" {
					want = "access_denied"
				}
				if got := oauth.AsError(err).Wire(issuer, "trc_1"); err == nil || got.Error != want || got.Status != 400 {
					t.Errorf("answered %d %s (%v), want %s", got.Status, got.Error, err, want)
				}
			})
		}
	}
}

// TestLifetime: the least of resource and policy, in whole seconds.
func TestLifetime(t *testing.T) {
	for name, c := range map[string]struct {
		resource, policy string
		want             time.Duration
	}{
		"default":         {"", "", 10 * time.Minute},
		"resource":        {"2m", "", 2 * time.Minute},
		"policy":          {"2m", "60", time.Minute},
		"policy has more": {"2m", "600", 2 * time.Minute},
		"policy, one":     {"", "1", time.Second},
		"not whole":       {"90500ms", "", 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []change
			if c.resource != "" {
				changes = append(changes, change{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {lifetime: " + c.resource + "}\n"})
			}
			if c.policy != "" {
				changes = append(changes, policyOf(`{"allow": true, "scopes": ["notes:read"], "lifetime": `+c.policy+`}`))
			}
			w := newWorld(t, changes...)
			response, minted := w.granted(t, w.ask(t))
			if life := minted.Claims().ExpiresAt.Sub(minted.Claims().IssuedAt); response.ExpiresIn != c.want || life != c.want {
				t.Errorf("lives %s, says %s, want %s", life, response.ExpiresIn, c.want)
			}
		})
	}
	w := newWorld(t, policyOf(`{"allow": true, "scopes": ["notes:read"], "lifetime": 0}`))
	w.refused(t, w.ask(t), oauth.CodePolicyResultInvalid)
}

// TestTokenOfTheResource: its algorithm, and what policy adds, under one name.
func TestTokenOfTheResource(t *testing.T) {
	for _, algorithm := range []string{keys.ES256, "RS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			w := newWorld(t, change{"  default_scopes: [\"notes:read\"]\n", "  default_scopes: [\"notes:read\"]\n  token: {algorithm: " + algorithm + "}\n"},
				policyOf(`{"allow": true, "scopes": ["notes:read"], "claims": {"team": "notes", "sub": "mallory"}}`))
			_, minted := w.granted(t, w.ask(t))
			if added, _ := minted.Value(issuer + "/claims"); fmt.Sprint(added) != "map[sub:mallory team:notes]" || minted.Claims().Subject == "mallory" {
				t.Errorf("claims %v, sub %s", added, minted.Claims().Subject)
			}
		})
	}
}

// TestMetadataDocumentHost: an IdP's entry may name a client by the host of its metadata document, and by no other part of it.
func TestMetadataDocumentHost(t *testing.T) {
	const document = "https://Agent.example/client.json"
	for name, c := range map[string]struct {
		listed string
		ok     bool
	}{
		"host":          {"agent.example", true},
		"name":          {"agent", true},
		"another host":  {"other.example", false},
		"parent domain": {"example.com", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change{"clients: [agent]", "clients: [" + c.listed + "]"}, change{"spec:\n  auth:", "spec:\n  client_id: " + document + "\n  auth:"})
			a := w.ask(t, idptest.WithClientID(document)).with("client_id", document)
			if c.ok {
				w.granted(t, a)
			} else {
				w.refused(t, a, oauth.CodeIssuerClientNotAllowed)
			}
		})
	}
}

// TestNothingSecretIsRecorded: neither the assertion, the secret, the proof nor the token is in what is committed.
func TestNothingSecretIsRecorded(t *testing.T) {
	w, h := newWorld(t, policyOf(`{"allow": true, "scopes": ["notes:read"], "step_up": {"max_age": 60}}`)), newHolder(t)
	canaries := map[string]string{"secret": secretText}
	send := func(id string, options ...idptest.Option) {
		a := w.ask(t, options...)
		a.proofs = []string{h.proof(t, w.now, func(c map[string]any) { c["jti"] = id })}
		response, _ := w.send(t, a)
		canaries["assertion "+id] = a.form.Get("assertion")
		canaries["proof "+id] = a.proofs[0]
		if response.AccessToken != "" {
			canaries["token "+id] = response.AccessToken
		}
	}
	send("challenged")
	send("granted", idptest.WithClaim("auth_time", now.Unix()))
	send("refused", idptest.WithAudience("https://x.example"))
	send("untrusted", idptest.WithHeader("kid", "other"))
	w.refused(t, w.ask(t).with("client_secret", secretText+"-wrong"), oauth.CodeClientAuthenticationFailed)
	canaries["wrong secret"] = secretText + "-wrong"
	for _, e := range w.journal.entries {
		var decision []byte
		if e.Decision != nil {
			decision = append(append([]byte{}, e.Decision.Input...), e.Decision.Result...)
		}
		whole, err := json.Marshal([]any{e.Event, e.Token})
		must(t, err)
		lane, err := json.Marshal(w.lane.events)
		must(t, err)
		for name, canary := range canaries {
			signature := canary[strings.LastIndexByte(canary, '.')+1:]
			if text := string(whole) + string(decision) + string(lane); strings.Contains(text, canary) || strings.Contains(text, signature) {
				t.Errorf("the %s is in the record", name)
			}
		}
	}
	if len(canaries) != 11 {
		t.Fatalf("%d canaries", len(canaries))
	}
	if text := fmt.Sprintf("%v %+v %#v", secretForm(t, w), secretForm(t, w), secretForm(t, w)); strings.Contains(text, secretText) {
		t.Errorf("a form prints %s", text)
	}
}

func secretForm(t *testing.T, w *world) oauth.Form {
	t.Helper()
	form, err := oauth.ParseForm([]byte(w.ask(t).form.Encode()))
	must(t, err)
	return form
}

package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := grant.New(grant.Config{}); err == nil {
		t.Fatal("a grant without parts")
	}
}

// TestGranted holds every fact of one grant.
func TestGranted(t *testing.T) {
	w := newWorld(t)
	response, minted := w.granted(t, w.ask(t, idptest.WithClaim("jti", "jag-1"), idptest.WithClaim("acr", "phr"), idptest.WithClaim("auth_time", now.Unix()-60)))
	if response.TokenType != "Bearer" || response.ExpiresIn.Seconds() != 600 || response.Scope != "notes:read notes:write" || response.Resource != notesURI {
		t.Errorf("response %+v", response)
	}
	c := minted.Claims()
	if c.Issuer != issuer || c.ClientID != "agent" || c.Scope != response.Scope || c.Tenant != "default" || c.Plan != "pro" || c.ACR != "phr" || c.Thumbprint != "" {
		t.Errorf("claims %+v", c)
	}
	if c.IssuedAt.Unix() != now.Unix() || c.ExpiresAt.Sub(c.IssuedAt).Seconds() != 600 || c.AuthTime.Unix() != now.Unix()-60 {
		t.Errorf("times %v %v %v", c.IssuedAt, c.ExpiresAt, c.AuthTime)
	}
	for _, absent := range []string{"groups", "email", "amr", "act", "cnf", "environment", issuer + "/claims"} {
		if v, there := minted.Value(absent); there {
			t.Errorf("%s is %v", absent, v)
		}
	}
	e := w.journal.last(t)
	token, event, decision := e.Token, e.Event, e.Decision
	if token.ID != c.ID || token.Subject != c.Subject || token.KeyID != minted.KeyID() || token.Audience != notesURI || token.DecisionID != decision.ID ||
		token.Scope != c.Scope || token.Trace != "trc_1" || token.ClientUID == "" || token.IdPUID == "" || token.ResourceID == "" || !token.ExpiresAt.Equal(c.ExpiresAt) {
		t.Errorf("remembered token %+v", token)
	}
	if event.Type != audit.TypeTokenIssued || event.Outcome != audit.Allowed || event.Code != "" || event.TokenID != c.ID || event.AssertionID != "jag-1" ||
		event.AssertionBy != idpIssuer || event.IdP != "acme" || event.Resource != "notes" || event.Client != "agent" || event.OnBehalf != c.Subject ||
		event.Principal.Kind != "client" || event.Decision != decision.ID || event.InputHash == "" || event.Remote != "192.0.2.1" || len(event.Policies) != 1 {
		t.Errorf("event %+v", event)
	}
	if !decision.Allow || decision.Action != "issue" || decision.Trace != "trc_1" {
		t.Errorf("decision %+v", decision)
	}
	if len(e.Pictures) != 1 || e.Pictures[0].Version != 1 || e.Pictures[0].Tenant != e.Tenant {
		t.Errorf("pictures %+v", e.Pictures)
	}
	if got := w.seen.granted; len(got) != 1 || got[0] != oauth.GrantTypeJWTBearer+"|acme|" {
		t.Errorf("counted %v", got)
	}
}

// TestTurnedAway: who is not known goes into the bounded lane, and uses nothing up.
func TestTurnedAway(t *testing.T) {
	w := newWorld(t, change{"kind: Tenant\nmetadata: {name: default}\nspec: {plan: enterprise}", "kind: Tenant\nmetadata: {name: default}\nspec: {plan: enterprise, public_client_assertions: cnf}"},
		change{"---\napiVersion: chancery/v1\nkind: Resource\nmetadata: {name: wiki}", `---
apiVersion: chancery/v1
kind: Client
metadata: {name: gone}
spec: {disabled: true, auth: {method: client_secret_post, secret: {env: AGENT_SECRET}}, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: wiki}`})
	for name, c := range map[string]struct {
		change func(a ask) ask
		code   oauth.Code
	}{
		"no grant type":         {func(a ask) ask { return a.with("grant_type") }, oauth.CodeParameterMissing},
		"another grant type":    {func(a ask) ask { return a.with("grant_type", "password") }, oauth.CodeGrantTypeUnsupported},
		"grant type in capital": {func(a ask) ask { return a.with("grant_type", "URN:IETF:params:oauth:grant-type:jwt-bearer") }, oauth.CodeGrantTypeUnsupported},
		"no client":             {func(a ask) ask { return a.with("client_id").with("client_secret") }, oauth.CodeClientAuthenticationRequired},
		"no secret":             {func(a ask) ask { return a.with("client_secret") }, oauth.CodeClientAuthenticationFailed},
		"wrong secret":          {func(a ask) ask { return a.with("client_secret", secretText+"x") }, oauth.CodeClientAuthenticationFailed},
		"unknown client":        {func(a ask) ask { return a.with("client_id", "nobody") }, oauth.CodeClientAuthenticationFailed},
		"disabled client":       {func(a ask) ask { return a.with("client_id", "gone") }, oauth.CodeClientAuthenticationFailed},
		"two methods":           {func(a ask) ask { return a.with("client_assertion", "x") }, oauth.CodeTwoClientAuthentications},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.journal.entries)
			refusal := w.refused(t, c.change(w.ask(t)), c.code)
			event := w.lane.last(t)
			if len(w.journal.entries) != before || event.Type != audit.TypeRequestRefused || event.Code != string(c.code) || event.Principal.Kind != "anonymous" {
				t.Errorf("event %+v", event)
			}
			// Unknown, disabled and wrong are one answer.
			wire := refusal.wire
			if c.code == oauth.CodeClientAuthenticationFailed && (wire.Status != 401 || wire.Error != "invalid_client" || len(wire.Members) != 0) {
				t.Errorf("wire %+v", wire)
			}
		})
	}
	w.TurnAway(grant.Request{Tenant: must1(w.source.Get(t.Context(), "default")), Trace: "trc_9", Remote: "192.0.2.7"}, oauth.Refuse(oauth.CodeBodyTooLarge, "more", "less"))
	if event := w.lane.last(t); event.Code != string(oauth.CodeBodyTooLarge) || w.lane.sources[len(w.lane.sources)-1] != "192.0.2.7" || event.Detail["received"] != "more" {
		t.Errorf("event %+v", event)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRefusedAndRecorded: a known client's refusal is committed with what came in and what was expected, uses up what proves
// the caller, and leaves the assertion unused.
func TestRefusedAndRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		changes  []change
		options  []idptest.Option
		form     map[string]string
		code     oauth.Code
		decided  bool
		received string
	}{
		"no assertion":         {form: map[string]string{"assertion": ""}, code: oauth.CodeParameterMissing, received: "no assertion"},
		"another audience":     {options: []idptest.Option{idptest.WithAudience("https://auth.evil.com")}, code: oauth.CodeAudNotUs, received: "https://auth.evil.com"},
		"the resource as aud":  {options: []idptest.Option{idptest.WithAudience(notesURI)}, code: oauth.CodeAudIsResource, received: notesURI},
		"another client":       {options: []idptest.Option{idptest.WithClientID("other")}, code: oauth.CodeClientIDMismatch, received: "other"},
		"nobody":               {options: []idptest.Option{idptest.WithClaim("sub", "00u9nobody")}, code: oauth.CodeSubjectUnmatched},
		"not in clients":       {changes: []change{{"clients: [agent]", "clients: [other]"}}, code: oauth.CodeIssuerClientNotAllowed, received: "agent"},
		"clients absent":       {changes: []change{{"clients: [agent], ", ""}}, code: oauth.CodeIssuerClientNotAllowed},
		"disabled IdP":         {changes: []change{{"  preset: generic\n", "  preset: generic\n  disabled: true\n"}}, code: oauth.CodeIssDisabled},
		"disabled user":        {changes: []change{{"status: active", "status: disabled"}}, code: oauth.CodeSubjectDisabled},
		"grant not allowed":    {changes: []change{{`"urn:ietf:params:oauth:grant-type:jwt-bearer"`, `authorization_code`}}, code: oauth.CodeClientGrantNotAllowed},
		"authorization detail": {options: []idptest.Option{idptest.WithClaim("authorization_details", []any{map[string]any{"type": "x"}})}, code: oauth.CodeAuthorizationDetailsUnsupported},
		"denied":               {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:read"], "deny": ["not today"]}`)}, code: oauth.CodePolicyDenied, decided: true, received: "not today"},
		"undefined":            {changes: []change{policyOf(`{"allow": true} if input.nothing`)}, code: oauth.CodePolicyUndefined, decided: true},
		"allow is text":        {changes: []change{policyOf(`{"allow": "true"}`)}, code: oauth.CodePolicyResultInvalid, decided: true},
		"approval":             {changes: []change{policyOf(`{"allow": true, "scopes": ["notes:read"], "approval": {"group": "security"}}`)}, code: oauth.CodePolicyDenied, decided: true},
		"policy grants none":   {changes: []change{policyOf(`{"allow": true}`)}, code: oauth.CodeScopeEmpty, decided: true},
		"no policy":            {changes: []change{{"  role: grant\n", "  role: grant\n  applies_to: {resources: [wiki]}\n"}}, code: oauth.CodePolicyNone, decided: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.changes...)
			h := newHolder(t)
			a := w.ask(t, c.options...)
			a.proofs = []string{h.proof(t, w.now, nil)}
			for k, v := range c.form {
				a = a.with(k, v)
			}
			w.refused(t, a, c.code)
			e := w.journal.last(t)
			if len(w.journal.entries) != 1 || len(w.lane.events) != 0 {
				t.Fatalf("%d entries, %d in the lane", len(w.journal.entries), len(w.lane.events))
			}
			if e.Token != nil || e.Event.Type != audit.TypeTokenRefused || e.Event.Outcome != audit.Refused || e.Event.Code != string(c.code) {
				t.Errorf("event %+v", e.Event)
			}
			if got := spaces(e); len(got) != 1 || got[0] != ledger.SpaceProof || !e.Redemptions[0].Always {
				t.Errorf("used up %v, want the proof alone", got)
			}
			if (e.Decision != nil) != c.decided {
				t.Errorf("decision %+v", e.Decision)
			}
			if c.received != "" && e.Event.Detail["received"] != c.received {
				t.Errorf("received %q, want %q", e.Event.Detail["received"], c.received)
			}
			if n := len(e.Event.Checks); n == 0 || e.Event.Checks[n-1].OK {
				t.Errorf("the last check is not the one that failed: %+v", e.Event.Checks)
			}
		})
	}
}

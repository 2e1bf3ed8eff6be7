package introspect

import (
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation/jws"
)

// own is a question of the client that has the token.
func own(change func(*setup)) func(*setup) {
	return func(s *setup) {
		s.basic = "claude"
		if change != nil {
			change(s)
		}
	}
}

func TestRevoke(t *testing.T) {
	for name, hint := range map[string]string{"right hint": "access_token", "wrong hint": "refresh_token", "no known hint": "x", "no hint": ""} {
		h := newHouse(t, own(func(s *setup) { s.form.Set("token_type_hint", hint) }))
		if err := h.Revoke(t.Context(), h.request); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key, _ := ledger.RevocationKey(h.claims.ID)
		if len(h.entries) != 1 || len(h.entries[0].Redemptions) != 1 {
			t.Fatalf("%s: recorded %+v", name, h.entries)
		}
		e := h.entries[0]
		if r := e.Redemptions[0]; r.Space != ledger.SpaceRevokedToken || r.Key != key || !r.ExpiresAt.Equal(h.claims.ExpiresAt) || r.Tenant != h.request.Tenant.UID {
			t.Errorf("%s: %+v", name, r)
		}
		if e.Event.Type != audit.TypeTokenRevoked || e.Event.TokenID != h.claims.ID || e.Event.Principal.Name != "claude" || e.Event.OnBehalf != h.uids["alice"] ||
			e.Event.Resource != "notes" || len(e.Pictures) == 0 {
			t.Errorf("%s: %+v", name, e.Event)
		}
		// A second time, before anybody knows of the first, and when it is known.
		if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 {
			t.Errorf("%s: again: %v, %d entries", name, err, len(h.entries))
		}
		h.known.Revoked = true
		if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 {
			t.Errorf("%s: and again: %v, %d entries", name, err, len(h.entries))
		}
	}
}

// TestNothingToRevoke: done, and nothing happens.
func TestNothingToRevoke(t *testing.T) {
	for name, change := range map[string]func(*setup){
		"nonsense": own(func(s *setup) { s.form.Set("token", "nonsense") }),
		"expired": own(func(s *setup) {
			s.claims = func(c *token.Claims) { c.IssuedAt, c.ExpiresAt = now.Add(-10*time.Minute), now.Add(-lifecycle.Apart) }
		}),
		"never recorded":    own(func(s *setup) { s.forget = true }),
		"revoked":           own(func(s *setup) { s.record = func(k *lifecycle.Known) { k.Revoked = true } }),
		"another client's":  func(s *setup) { s.basic = "other" },
		"its server's":      func(s *setup) { s.basic = "notes-server" },
		"of one before":     own(func(s *setup) { s.record = func(k *lifecycle.Known) { k.ClientUID = "cli_before" } }),
		"of another name":   own(func(s *setup) { s.claims = func(c *token.Claims) { c.ClientID = "other" } }),
		"a public client's": func(s *setup) { s.basic = ""; s.form.Set("client_id", "public") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, change)
			if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries)+len(h.lane) != 0 {
				t.Errorf("%v, recorded %v %v", err, h.entries, h.lane)
			}
		})
	}
}

// What a disabled resource or a disabled user has can still be ended.
// A replica whose clock is behind ours still calls it active: its end is recorded. Here it is over.
func TestRevokeOfWhatExpiresElsewhereLater(t *testing.T) {
	expired := func(s *setup) { s.claims = func(c *token.Claims) { c.ExpiresAt = now } }
	h := newHouse(t, own(expired))
	if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 || len(h.entries[0].Redemptions) != 1 {
		t.Errorf("%v, recorded %+v", err, h.entries)
	}
	h = newHouse(t, expired)
	if body, err := h.Introspect(t.Context(), h.request); err != nil || string(body) != Inactive {
		t.Errorf("%s, %v", body, err)
	}
}

func TestRevokeOfWhatIsDisabled(t *testing.T) {
	h := newHouse(t, own(func(s *setup) { s.objects = strings.Replace(s.objects, "status: active", "status: disabled", 1) }))
	if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 {
		t.Errorf("%v, %d entries", err, len(h.entries))
	}
}

func TestPublicClientRevokesItsOwn(t *testing.T) {
	h := newHouse(t, func(s *setup) {
		s.basic = ""
		s.form.Set("client_id", "public")
		s.claims = func(c *token.Claims) { c.ClientID = "public" }
	})
	h.known.ClientUID = h.uids["public"]
	if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 {
		t.Errorf("%v, %d entries", err, len(h.entries))
	}
}

func TestRevocationIsRefused(t *testing.T) {
	idjag, err := jws.Sign("ES256", "k", "oauth-id-jag+jwt", serverKey, map[string]any{"iss": "x"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*setup)
		code   oauth.Code
	}{
		"nobody":        {func(s *setup) { s.basic = "" }, oauth.CodeClientAuthenticationRequired},
		"wrong client":  {func(s *setup) { s.basic = "nobody" }, oauth.CodeClientAuthenticationFailed},
		"about nothing": {own(func(s *setup) { s.form["token"] = []string{""} }), oauth.CodeParameterMissing},
		"an assertion":  {own(func(s *setup) { s.form.Set("token", idjag) }), oauth.CodeTokenTypeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.change)
			refused(t, h.Revoke(t.Context(), h.request), c.code)
			if len(h.entries) != 0 || len(h.lane) != 1 {
				t.Errorf("recorded %v %v", h.entries, h.lane)
			}
		})
	}
	wire := oauth.Refuse(oauth.CodeTokenTypeUnsupported, "", "").Wire(issuer, "trc_1")
	if wire.Error != "unsupported_token_type" || wire.Status != 400 {
		t.Errorf("on the wire %+v", wire)
	}
}

// The client assertion and the revocation are one entry: a replay revokes nothing.
func TestRevokeWithAnAssertion(t *testing.T) {
	h := newHouse(t, func(s *setup) {
		s.basic, s.form = "", assertion(t, "jti-1")
		s.claims = func(c *token.Claims) { c.ClientID = "jwt-server" }
	})
	h.known.ClientUID = h.uids["jwt-server"]
	if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 || len(h.entries[0].Redemptions) != 2 || h.entries[0].Event.AssertionID != "jti-1" {
		t.Fatalf("%v, %+v", err, h.entries)
	}
	key, _ := ledger.RevocationKey(h.claims.ID)
	delete(h.used, key)
	refused(t, h.Revoke(t.Context(), h.request), oauth.CodeClientAssertionReplayed)
	if h.used[key] {
		t.Error("a replay revoked")
	}
	c := &call{Request: h.request, now: now}
	if e := c.conflict(ledger.Redemption{Space: ledger.SpaceRevokedToken}); e.Type != audit.TypeTokenRevoked || e.Detail["already"] != "true" {
		t.Errorf("of a second one is recorded %+v", e)
	}
	if e := c.conflict(ledger.Redemption{Space: ledger.SpaceClientAssertion, Code: "client_assertion_replayed"}); e.Outcome != audit.Refused || e.Code == "" {
		t.Errorf("of a replay is recorded %+v", e)
	}
}

func TestRevokeIsDurableOrRefused(t *testing.T) {
	h := newHouse(t, own(nil))
	h.commit = ledger.ErrUnavailable
	if wait := refused(t, h.Revoke(t.Context(), h.request), oauth.CodeLedgerUnavailable); wait != time.Second {
		t.Errorf("wait %s", wait)
	}
}

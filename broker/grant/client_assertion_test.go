package grant_test

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jws"
)

// keyed is a world whose client authenticates by private_key_jwt, with the key of h.
func keyed(t *testing.T, h holder, changes ...change) *world {
	t.Helper()
	jwk := map[string]any{"kid": "k1", "alg": "ES256", "use": "sig"}
	maps.Copy(jwk, h.jwk)
	set, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	must(t, err)
	return newWorld(t, append([]change{{"{method: client_secret_post, secret: {env: AGENT_SECRET}}", "{method: private_key_jwt, jwks: " + string(set) + "}"}}, changes...)...)
}

func (h holder) clientAssertion(t *testing.T, w *world, jti string) string {
	t.Helper()
	compact, err := jws.Sign("ES256", "k1", "JWT", h.key, map[string]any{
		"iss": "agent", "sub": "agent", "aud": issuer, "jti": jti, "iat": w.now.Unix(), "exp": w.now.Unix() + 60,
	})
	must(t, err)
	return compact
}

// TestClientAssertion is used up by whatever answers it, a refusal too; a request that was decided twice uses it once.
func TestClientAssertion(t *testing.T) {
	h := newHolder(t)
	w := keyed(t, h)
	ask := func(jti string, options ...idptest.Option) ask {
		return w.ask(t, options...).with("client_secret").with("client_id").
			with("client_assertion_type", oauth.AssertionTypeJWT).with("client_assertion", h.clientAssertion(t, w, jti))
	}
	w.refused(t, ask("c1").with("scope", "notes:admin"), oauth.CodeScopeEmpty)
	e := w.journal.last(t)
	if len(e.Redemptions) != 1 || e.Redemptions[0].Space != ledger.SpaceClientAssertion || !e.Redemptions[0].Always ||
		e.Redemptions[0].Key != sha256.Sum256([]byte("agent\x00c1")) || e.Event.Checks[0].Received != "agent by private_key_jwt" {
		t.Errorf("entry %+v", e)
	}
	refusal := w.refused(t, ask("c1"), oauth.CodeClientAssertionReplayed)
	if wire := refusal.wire; wire.Status != 401 || wire.Error != "invalid_client" {
		t.Errorf("wire %+v", wire)
	}
	if event := w.journal.conflicts[0]; event.Code != "client_assertion_replayed" || event.Outcome != audit.Refused {
		t.Errorf("event %+v", event)
	}
	w.journal.answers = []error{ledger.ErrStale} // nothing of it was committed
	w.granted(t, ask("c2"))
	w.refused(t, ask("c2"), oauth.CodeClientAssertionReplayed)
}

// TestKeysUnavailable: 503, and the assertion is good for later.
func TestKeysUnavailable(t *testing.T) {
	w := newWorld(t, change{"  jwks: {inline: KEYS}\n", ""})
	refusal := w.refused(t, w.ask(t), oauth.CodeKeysUnavailable)
	if wire := refusal.wire; wire.Status != 503 || wire.Error != "temporarily_unavailable" || refusal.retryAfter <= 0 {
		t.Errorf("wire %+v, retry after %s", wire, refusal.retryAfter)
	}
	if e := w.journal.last(t); len(e.Redemptions) != 0 || e.Event.IdP != "acme" {
		t.Errorf("event %+v, used up %v", e.Event, spaces(e))
	}
}

// TestNobodyIsMade: an entry that provisions just in time makes nobody here.
func TestNobodyIsMade(t *testing.T) {
	w := newWorld(t, change{"  claims: {groups: groups", "  subject: {match: [sub], provision: just_in_time}\n  claims: {groups: groups"})
	w.refused(t, w.ask(t, idptest.WithClaim("sub", "00u9new")), oauth.CodeSubjectUnmatched)
	w.granted(t, w.ask(t))
}

// TestActor: policy sees the chain, the token's client stays who authenticated.
func TestActor(t *testing.T) {
	w := newWorld(t)
	_, minted := w.granted(t, w.ask(t, idptest.WithClaim("act", map[string]any{"sub": "bot", "client_id": "mallory", "act": map[string]any{"sub": "root", "iss": "x"}})))
	var in struct {
		Actor struct {
			Depth int
			Chain []map[string]string
		}
		Client struct{ ID string }
	}
	must(t, json.Unmarshal(w.journal.last(t).Decision.Input, &in))
	if in.Actor.Depth != 2 || in.Actor.Chain[0]["sub"] != "bot" || in.Actor.Chain[1]["iss"] != "x" || in.Client.ID != "agent" || minted.Claims().ClientID != "agent" {
		t.Errorf("policy saw %+v", in)
	}
	if _, there := minted.Value("act"); there {
		t.Error("an actor nobody verified is in the token")
	}
}

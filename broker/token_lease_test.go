package broker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// RFC 8693 §2.2.1: what a provider's token is, and never a refresh token.
func TestLeaseAnswer(t *testing.T) {
	until := time.Date(2026, 11, 21, 12, 10, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(*grant.Response)
		want   map[string]any
	}{
		"a bearer token": {func(*grant.Response) {}, map[string]any{
			"access_token": tokenText, "issued_token_type": oauth.TypeAccessToken, "token_type": "Bearer", "expires_in": 60.0, "scope": "repo:read", "provider": "github",
			"account": "alice", "narrowed": true, "decision_id": "dec_1", "cache_until": float64(until.Unix()), "header": "Authorization", "scheme": "Bearer",
		}},
		"a key without end": {func(r *grant.Response) {
			r.TokenType, r.ExpiresIn = oauth.TokenTypeNone, 0
			r.Vended.Endless, r.Vended.Account, r.Vended.Narrowed, r.Vended.Header, r.Vended.Scheme = true, "", false, "X-Api-Key", ""
			r.Vended.Kept = map[string]string{"instance_url": "https://acme.example"}
		}, map[string]any{
			"access_token": tokenText, "issued_token_type": oauth.TypeAccessToken, "token_type": "N_A", "scope": "repo:read", "provider": "github",
			"narrowed": false, "decision_id": "dec_1", "cache_until": float64(until.Unix()), "header": "X-Api-Key", "provided": map[string]any{},
		}},
		"one in its last second": {func(r *grant.Response) { r.ExpiresIn = 0 }, map[string]any{
			"access_token": tokenText, "issued_token_type": oauth.TypeAccessToken, "token_type": "Bearer", "expires_in": 0.0, "scope": "repo:read", "provider": "github",
			"account": "alice", "narrowed": true, "decision_id": "dec_1", "cache_until": float64(until.Unix()), "header": "Authorization", "scheme": "Bearer",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			r := grant.Response{AccessToken: tokenText, TokenType: "Bearer", ExpiresIn: time.Minute, Scope: "repo:read", RefreshToken: "never", Vended: &grant.Vended{
				Provider: "github", Account: "alice", Narrowed: true, DecisionID: "dec_1", CacheUntil: until, Header: "Authorization", Scheme: "Bearer",
			}}
			c.change(&r)
			h.tokens.response = r
			w := h.post(t, nil)
			m := members(t, w)
			if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || len(m) != len(c.want) {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			for member, want := range c.want {
				if member != "provided" && m[member] != want {
					t.Errorf("%s is %v, want %v", member, m[member], want)
				}
			}
		})
	}
}

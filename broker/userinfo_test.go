package broker_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// person answers what a test says of who signed in.
type person struct {
	body []byte
	err  error
	got  introspect.Bearer
}

func (p *person) UserInfo(_ context.Context, r introspect.Bearer) ([]byte, error) {
	p.got = r
	return p.body, p.err
}

func withPerson(t *testing.T, p *person) *house {
	t.Helper()
	return newHouse(t, func(c *broker.Config) { c.UserInfo = p })
}

func (h *house) userInfo(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.Header.Set("Authorization", "DPoP a.b.c")
	r.Header.Set("DPoP", "d.e.f")
	r.Header.Set("Origin", "https://app.example")
	return h.serve(r)
}

// TestUserInfoAnswer: by GET and by POST (OpenID Connect Core §5.3.1), at each tenant's own path, and to no page of others.
func TestUserInfoAnswer(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for path, name := range map[string]string{"/userinfo": "default", "/t/acme/userinfo": "acme"} {
			p := &person{body: []byte(`{"sub":"usr_1"}`)}
			w := withPerson(t, p).userInfo(t, method, path)
			if w.Code != http.StatusOK || w.Body.String() != `{"sub":"usr_1"}` || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("answered %d %s %v", w.Code, w.Body, w.Header())
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Error("an origin is let in")
			}
			if got := p.got; got.Tenant.Name != name || got.Method != method || !slices.Equal(got.Authorization, []string{"DPoP a.b.c"}) || !slices.Equal(got.Proofs, []string{"d.e.f"}) {
				t.Errorf("asked %+v", got)
			}
		}
	}
	if w := newHouse(t).userInfo(t, http.MethodGet, "/userinfo"); w.Code != http.StatusNotFound {
		t.Errorf("where it is not served: %d", w.Code)
	}
}

// TestUserInfoChallenges: RFC 6750 §3, RFC 9449 §7.1.
func TestUserInfoChallenges(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		status     int
		error      string
		challenges []string
		not        string
	}{
		"nothing sent": {oauth.Refuse(oauth.CodeAccessTokenMissing, "", ""), 401, "invalid_request", []string{`Bearer realm="chancery"`, `DPoP realm="chancery", algs="`}, "error="},
		"invalid":      {oauth.Refuse(oauth.CodeAccessTokenInvalid, "", ""), 401, "invalid_token", []string{`Bearer realm="chancery", error="invalid_token"`, `DPoP realm="chancery", error="invalid_token"`}, ""},
		"no openid":    {oauth.Refuse(oauth.CodeOpenidNotGranted, "", ""), 403, "insufficient_scope", []string{`Bearer realm="chancery", error="insufficient_scope"`, `scope="openid"`}, ""},
		"a proof":      {oauth.Refuse(oauth.CodeDPoPProofInvalid, "", ""), 401, "invalid_dpop_proof", []string{`DPoP realm="chancery", error="invalid_dpop_proof"`}, "Bearer"},
		"a nonce":      {oauth.Refuse(oauth.CodeDPoPNonceRequired, "", ""), 401, "use_dpop_nonce", []string{`DPoP realm="chancery", error="use_dpop_nonce"`}, "Bearer"},
		"not known":    {oauth.Refuse(oauth.CodeTenantUnavailable, "", ""), 503, "temporarily_unavailable", nil, "Bearer"},
		"no refusal":   {errors.New("broken"), 500, "server_error", nil, "Bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := withPerson(t, &person{err: c.err}).userInfo(t, http.MethodGet, "/userinfo")
			wantRefusal(t, w, c.status, c.error, oauth.AsError(c.err).Code)
			all := strings.Join(w.Header().Values("WWW-Authenticate"), "\n")
			for _, want := range c.challenges {
				if !strings.Contains(all, want) {
					t.Errorf("challenges %s, without %s", all, want)
				}
			}
			if c.challenges == nil && all != "" || c.not != "" && strings.Contains(all, c.not) {
				t.Errorf("challenges %s", all)
			}
		})
	}
}

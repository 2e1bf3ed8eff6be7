package conformance_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const notes = "https://mcp.acme.example/notes"

// server is a small authorization server that does everything right, except for what
// a hole leaves out. Whether an assertion is valid, it asks the product's verifier.
type server struct {
	*httptest.Server

	hole     hole
	key      *idptest.Key
	verifier *assertion.Verifier
	registry *federation.Registry

	mu   sync.Mutex
	seen map[string]bool
}

// hole is a check that is not made.
type hole struct {
	forgives func(code federation.Code, compact string) bool
	replays  bool
	answers  func(map[string]any)
}

func start(t *testing.T, h hole) *server {
	t.Helper()
	key, err := idptest.NewKey("as-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	cache := jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}), time.Now)
	t.Cleanup(cache.Close)
	s := &server{hole: h, key: key, verifier: &assertion.Verifier{Keys: cache, Now: time.Now}, seen: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { write(w, 200, map[string]any{"keys": []any{key.JWK()}}) })
	mux.HandleFunc("POST /token", s.token)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// trust makes the suite's IdP known, as --print-setup says by hand.
func (s *server) trust(idp *idptest.IdP) error {
	registry, err := federation.NewRegistry([]federation.IdentityProvider{{
		UID: "idp_1", Name: "suite", Issuer: idp.Issuer(),
		Keys: jwks.Source{Issuer: idp.Issuer(), Network: fetch.Network{AllowPrivateAddresses: true}},
		Assertions: federation.AssertionRules{
			Profiles: []federation.Profile{federation.ProfileIDJAG}, Algorithms: []string{"ES256"},
			MaxLifetime: 5 * time.Minute, ClockSkew: 30 * time.Second, Clients: []string{"one", "two"},
		},
	}})
	s.registry = registry
	return err
}

func (s *server) metadata(w http.ResponseWriter, _ *http.Request) {
	write(w, 200, map[string]any{
		"issuer": s.URL, "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/jwks",
		"grant_types_supported":                  []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"authorization_grant_profiles_supported": []string{"urn:ietf:params:oauth:grant-profile:id-jag"},
		"dpop_signing_alg_values_supported":      []string{"ES256"},
	})
}

func write(w http.ResponseWriter, status int, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	answer, code := s.grant(r)
	switch code {
	case "":
		write(w, http.StatusOK, answer)
	case "invalid_client":
		write(w, http.StatusUnauthorized, map[string]any{"error": code})
	default:
		write(w, http.StatusBadRequest, map[string]any{"error": code})
	}
}

// grant is the straight line: form, client, proof, assertion, resource, scopes, once.
func (s *server) grant(r *http.Request) (answer map[string]any, code string) {
	form, err := readForm(r)
	if err != nil {
		return nil, "invalid_request"
	}
	client, code := authenticate(r, form)
	if code != "" {
		return nil, code
	}
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return nil, "unsupported_grant_type"
	}
	proof, err := dpop.Verify(r.Header["Dpop"], dpop.Expectation{Tenant: tenant.MustParseUID("ten_01J00000000000000000000000"), Method: "POST", URL: s.URL + "/token", Now: time.Now()})
	if err != nil || !proof.IsZero() && !s.first("proof|"+proof.ID()) {
		return nil, "invalid_dpop_proof"
	}
	compact := form.Get("assertion")
	if compact == "" {
		return nil, "invalid_request"
	}
	_, err = s.verifier.Verify(r.Context(), s.registry, "ten_1", assertion.Request{
		Compact: compact, Issuer: s.URL, ClientID: client, ClientNames: []string{client}, ProofThumbprint: proof.Thumbprint(), TenantName: "default", TenantUID: "ten_1",
		IsResource: func(uri string) bool { return uri == notes },
	})
	var refusal *federation.Refusal
	switch {
	case errors.As(err, &refusal) && s.hole.forgives != nil && s.hole.forgives(refusal.Code, compact):
		return s.mint(r, client, proof.Thumbprint(), strings.Fields(form.Get("scope"))), ""
	case err != nil:
		return nil, "invalid_grant"
	}
	return s.settle(r, form, client, proof.Thumbprint(), compact)
}

func (s *server) settle(r *http.Request, form url.Values, client, thumbprint, compact string) (answer map[string]any, code string) {
	var claims struct {
		Subject  string `json:"sub"`
		ID       string `json:"jti"`
		Resource any    `json:"resource"`
		Scope    string `json:"scope"`
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	if json.Unmarshal(payload, &claims) != nil || claims.Subject != "00u1alice" || strings.Trim(fmt.Sprint(claims.Resource), "[]") != notes {
		return nil, "invalid_grant"
	}
	if wanted := form.Get("resource"); wanted != "" && wanted != notes {
		return nil, "invalid_target"
	}
	scopes := slices.DeleteFunc(strings.Fields(form.Get("scope")), func(scope string) bool {
		return !slices.Contains(strings.Fields(claims.Scope), scope)
	})
	if len(scopes) == 0 {
		return nil, "invalid_scope"
	}
	if !s.first("assertion|"+claims.ID) && !s.hole.replays {
		return nil, "invalid_grant"
	}
	return s.mint(r, client, thumbprint, scopes), ""
}

func (s *server) first(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.seen[id]
	s.seen[id] = true
	return !before
}

func (s *server) mint(_ *http.Request, client, thumbprint string, scopes []string) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": s.URL, "sub": "usr_1", "aud": notes, "client_id": client, "iat": now, "exp": now + 600, "jti": rand.Text(), "scope": strings.Join(scopes, " "),
	}
	answer := map[string]any{"token_type": "Bearer", "expires_in": 600, "scope": strings.Join(scopes, " ")}
	if thumbprint != "" {
		claims["cnf"], answer["token_type"] = map[string]any{"jkt": thumbprint}, "DPoP"
	}
	answer["access_token"], _ = jws.Sign("ES256", s.key.ID, "at+jwt", s.key.Signer, claims)
	if s.hole.answers != nil {
		s.hole.answers(answer)
	}
	return answer
}

func readForm(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return nil, errors.New("no form")
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, errors.New(name + " twice")
		}
	}
	if r.PostForm.Get("grant_type") == "" || strings.ContainsAny(r.PostForm.Get("assertion")+r.PostForm.Get("scope"), "\n\"") {
		return nil, errors.New("form")
	}
	return r.PostForm, nil
}

func authenticate(r *http.Request, form url.Values) (client, code string) {
	id, secret, basic := r.BasicAuth()
	switch {
	case !basic:
		return "", "invalid_client"
	case form.Get("client_secret") != "" || form.Get("client_id") != "" && form.Get("client_id") != id:
		return "", "invalid_request"
	case id != "one" && id != "two", secret != "secret-of-"+id:
		return "", "invalid_client"
	}
	return id, ""
}

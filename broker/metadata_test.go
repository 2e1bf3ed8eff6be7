package broker_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// TestMetadata is the same at every derived place, and names the issuer that the place is derived from (RFC 8414 §3.3).
func TestMetadata(t *testing.T) {
	h := newHouse(t)
	for issuer, paths := range map[string][]string{
		publicURL: {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"},
		publicURL + "/t/acme": {
			"/.well-known/oauth-authorization-server/t/acme", "/.well-known/openid-configuration/t/acme", // RFC 8414 §3.1
			"/t/acme/.well-known/openid-configuration", "/t/acme/.well-known/oauth-authorization-server", // OIDC Discovery §4
		},
	} {
		for _, path := range paths {
			w := h.get(t, path)
			m := members(t, w)
			if w.Code != 200 || m["issuer"] != issuer || m["token_endpoint"] != issuer+"/token" || m["jwks_uri"] != issuer+"/.well-known/jwks.json" ||
				m["introspection_endpoint"] != issuer+"/introspect" || m["revocation_endpoint"] != issuer+"/revoke" {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Header().Get("Cache-Control"), "max-age") {
				t.Errorf("%s: %v", path, w.Header())
			}
			for name, wants := range map[string][]any{
				"grant_types_supported":                                    {oauth.GrantTypeJWTBearer, oauth.GrantTypeJWTDPoP, oauth.GrantTypeClientCredentials},
				"authorization_grant_profiles_supported":                   {oauth.ProfileIDJAG},
				"token_endpoint_auth_methods_supported":                    {"private_key_jwt", "client_secret_basic", "client_secret_post"},
				"response_types_supported":                                 {},
				"introspection_endpoint_auth_methods_supported":            {"private_key_jwt", "client_secret_basic", "client_secret_post"},
				"revocation_endpoint_auth_methods_supported":               {"private_key_jwt", "client_secret_basic", "client_secret_post"},
				"introspection_endpoint_auth_signing_alg_values_supported": {"ES256", "ES384", "EdDSA", "PS256", "RS256"},
				"revocation_endpoint_auth_signing_alg_values_supported":    {"ES256", "ES384", "EdDSA", "PS256", "RS256"},
				"code_challenge_methods_supported":                         {"S256"},
			} {
				if got, ok := m[name].([]any); !ok || !slices.Equal(got, wants) {
					t.Errorf("%s: %s is %v", path, name, m[name])
				}
			}
			for _, name := range []string{"registration_endpoint", "userinfo_endpoint"} {
				if _, there := m[name]; there {
					t.Errorf("%s: %s is advertised and not served", path, name)
				}
			}
			if strings.Contains(w.Body.String(), "HS256") || strings.Contains(w.Body.String(), "none\"") {
				t.Errorf("%s: %s", path, w.Body)
			}
		}
	}
	scopes, _ := members(t, h.get(t, "/.well-known/oauth-authorization-server"))["scopes_supported"].([]any)
	if !slices.Equal(scopes, []any{"notes:read", "notes:write"}) { // sorted, none of a disabled resource
		t.Errorf("scopes %v", scopes)
	}
	for _, path := range []string{
		"/t/default/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/t/default", "/.well-known/openid-configuration/t/nobody",
		"/.well-known/oauth-authorization-server/acme", "/.well-known/oauth-authorization-server/", "/t/gone/.well-known/jwks.json",
	} {
		if w := h.get(t, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	h.pictures.err = errors.New("reset")
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/.well-known/oauth-protected-resource/notes"} {
		wantRefusal(t, h.get(t, path), 503, "temporarily_unavailable", oauth.CodeTenantUnavailable)
	}
}

// TestMetadataNone: that a token can be had without client authentication is said where it is so, and nowhere else.
func TestMetadataNone(t *testing.T) {
	h := newHouse(t)
	for tenant, want := range map[string]bool{"/t/phones": true, "/t/builds": true, "/t/acme": false} {
		methods, _ := members(t, h.get(t, "/.well-known/oauth-authorization-server"+tenant))["token_endpoint_auth_methods_supported"].([]any)
		if got := slices.Contains(methods, any("none")); got != want || len(methods) < 3 {
			t.Errorf("%s: %v", tenant, methods)
		}
	}
}

func TestKeySet(t *testing.T) {
	h := newHouse(t)
	root, acme := h.get(t, "/.well-known/jwks.json"), h.get(t, "/t/acme/.well-known/jwks.json")
	if root.Code != 200 || acme.Code != 200 || root.Body.String() == acme.Body.String() {
		t.Errorf("%s and %s", root.Body, acme.Body)
	}
	h.keys = errors.New("the keyring is gone")
	w := h.get(t, "/.well-known/jwks.json")
	wantRefusal(t, w, 503, "temporarily_unavailable", oauth.CodeTenantUnavailable)
	if w.Header().Get("Access-Control-Allow-Origin") != "" || strings.Contains(w.Body.String(), "keyring") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

func TestProtectedResource(t *testing.T) {
	h := newHouse(t)
	m := members(t, h.get(t, "/.well-known/oauth-protected-resource/notes"))
	if servers, _ := m["authorization_servers"].([]any); m["resource"] != "https://mcp.acme.com/notes" || !slices.Equal(servers, []any{publicURL}) ||
		m["dpop_bound_access_tokens_required"] != true || m["resource_name"] != "notes" {
		t.Errorf("%v", m)
	}
	if scopes, _ := m["scopes_supported"].([]any); !slices.Equal(scopes, []any{"notes:read", "notes:write"}) {
		t.Errorf("scopes %v", m["scopes_supported"])
	}
	if bare := members(t, h.get(t, "/.well-known/oauth-protected-resource/bare")); bare["scopes_supported"] == nil || bare["dpop_bound_access_tokens_required"] != false {
		t.Errorf("%v", bare)
	}
	wiki := members(t, h.get(t, "/t/acme/.well-known/oauth-protected-resource/wiki"))
	if servers, _ := wiki["authorization_servers"].([]any); !slices.Equal(servers, []any{publicURL + "/t/acme"}) {
		t.Errorf("%v", wiki)
	}
	for _, path := range []string{
		"/.well-known/oauth-protected-resource/old", "/.well-known/oauth-protected-resource/wiki", "/t/acme/.well-known/oauth-protected-resource/notes",
		"/.well-known/oauth-protected-resource/NOTES", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource",
	} {
		if w := h.get(t, path); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "mcp.acme.com") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestDocumentsForBrowsers: MCP clients in browsers send a header of their own, and so ask first.
func TestDocumentsForBrowsers(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/t/acme/.well-known/jwks.json", "/.well-known/oauth-protected-resource/notes"} {
		w := h.serve(httptest.NewRequestWithContext(t.Context(), http.MethodOptions, path, http.NoBody))
		if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Headers") != "MCP-Protocol-Version" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if w := h.serve(httptest.NewRequestWithContext(t.Context(), http.MethodHead, path, http.NoBody)); w.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
}

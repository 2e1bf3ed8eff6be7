package discovery_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/sdk/go/internal/discovery"
)

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"https://a.example", "https://a.example:8443/x?y=z", "http://localhost:8080/x", "http://127.0.0.1", "http://[::1]:80/"} {
		if _, err := discovery.CheckURL(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "a.example", "/x", "http://a.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://10.0.0.1", "ftp://a.example",
		"https://", "https://a@a.example", "https://a.example#x", "https://a.example#", "file:///etc/passwd", "https:a.example", "https://a.example/%zz",
	} {
		if _, err := discovery.CheckURL(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	for _, bad := range []string{"https://a.example/", "https://a.example?", "https://a.example?x=y"} {
		if err := discovery.CheckIssuer(bad); err == nil {
			t.Errorf("issuer %q passes", bad)
		}
	}
	for _, good := range []string{"https://a.example", "https://a.example/t/acme", "https://a.example/realms/x/"} {
		if err := discovery.CheckIssuer(good); err != nil {
			t.Error(err)
		}
	}
}

// Where metadata is looked for: RFC 8414 §3.1 first; OpenID Connect's place where there is
// nothing, and not where something is wrong.
func TestFetchPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		answer map[string]int // status by path; 200 has the document
		asked  string
		good   bool
	}{
		"root":             {"", map[string]int{"/.well-known/oauth-authorization-server": 200}, "/.well-known/oauth-authorization-server", true},
		"tenant":           {"/t/acme", map[string]int{"/.well-known/oauth-authorization-server/t/acme": 200}, "/.well-known/oauth-authorization-server/t/acme", true},
		"OpenID's":         {"", map[string]int{"/.well-known/openid-configuration": 200}, "/.well-known/oauth-authorization-server /.well-known/openid-configuration", true},
		"OpenID's, a path": {"/realms/x", map[string]int{"/realms/x/.well-known/openid-configuration": 200}, "/.well-known/oauth-authorization-server/realms/x /realms/x/.well-known/openid-configuration", true},
		"error":            {"", map[string]int{"/.well-known/oauth-authorization-server": 500, "/.well-known/openid-configuration": 200}, "/.well-known/oauth-authorization-server", false},
		"redirect":         {"", map[string]int{"/.well-known/oauth-authorization-server": 302, "/.well-known/openid-configuration": 200}, "/.well-known/oauth-authorization-server", false},
		"nothing":          {"", nil, "/.well-known/oauth-authorization-server /.well-known/openid-configuration", false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			var issuer string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.Path)
				switch status := c.answer[r.URL.Path]; status {
				case 200:
					_ = json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/jwks"})
				case 302:
					http.Redirect(w, r, "/.well-known/openid-configuration", status)
				case 0:
					w.WriteHeader(404)
				default:
					w.WriteHeader(status)
				}
			}))
			defer server.Close()
			issuer = server.URL + c.path
			got, err := discovery.Fetch(t.Context(), discovery.Client(nil), issuer)
			if c.good != (err == nil) || strings.Join(asked, " ") != c.asked {
				t.Errorf("%v, asked %v", err, asked)
			}
			if want := (discovery.Metadata{Issuer: issuer, TokenEndpoint: issuer + "/token", JWKSURI: issuer + "/jwks"}); c.good && got != want {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestGetIsBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("a", 100))) }))
	defer server.Close()
	client := discovery.Client(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }})
	if body, err := discovery.Get(t.Context(), client, server.URL, 100); err != nil || len(body) != 100 {
		t.Errorf("%d %v", len(body), err)
	}
	if _, err := discovery.Get(t.Context(), client, server.URL, 99); err == nil {
		t.Error("more than was allowed")
	}
	if client.Timeout <= 0 || client.CheckRedirect(nil, nil) == nil {
		t.Error("a caller's client follows redirects, or waits for ever")
	}
}

// An issuer of the network names no place on the machine that asks, and none in the clear.
func TestEndpointsAreNoWeakerThanTheIssuer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": "https://" + r.Host, "token_endpoint": "http://127.0.0.1:9/token"})
	}))
	defer server.Close()
	if m, err := discovery.Fetch(t.Context(), discovery.Client(server.Client()), server.URL); err == nil {
		t.Errorf("%+v", m)
	}
}

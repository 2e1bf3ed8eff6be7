package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What `curl` sees before anything is registered.
func TestChallengeAndMetadata(t *testing.T) {
	handler, err := protected("http://127.0.0.1:8080", "http://127.0.0.1:9002/mcp")
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}")))
		return w
	}
	const metadata = "/.well-known/oauth-protected-resource/mcp"
	w := call(http.MethodPost, "/mcp")
	if want := `Bearer scope="notes:read", resource_metadata="http://127.0.0.1:9002` + metadata + `"`; w.Code != 401 || w.Header().Get("WWW-Authenticate") != want {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	if w := call(http.MethodGet, metadata); w.Code != 200 || !strings.Contains(w.Body.String(), `"authorization_servers":["http://127.0.0.1:8080"]`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := protected("http://auth.acme.com", "http://127.0.0.1:9002/mcp"); err == nil {
		t.Error("an issuer without TLS")
	}
}

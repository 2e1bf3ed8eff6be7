package broker_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever is sent to /authorize stays here: what the request says is neither followed nor shown.
func TestAuthorizationEndpointSendsNobodyOn(t *testing.T) {
	h := newHouse(t)
	const query = "?response_type=code&client_id=claude&redirect_uri=https%3A%2F%2Fevil.example%2F&state=s"
	for _, path := range []string{"/authorize", "/t/acme/authorize"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path+query, http.NoBody))
			if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d %v", method, path, w.Code, w.Header())
			}
			if !strings.Contains(w.Body.String(), "sign_in_unserved") || strings.Contains(w.Body.String(), "evil.example") {
				t.Errorf("%s %s: %s", method, path, w.Body)
			}
		}
	}
	if w := h.get(t, "/t/nobody/authorize"); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

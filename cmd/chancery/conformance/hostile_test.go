package conformance_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
)

// hostile answers every token request alike.
func hostile(t *testing.T, status int, answer map[string]any) string {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			write(w, status, answer)
			return
		}
		write(w, 200, map[string]any{"issuer": server.URL, "token_endpoint": server.URL + "/token"})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// What a target says is shown, but for what would drive a terminal or tell a secret.
func TestWhatATargetSays(t *testing.T) {
	said := "\x1b[2J\u202eno: secret-of-one is not known"
	for name, target := range map[string]string{
		"description": hostile(t, 400, map[string]any{"error": "invalid_grant", "error_description": said}),
		"error":       hostile(t, 400, map[string]any{"error": said}),
	} {
		t.Run(name, func(t *testing.T) {
			report, err := conformance.Run(t.Context(), settings(target), conformance.Options{Now: time.Now})
			if !errors.Is(err, conformance.ErrNothingProved) {
				t.Fatal(err)
			}
			text := err.Error() + report.Controls[0].Got
			if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "secret-of-one") || !strings.Contains(text, "is not known") {
				t.Errorf("%q", text)
			}
		})
	}
}

// A token in an answer that is a refusal is no grant, so that nothing is proved with it.
func TestTokenInARefusalIsNoControl(t *testing.T) {
	for _, status := range []int{201, 400, 401, 500} {
		report, err := conformance.Run(t.Context(), settings(hostile(t, status, map[string]any{"access_token": "at", "token_type": "Bearer", "error": "invalid_grant"})),
			conformance.Options{Now: time.Now, Only: []string{"assertion.aud"}})
		if !errors.Is(err, conformance.ErrNothingProved) || report.Proved || report.AllPassed() {
			t.Errorf("%d: %v", status, err)
		}
	}
}

package console_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin/console"
)

func TestThePageRunsNothingOfOthers(t *testing.T) {
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if w.Code != 200 || w.Header().Get("Content-Security-Policy") != console.Policy {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	for _, inline := range []string{"<script", "<style", " style=", " onclick=", "http://", "https://"} {
		if strings.Contains(w.Body.String(), inline) {
			t.Errorf("the page holds %q", inline)
		}
	}
}

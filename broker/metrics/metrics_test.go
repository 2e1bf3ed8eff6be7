package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d", w.Code)
	}
	return w.Body.String()
}

func TestWhatIsCounted(t *testing.T) {
	m := metrics.New()
	m.Request("/token", 200, 3*time.Millisecond)
	m.Request("", 404, time.Millisecond)
	m.Granted(oauth.GrantTypeJWTBearer, "acme", "")
	m.Granted(oauth.GrantTypeJWTBearer, "acme", oauth.CodePolicyDenied)
	m.Granted(oauth.GrantTypeJWTBearer, "acme", oauth.CodeStepUpRequired)
	m.Decided(40*time.Microsecond, "policy_denied")
	m.Gauge("chancery_test", "A number.", func() float64 { return 7 })
	text := scrape(t, m)
	const grant = `grant="urn:ietf:params:oauth:grant-type:jwt-bearer",issuer="acme",`
	for _, want := range []string{
		`chancery_http_requests_total{route="/token",status="200"} 1`, `chancery_http_requests_total{route="none",status="404"} 1`,
		`chancery_token_requests_total{` + grant + `reason="",result="issued"} 1`,
		`chancery_token_requests_total{` + grant + `reason="policy_denied",result="refused"} 1`,
		`chancery_token_requests_total{` + grant + `reason="step_up_required",result="challenged"} 1`,
		`chancery_policy_eval_seconds_count{code="policy_denied"} 1`, "chancery_test 7", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
}

// TestSeriesAreBounded: a caller cannot make series.
func TestSeriesAreBounded(t *testing.T) {
	m := metrics.New()
	for i := range 1000 {
		m.Granted("grant-"+strconv.Itoa(i), "", oauth.CodeGrantTypeUnsupported)
	}
	if n := strings.Count(scrape(t, m), "\nchancery_token_requests_total{"); n != 1 {
		t.Errorf("%d series", n)
	}
}

func TestRegister(t *testing.T) {
	m := metrics.New()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "chancery_other_total", Help: "Of another room."})
	if err := m.Register(c); err != nil {
		t.Fatal(err)
	}
	if err := m.Register(c); err == nil {
		t.Error("registered twice")
	}
}

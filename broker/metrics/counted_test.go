package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func TestCounted(t *testing.T) {
	m := metrics.New()
	m.Checked([]audit.Check{{Name: "typ", OK: true}, {Name: "audience", OK: true, Received: "https://x"}, {Name: "audience", Received: "y"}})
	m.Asked(metrics.Introspection, "active", "")
	m.Asked(metrics.Introspection, "", oauth.CodeClientAuthenticationFailed)
	m.Asked(metrics.Revocation, "done", "")
	m.Batch(3, 2*time.Millisecond, false)
	m.Batch(9, time.Second, true)
	text := scrape(t, m)
	for _, want := range []string{
		`chancery_assertion_checks_total{check="typ",result="passed"} 1`,
		`chancery_assertion_checks_total{check="audience",result="passed"} 1`,
		`chancery_assertion_checks_total{check="audience",result="failed"} 1`,
		`chancery_token_status_requests_total{endpoint="introspection",reason="",result="active"} 1`,
		`chancery_token_status_requests_total{endpoint="introspection",reason="client_authentication_failed",result="refused"} 1`,
		`chancery_token_status_requests_total{endpoint="revocation",reason="",result="done"} 1`,
		"chancery_ledger_batch_entries_sum 3",
		`chancery_ledger_commit_seconds_count{result="committed"} 1`,
		`chancery_ledger_commit_seconds_count{result="failed"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	for _, secret := range []string{"https://x", `"y"`} {
		if strings.Contains(text, secret) {
			t.Errorf("what was received is in the metrics: %s", secret)
		}
	}
}

package metrics_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/metrics"
)

func TestCounter(t *testing.T) {
	m := metrics.New()
	for by, n := range map[string]float64{"client": 3, "address": 5} {
		m.Counter("chancery_test_total", "For the test.", metrics.Labels{"limit": by}, func() float64 { return n })
	}
	text := scrape(t, m)
	for _, line := range []string{`chancery_test_total{limit="client"} 3`, `chancery_test_total{limit="address"} 5`, "# TYPE chancery_test_total counter"} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

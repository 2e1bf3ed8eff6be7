package metrics

import (
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// Checked counts the checks of a token request. Their names are the program's.
func (m *Metrics) Checked(checks []audit.Check) {
	for _, c := range checks {
		result := "failed"
		if c.OK {
			result = "passed"
		}
		m.checks.WithLabelValues(c.Name, result).Inc()
	}
}

// The endpoints that are asked about tokens.
const (
	Introspection = "introspection"
	Revocation    = "revocation"
)

// Asked counts a request about a token. The result of one that was not refused is the endpoint's own.
func (m *Metrics) Asked(endpoint, result string, code oauth.Code) {
	if code != "" {
		result = "refused"
	}
	m.about.WithLabelValues(endpoint, result, string(code)).Inc()
}

// Batch counts one transaction of the ledger.
func (m *Metrics) Batch(entries int, took time.Duration, failed bool) {
	result := "committed"
	if failed {
		result = "failed"
	} else {
		m.batches.Observe(float64(entries))
	}
	m.commits.WithLabelValues(result).Observe(took.Seconds())
}

package assembly

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chancery-dev/chancery/vault/transit"
)

// transitObserved times calls to Vault. Operations and outcomes are the client's own words: their number is bounded.
func (s *Server) transitObserved() func(operation, outcome string, took time.Duration) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "chancery_transit_seconds", Help: "Time of a call to Vault, its second try included, by operation and outcome.",
		Buckets: prometheus.ExponentialBuckets(0.00025, 2, 14),
	}, []string{"operation", "outcome"})
	if err := s.metrics.Register(seconds); err != nil {
		s.Log.Error("calls to Vault are not counted", "error", err)
	}
	return func(operation, outcome string, took time.Duration) {
		seconds.WithLabelValues(operation, outcome).Observe(took.Seconds())
	}
}

// openTransitGauge registers where the breaker stands.
func (s *Server) openTransitGauge() {
	client := s.secrets.transit
	if client == nil {
		return
	}
	s.metrics.Gauge("chancery_transit_breaker", "Where the breaker before Vault stands: 0 closed, 1 half open, 2 open.", func() float64 {
		switch client.State() {
		case transit.Open:
			return 2
		case transit.HalfOpen:
			return 1
		default:
			return 0
		}
	})
}

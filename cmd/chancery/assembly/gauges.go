package assembly

import (
	"context"
	"crypto/x509"
	"runtime"
	"time"

	"github.com/chancery-dev/chancery/broker/metrics"
)

// readyPatience bounds what a scrape waits for the database.
const readyPatience = 3 * time.Second

// openGauges registers what is read when somebody asks. docs/metrics.md lists all of them; a test holds it to that.
func (s *Server) openGauges() error {
	gauge := s.metrics.Gauge
	gauge("chancery_ledger_queue_entries", "Requests that wait to be recorded.", func() float64 { return float64(s.ledger.Queued()) })
	gauge("chancery_http_in_flight", "Requests that hold a slot of limits.in_flight.", func() float64 { return float64(s.broker.Serving()) })
	gauge("chancery_http_in_flight_limit", "The value of limits.in_flight.", func() float64 { return float64(s.Config.Limits.InFlight) })
	gauge("chancery_jwks_age_seconds", "Age of the oldest key set in use.", s.oldestKeys)
	gauge("chancery_jwks_failing", "Issuers and clients whose key set could not be fetched at the last attempt.", s.failingKeys)
	gauge("chancery_audit_lag_seconds", "Age of the oldest event of this process that no checkpoint proves.", func() float64 { return s.auditLag.lag().Seconds() })
	gauge("chancery_clock_skew_seconds", "Our clock less the database's, at the last comparison.", func() float64 { return time.Duration(s.clockSkew.Load()).Seconds() })
	gauge("chancery_ready", "1 where /readyz would answer 200, draining aside.", s.readiness)
	s.metrics.Info("chancery_build_info", "Always 1; the labels say what runs.", metrics.Labels{"version": s.Version, "go": runtime.Version()})
	if s.traces != nil {
		s.metrics.Counter(spans, "Spans by what became of them.", metrics.Labels{"result": "sent"}, func() float64 { return float64(s.traces.Sent()) })
		s.metrics.Counter(spans, "Spans by what became of them.", metrics.Labels{"result": "lost"}, func() float64 { return float64(s.traces.Lost()) })
	}
	s.openTransitGauge()
	if err := s.metrics.Register(s.lending.stock); err != nil {
		return err
	}
	return s.metrics.Register(s.staleness)
}

const spans = "chancery_trace_spans_total"

func (s *Server) readiness() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
	defer cancel()
	if s.ready(ctx) != nil {
		return 0
	}
	return 1
}

// certificateGauge tells when the certificate that is served ends.
func (s *Server) certificateGauge(leaf *x509.Certificate) {
	end := leaf.NotAfter
	s.metrics.Gauge("chancery_server_cert_not_after_seconds", "Seconds until the certificate of the public listener ends.", func() float64 { return end.Sub(s.Now()).Seconds() })
}

func (s *Server) oldestKeys() float64 {
	var oldest time.Duration
	for _, a := range s.keySets.Ages() {
		if !a.Loaded.IsZero() {
			oldest = max(oldest, s.Now().Sub(a.Loaded))
		}
	}
	return oldest.Seconds()
}

func (s *Server) failingKeys() float64 {
	failing := 0.0
	for _, a := range s.keySets.Ages() {
		if a.Failing {
			failing++
		}
	}
	return failing
}

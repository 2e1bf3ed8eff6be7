// Package metrics counts what the broker does, for Prometheus. No user or client
// is ever a label: what is labelled comes from configuration or from the error
// catalogue, so that the number of series is bounded.
package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// Metrics is one process's counters.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
	policy   *prometheus.HistogramVec
	checks   *prometheus.CounterVec
	about    *prometheus.CounterVec
	vends    *prometheus.CounterVec
	batches  prometheus.Histogram
	commits  *prometheus.HistogramVec
	connections
}

// New registers the metrics.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_http_requests_total", Help: "Requests at the public listener by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chancery_http_request_seconds", Help: "Time to answer by route.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"route"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_token_requests_total", Help: "Token requests by grant, trusted issuer, result and reason code.",
		}, []string{"grant", "issuer", "result", "reason"}),
		policy: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chancery_policy_eval_seconds", Help: "Time of a policy decision by its code (empty: allowed).",
			Buckets: prometheus.ExponentialBuckets(0.00001, 2, 14),
		}, []string{"code"}),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_assertion_checks_total", Help: "Checks of token requests by name and result.",
		}, []string{"check", "result"}),
		about: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_token_status_requests_total", Help: "Introspection and revocation requests by endpoint, result and reason code.",
		}, []string{"endpoint", "result", "reason"}),
		vends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_vend_total", Help: "Requests for providers' tokens by provider and outcome: lent, or why not.",
		}, []string{"provider", "outcome"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chancery_ledger_batch_entries", Help: "Requests that one transaction of the ledger recorded.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		commits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chancery_ledger_commit_seconds", Help: "Time of one transaction of the ledger by its result.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15),
		}, []string{"result"}),
	}
	m.connections = newConnections()
	m.registry.MustRegister(m.refreshes, m.alerts)
	m.registry.MustRegister(m.requests, m.seconds, m.tokens, m.policy, m.checks, m.about, m.vends, m.batches, m.commits,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gauge registers a number that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Register adds a collector of another room.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Handler serves the metrics; it belongs on the admin listener.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Request counts an answered request.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Granted counts a decided token request; an empty code is a token.
func (m *Metrics) Granted(grantType, issuer string, code oauth.Code) {
	result := "refused"
	switch code {
	case "":
		result = "issued"
	case oauth.CodeStepUpRequired, oauth.CodeDPoPNonceRequired, oauth.CodeConnectionRequired, oauth.CodeReauthorizationRequired,
		oauth.CodeInsufficientProviderScope:
		result = "challenged"
	}
	if !slices.Contains(oauth.GrantTypes(), grantType) {
		grantType = "other" // what a caller sends is no label
	}
	m.tokens.WithLabelValues(grantType, issuer, result, string(code)).Inc()
}

// Vended counts a request for a provider's token; an empty code is a lease. The provider is one of the configuration's.
func (m *Metrics) Vended(provider string, code oauth.Code) {
	outcome := string(code)
	if outcome == "" {
		outcome = "lent"
	}
	m.vends.WithLabelValues(provider, outcome).Inc()
}

// Decided times a policy decision.
func (m *Metrics) Decided(took time.Duration, code string) {
	m.policy.WithLabelValues(code).Observe(took.Seconds())
}

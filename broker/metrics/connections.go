package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// connections counts what becomes of stored credentials.
type connections struct {
	refreshes *prometheus.CounterVec
	alerts    *prometheus.CounterVec
}

func newConnections() connections {
	c := connections{
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_refresh_total", Help: "Refreshes of stored credentials by provider and outcome.",
		}, []string{"provider", "outcome"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chancery_connection_alerts_total", Help: "What somebody must hear of stored credentials, by kind.",
		}, []string{"kind"}),
	}
	c.refreshes.WithLabelValues("", "other") // said from the start, so that a first one is a rise
	for _, kind := range alertKinds() {
		c.alerts.WithLabelValues(kind)
	}
	return c
}

// alertKinds are the kinds of alerts.
func alertKinds() []string {
	return []string{
		"refresh_lost", "credential_dead", "credential_unopened", "successor_not_saved", "successor_repaired", "successor_superseded",
		"provider_refuses_us", "successor_not_revoked", "not_revoked",
	}
}

// outcomes are those of a refresh that are labels; any other is "other".
func outcomes() []string {
	return []string{"saved", "terminal", "transient", "misconfigured", "rate_limited", "unknown", "scope_refused", "refresh_lost"}
}

// Refreshed counts the end of a refresh. The provider is the name of its object, "" for one that is gone.
func (m *Metrics) Refreshed(provider, outcome string) {
	if !slices.Contains(outcomes(), outcome) {
		outcome = "other"
	}
	m.refreshes.WithLabelValues(provider, outcome).Inc()
}

// Alerted counts what somebody must hear of. The kind is the keeper's word.
func (m *Metrics) Alerted(kind string) { m.alerts.WithLabelValues(kind).Inc() }

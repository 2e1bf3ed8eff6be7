package metrics

import "github.com/prometheus/client_golang/prometheus"

// Labels are fixed by the program, never by a request.
type Labels map[string]string

// Counter registers a number that only grows and is read when it is asked for. Several of one name differ in their labels.
func (m *Metrics) Counter(name, help string, labels Labels, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels(labels)}, read))
}

// Info registers a number that is always 1 and whose labels say something of the process.
func (m *Metrics) Info(name, help string, labels Labels) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels(labels)}, func() float64 { return 1 }))
}

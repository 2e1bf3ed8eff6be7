package assembly

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
)

// stockEvery is how often connections are counted: never at a scrape, which anybody with a metrics credential can repeat.
const stockEvery = time.Minute

// stock is how many connections each tenant has in each state, at the last count.
type stock struct {
	mu     sync.Mutex
	counts map[string]map[connection.Status]int64 // by the tenant's name
	note   *prometheus.Desc
}

func newStock() *stock {
	return &stock{note: prometheus.NewDesc("chancery_connections", "Accounts that are connected at other services, by their state, at the last count.", []string{"tenant", "status"}, nil)}
}

// Describe implements prometheus.Collector.
func (k *stock) Describe(to chan<- *prometheus.Desc) { to <- k.note }

// Collect implements prometheus.Collector. A state that nothing is in is said too, so that what ends is seen to end.
func (k *stock) Collect(to chan<- prometheus.Metric) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, counts := range k.counts {
		for _, status := range []connection.Status{connection.Connected, connection.ReauthorizationRequired, connection.Suspended, connection.Revoked} {
			to <- prometheus.MustNewConstMetric(k.note, prometheus.GaugeValue, float64(counts[status]), name, string(status))
		}
	}
}

// put takes what was counted of one tenant.
func (k *stock) put(name string, counts map[connection.Status]int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.counts == nil {
		k.counts = map[string]map[connection.Status]int64{}
	}
	k.counts[name] = counts
}

// keep forgets every tenant but these.
func (k *stock) keep(names map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.counts, func(name string, _ map[connection.Status]int64) bool { return !names[name] })
}

// watchStock counts until the context ends.
func (s *Server) watchStock(ctx context.Context) {
	ticks := time.NewTicker(stockEvery)
	defer ticks.Stop()
	for {
		s.countStock(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

func (s *Server) countStock(ctx context.Context) {
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("connections could not be counted", "error", err)
		}
		return
	}
	names := map[string]bool{}
	for _, t := range tenants {
		names[t.Name] = true
		if err := s.countOne(ctx, t.Name, t.Tenant); err != nil && ctx.Err() == nil {
			s.Log.Warn("connections could not be counted", "tenant", t.Name, "error", err)
		}
	}
	s.lending.stock.keep(names)
}

func (s *Server) countOne(ctx context.Context, name string, t tenant.UID) error {
	counts, err := s.lending.connections.CountByStatus(ctx, t)
	if err == nil {
		s.lending.stock.put(name, counts)
	}
	return err
}

package assembly

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/diagnose"
)

const (
	stalenessEvery = time.Minute // between looks at what was configured
	stalenessPage  = 500
)

// staleness watches the ends of keys that are written into IdPs' entries: where there is no network, nothing else
// notices that they come near.
type staleness struct {
	mu    sync.Mutex
	ends  map[idpName]time.Time
	said  map[idpName]int // the threshold, in days, that the log has told of
	now   func() time.Time
	notes *prometheus.Desc
}

type idpName struct{ tenant, idp string }

func newStaleness(now func() time.Time) *staleness {
	return &staleness{
		ends: map[idpName]time.Time{}, said: map[idpName]int{}, now: now,
		notes: prometheus.NewDesc("chancery_jwks_not_after_seconds", "Seconds until the inline keys of an IdP's entry end; negative: they have, and its assertions are refused.", []string{"tenant", "idp"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (w *staleness) Describe(to chan<- *prometheus.Desc) { to <- w.notes }

// Collect implements prometheus.Collector. The labels are names of objects: administrators make them.
func (w *staleness) Collect(to chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, end := range w.ends {
		to <- prometheus.MustNewConstMetric(w.notes, prometheus.GaugeValue, end.Sub(w.now()).Seconds(), name.tenant, name.idp)
	}
}

// take replaces what is known, and returns what a log should tell: each entry whose end came nearer than 30, 14, 3 or
// 0 days since it was last told of.
func (w *staleness) take(ends map[idpName]time.Time) map[idpName]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = ends
	tell := map[idpName]int{}
	said := map[idpName]int{}
	for name, end := range ends {
		days, reached := diagnose.Threshold(end.Sub(w.now()))
		if !reached || days > 30 {
			continue
		}
		said[name] = days
		if before, told := w.said[name]; !told || before != days {
			tell[name] = days
		}
	}
	w.said = said
	return tell
}

// watchStaleness looks until the context ends.
func (s *Server) watchStaleness(ctx context.Context) {
	ticks := time.NewTicker(stalenessEvery)
	defer ticks.Stop()
	for {
		ends, err := s.keyEnds(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.Log.Warn("the ends of IdPs' keys could not be looked up", "error", err)
		case err == nil:
			s.tellStale(ends)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

func (s *Server) tellStale(ends map[idpName]time.Time) {
	for name, days := range s.staleness.take(ends) {
		end := ends[name].UTC().Format(time.RFC3339)
		if days == 0 && !s.Now().Before(ends[name]) {
			s.Log.Error("an IdP's keys are stale: its assertions are refused", "code", "jwks_stale", "tenant", name.tenant, "idp", name.idp, "not_after", end, "do", "chancery idp bundle import")
			continue
		}
		s.Log.Warn("an IdP's keys end soon", "code", "jwks_stale", "tenant", name.tenant, "idp", name.idp, "not_after", end, "within_days", days, "do", "chancery idp bundle import")
	}
}

// keyEnds finds every entry with an end.
func (s *Server) keyEnds(ctx context.Context) (map[idpName]time.Time, error) {
	ends := map[idpName]time.Time{}
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		for after := ""; ; {
			found, err := s.path.List(ctx, t.Name, object.KindIdentityProvider, after, stalenessPage)
			if err != nil {
				return nil, err
			}
			for _, o := range found {
				spec, ok := o.Spec.(*object.IdentityProviderSpec)
				if !ok || spec.Disabled || !spec.JWKS.HasInlineKeys() || spec.JWKS.NotAfter == "" {
					continue
				}
				if end, err := time.Parse(time.RFC3339, spec.JWKS.NotAfter); err == nil {
					ends[idpName{t.Name, o.Metadata.Name}] = end
				}
			}
			if len(found) < stalenessPage {
				break
			}
			after = found[len(found)-1].Metadata.Name
		}
	}
	return ends, nil
}

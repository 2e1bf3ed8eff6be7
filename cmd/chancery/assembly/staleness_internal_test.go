package assembly

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The log tells once when an end comes nearer than 30, 14, 3 and 0 days, and again after a new end was set.
func TestStalenessIsToldOnce(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := newStaleness(func() time.Time { return now })
	name := idpName{"default", "okta"}
	end := now.Add(40 * 24 * time.Hour)
	told := func() (int, bool) {
		days, ok := w.take(map[idpName]time.Time{name: end})[name]
		return days, ok
	}
	for _, step := range []struct {
		pass time.Duration
		days int
		tell bool
	}{
		{0, 0, false},
		{10 * 24 * time.Hour, 30, true},
		{time.Minute, 0, false},
		{16 * 24 * time.Hour, 14, true},
		{11 * 24 * time.Hour, 3, true},
		{time.Minute, 0, false},
		{3 * 24 * time.Hour, 0, true},
		{30 * 24 * time.Hour, 0, false},
	} {
		now = now.Add(step.pass)
		if days, tell := told(); tell != step.tell || days != step.days {
			t.Errorf("%s before the end: told %v of %d days, want %v of %d", end.Sub(now), tell, days, step.tell, step.days)
		}
	}
	end = now.Add(90 * 24 * time.Hour) // a new bundle
	if _, tell := told(); tell {
		t.Error("told of a new end")
	}
	now = now.Add(80 * 24 * time.Hour)
	if days, tell := told(); !tell || days != 14 {
		t.Errorf("the new end comes near: %v %d", tell, days)
	}
	if len(w.take(nil)) != 0 {
		t.Error("told of what is gone")
	}
}

func TestStalenessIsMeasured(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := newStaleness(func() time.Time { return now })
	w.take(map[idpName]time.Time{{"default", "okta"}: now.Add(-time.Hour)})
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(w); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "chancery_jwks_not_after_seconds" || families[0].GetMetric()[0].GetGauge().GetValue() != -3600 {
		t.Errorf("%v %v", families, err)
	}
}

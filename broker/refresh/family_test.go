package refresh_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/refresh"
)

var (
	now    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	limits = refresh.Limits{Grace: 10 * time.Second, Idle: time.Hour, Absolute: 24 * time.Hour}
)

func family() refresh.Family {
	return refresh.Family{
		Generation: 5, BeganAt: now.Add(-2 * time.Hour), RotatedAt: now.Add(-time.Second), IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(22 * time.Hour), Now: now,
	}
}

func TestStanding(t *testing.T) {
	for _, c := range []struct {
		name       string
		generation int64
		rotated    time.Duration
		grace      time.Duration
		want       refresh.Standing
	}{
		{"the newest", 5, 0, 10 * time.Second, refresh.Newest},
		{"the newest, long ago", 5, time.Hour, 10 * time.Second, refresh.Newest},
		{"just replaced", 4, 10*time.Second - 1, 10 * time.Second, refresh.Replaced},
		{"at the end of the grace", 4, 10 * time.Second, 10 * time.Second, refresh.Reused},
		{"no grace", 4, 0, 0, refresh.Reused},
		{"two ago", 3, 0, 10 * time.Second, refresh.Reused},
		{"the first", 1, 0, 10 * time.Second, refresh.Reused},
		{"to come", 6, 0, 10 * time.Second, refresh.Foreign},
		{"never", 0, 0, 10 * time.Second, refresh.Reused},
	} {
		f, l := family(), limits
		f.RotatedAt, l.Grace = now.Add(-c.rotated), c.grace
		if got := f.Standing(c.generation, l); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestOver(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *refresh.Family, l *refresh.Limits)
		over   bool
	}{
		"alive":               {func(*refresh.Family, *refresh.Limits) {}, false},
		"a moment before":     {func(f *refresh.Family, _ *refresh.Limits) { f.IdleUntil = now.Add(1) }, false},
		"idle":                {func(f *refresh.Family, _ *refresh.Limits) { f.IdleUntil = now }, true},
		"over":                {func(f *refresh.Family, _ *refresh.Limits) { f.ExpiresAt = now }, true},
		"a shorter idle now":  {func(_ *refresh.Family, l *refresh.Limits) { l.Idle = time.Second }, true},
		"a shorter life now":  {func(_ *refresh.Family, l *refresh.Limits) { l.Absolute = 2 * time.Hour }, true},
		"a longer life now":   {func(f *refresh.Family, l *refresh.Limits) { f.ExpiresAt, l.Absolute = now, 1000*time.Hour }, true},
		"no times at all":     {func(f *refresh.Family, _ *refresh.Limits) { *f = refresh.Family{Now: now} }, true},
		"no limits whatever":  {func(_ *refresh.Family, l *refresh.Limits) { *l = refresh.Limits{} }, true},
		"a longer idle later": {func(f *refresh.Family, l *refresh.Limits) { f.IdleUntil, l.Idle = now, 1000*time.Hour }, true},
	} {
		f, l := family(), limits
		c.change(&f, &l)
		if f.Over(l) != c.over {
			t.Errorf("%s: over %t", name, !c.over)
		}
	}
}

func TestLimits(t *testing.T) {
	for name, change := range map[string]func(*refresh.Limits){
		"a grace of more than a minute": func(l *refresh.Limits) { l.Grace = time.Minute + 1 },
		"a grace before":                func(l *refresh.Limits) { l.Grace = -1 },
		"no idle end":                   func(l *refresh.Limits) { l.Idle = 0 },
		"no absolute end":               func(l *refresh.Limits) { l.Absolute = 0 },
		"longer than marks are kept":    func(l *refresh.Limits) { l.Absolute = refresh.MaxAbsolute + 1 },
	} {
		l := limits
		if change(&l); l.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, l := range []refresh.Limits{limits, {Idle: 1, Absolute: 1}} {
		if err := l.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestChoice(t *testing.T) {
	for name, c := range map[string]struct {
		choice refresh.Choice
		ok     bool
	}{
		"a family": {refresh.Choice{Family: "f"}, true},
		"a person": {refresh.Choice{UserUID: "u"}, true}, "a person and a client": {refresh.Choice{UserUID: "u", ClientUID: "c"}, true},
		"nothing": {refresh.Choice{}, false}, "a client": {refresh.Choice{ClientUID: "c"}, false},
		"two": {refresh.Choice{Family: "f", UserUID: "u"}, false}, "a family's client": {refresh.Choice{Family: "f", ClientUID: "c"}, false},
	} {
		if (c.choice.Validate() == nil) != c.ok {
			t.Errorf("%s: taken %t", name, !c.ok)
		}
	}
}

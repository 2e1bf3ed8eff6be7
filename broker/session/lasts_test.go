package session_test

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// What was granted within a session outlasts an idle browser, and nothing else.
func TestLasts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *desk)
		alive  bool
		lasts  bool
	}{
		"in use":            {func(*desk) {}, true, true},
		"idle":              {func(d *desk) { d.clock = d.clock.Add(7 * time.Hour) }, false, true},
		"over":              {func(d *desk) { d.clock = d.clock.Add(8 * time.Hour) }, false, false},
		"a shorter life":    {func(d *desk) { d.clock, d.tenant.SignIn.Absolute = d.clock.Add(time.Minute), time.Minute }, false, false},
		"no limit":          {func(d *desk) { d.tenant.SignIn.Idle = 0 }, false, false},
		"no absolute limit": {func(d *desk) { d.tenant.SignIn.Absolute = 0 }, false, false},
		"the IdP disabled":  {func(d *desk) { d.edit(func(p *federation.IdentityProvider) { p.Disabled = true }) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			c.change(d)
			lasts, err := d.Lasts(t.Context(), d.tenant, d.first.Handle)
			if err != nil || (lasts != nil) != c.lasts {
				t.Errorf("it lasts: %v, %v", lasts, err)
			}
			if lasts != nil && !lasts.SeenAt.Equal(d.first.SeenAt) {
				t.Errorf("seen at %s", lasts.SeenAt)
			}
			alive, err := d.Alive(t.Context(), d.tenant, d.first.Handle)
			if err != nil || (alive != nil) != c.alive {
				t.Errorf("it is alive: %v, %v", alive, err)
			}
		})
	}
	d := newDesk(t)
	if s, err := d.Lasts(t.Context(), d.tenant, [32]byte{9}); err != nil || s != nil {
		t.Errorf("a handle of nothing: %v, %v", s, err)
	}
}

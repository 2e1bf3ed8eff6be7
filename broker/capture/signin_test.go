package capture_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func arrival(s *scene) signin.Sighting {
	return signin.Sighting{
		Tenant: acme, At: s.now, Trace: "trc_2", IdPUID: "idp_1", IdP: "okta", Code: "acr_unmet", Verified: true, Said: map[string]any{"sub": "alice"},
		Checks: []audit.Check{{Name: "signature", OK: true}, {Name: "acr", Received: "pwd", Expected: "phr"}},
	}
}

// Somebody's sign-in is shown as an assertion is: once, and no second.
func TestSignInIsShownOnce(t *testing.T) {
	s := newScene(t)
	arm := s.arm()
	first, second := arrival(s), arrival(s)
	second.Trace = "trc_9"
	s.watch.OfferSignIn(first)
	s.watch.OfferSignIn(second)
	s.settle()
	seen, err := s.take(arm)
	if err != nil || seen == nil {
		t.Fatal(seen, err)
	}
	if seen.Kind != capture.KindSignIn || seen.Trace != "trc_2" || seen.Granted || !seen.Verified || seen.Claims["sub"] != "alice" || len(seen.Rows) != 2 ||
		seen.Rows[1].Code != "acr_unmet" || seen.Rows[1].Change == "" {
		t.Errorf("%+v", seen)
	}
}

func TestSignInsOfOthersAreNotShown(t *testing.T) {
	for name, change := range map[string]func(*signin.Sighting){
		"another IdP":    func(a *signin.Sighting) { a.IdPUID = "idp_2" },
		"another tenant": func(a *signin.Sighting) { a.Tenant = tenant.MustParseUID("ten_01JOTHER000000000000000000") },
		"nobody's":       func(a *signin.Sighting) { a.Tenant = tenant.UID{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			arm, a := s.arm(), arrival(s)
			change(&a)
			s.watch.OfferSignIn(a)
			s.settle()
			if seen, err := s.take(arm); err != nil || seen != nil {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}

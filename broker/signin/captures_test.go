package signin_test

import (
	"net/http/httptest"
	"testing"

	"github.com/chancery-dev/chancery/broker/signin"
)

type sightings struct{ seen []signin.Sighting }

func (s *sightings) OfferSignIn(one signin.Sighting) { s.seen = append(s.seen, one) }

// Who waits for a sign-in sees what the IdP said, and no token; rubbish that nobody left for is not shown.
func TestArrivalsAreShown(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	shown := &sightings{}
	h.Captures = shown
	h.mustSignIn(b, "okta", signin.Ask{})
	if len(shown.seen) != 1 {
		t.Fatalf("%d arrivals were shown", len(shown.seen))
	}
	one := shown.seen[0]
	if one.Code != "" || !one.Verified || one.IdP != "okta" || one.Trace == "" || len(one.Checks) < 10 || one.Said["email"] != "alice@acme.com" || one.Said["sub"] == nil {
		t.Errorf("%+v %v", one, one.Said)
	}
	for name := range one.Said {
		if name == "id_token" || name == "hint" {
			t.Errorf("%s is shown", name)
		}
	}
	idp, found := h.tenant().Registry.Named("okta")
	if !found {
		t.Fatal("no okta")
	}
	_, err := h.ArriveOpenID(t.Context(), h.tenant(), idp, map[string][]string{"code": {"x"}, "state": {"y"}}, httptest.NewRequest("GET", "/", nil))
	if err == nil || len(shown.seen) != 1 {
		t.Errorf("rubbish: %v, %d shown", err, len(shown.seen))
	}
}

package grant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// viewer keeps what it is shown.
type viewer struct{ all []grant.Sighting }

func (s *viewer) Offer(one grant.Sighting) { s.all = append(s.all, one) }

// Each decided assertion is shown once with what came of it; who proved nothing shows nothing.
func TestAssertionsAreShown(t *testing.T) {
	w := newWorld(t)
	shown := &viewer{}
	w.Captures = shown
	good := w.ask(t)
	if _, err := w.send(t, good); err != nil {
		t.Fatal(err)
	}
	_, _ = w.send(t, w.ask(t, idptest.WithAudience(issuer+"/")))
	if len(shown.all) != 2 || shown.all[0].Code != "" || string(shown.all[1].Code) != "aud_not_us" {
		t.Fatalf("%+v", shown.all)
	}
	if one := shown.all[0]; one.Client != "agent" || one.IdP != "acme" || len(one.Checks) == 0 || one.Assertion != good.form.Get("assertion") || one.Trace == "" {
		t.Errorf("%d checks of %s at %s", len(one.Checks), one.Client, one.IdP)
	}
	if text := fmt.Sprintf("%v %+v %#v", shown.all[0], shown.all[0], shown.all[0]); strings.Contains(text, good.form.Get("assertion")) {
		t.Error("printed with the assertion")
	}
	for name, a := range map[string]ask{
		"wrong secret": w.ask(t).with("client_secret", "wrong"),
		"no secret":    w.ask(t).with("client_secret"),
		"no assertion": w.ask(t).with("assertion"),
	} {
		if _, err := w.send(t, a); err == nil || len(shown.all) != 2 {
			t.Errorf("%s: %v, %d shown", name, err, len(shown.all))
		}
	}
}

package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const strong = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: strong}
spec:
  role: guard
  modules:
    strong.rego: |
      package chancery.authz
      decision := {"allow": true, "step_up": {"max_age": 300}}
---`

// A link that a person finishes in many tabs, over two replicas, is finished once, and what he proved counts on both.
func TestOneInteraction(t *testing.T) {
	w, db := people(t, harness.SignInObjects+strong)
	assertion := w.IdP.IDJAG(idptest.Alice)
	asked := w.Send(w.Server(), w.NewCall(assertion)).Refused(t, http.StatusBadRequest, "insufficient_user_authentication", "step_up_required")
	alice := harness.NewPerson(t, "alice")
	back := alice.Way(asked.Interaction, w.Issuer+"/federation/oidc/okta/callback")
	home := crowd(w, alice, w.Issuer+"/interact/", 1, http.MethodGet, back.Outside.String(), nil)
	page := rush(t, home)[0]
	if page.Outside == nil || !strings.HasPrefix(page.Outside.String(), asked.Interaction) {
		t.Fatalf("%d %v %s", page.Status, page.Outside, page.Body)
	}
	w.Send(w.Replicas[1], w.NewCall(assertion)).Refused(t, http.StatusBadRequest, "insufficient_user_authentication", "step_up_required")
	pages := rush(t, crowd(w, home[0].who, "", 12, http.MethodGet, page.Outside.String(), nil))
	one(t, pages, func(p *harness.Page) bool { return p.Status == http.StatusOK && len(p.Forms) == 0 }, "interaction_gone")
	counts(t, db, map[string]int{"interactions": 1, "interactions where finished_at is not null": 1, event1("interaction.finished"): 1, "sessions": 1})
	w.Send(w.Replicas[1], w.NewCall(assertion)).Granted(t)
	w.Send(w.Replicas[0], w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t)
}

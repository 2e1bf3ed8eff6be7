package vend_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// An account that the company does not let in is connected for nobody, and given back to its provider.
func TestForeignAccount(t *testing.T) {
	w := start(t, harness.Options{Engine: harness.SQLite, Env: environment()})
	tracker := w.serve("tracker", singleUse)
	w.Apply(w.Server(), strings.Replace(tracker.object, "  default_scopes:", "  accounts: {email_domains: [acme.com]}\n  default_scopes:", 1))
	p := w.signedIn("alice")
	says(t, w.returns(p, tracker), http.StatusForbidden, "connect_account_not_allowed")
	if n := tracker.Count("revoke"); n != 1 {
		t.Errorf("given back %d times", n)
	}
	says(t, p.Open(w.Issuer+"/connections"), http.StatusOK, "You have connected none.")
	w.borrow(w.Server(), alice, "tracker").Refused(t, http.StatusBadRequest, "interaction_required", "connection_required")
	w.Apply(w.Server(), tracker.object)
	w.connects(p, tracker)
	w.borrow(w.Server(), alice, "tracker").Granted(t)
}

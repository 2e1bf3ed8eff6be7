package oauth_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
)

// TestDiagnosticsAreKnownAndStayInside: each finding has its page in docs/errors, and none is ever sent to a client.
func TestDiagnosticsAreKnownAndStayInside(t *testing.T) {
	for _, code := range diagnose.Codes() {
		row, ok := oauth.Lookup(oauth.Code(code))
		if !ok {
			t.Errorf("%s is not in the catalogue", code)
			continue
		}
		want := oauth.CodeInternal
		if code == federation.CodeJWKSStale { // assertions are refused with it too
			want = oauth.CodeAssertionUntrusted
		}
		if public := oauth.Public(row.Code).Code; public != want {
			t.Errorf("%s reads %s outside", code, public)
		}
	}
}

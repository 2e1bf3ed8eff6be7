package session_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/session"
)

// TestForeignACR: an IdP cannot say that a passkey was shown here.
func TestForeignACR(t *testing.T) {
	for acr, want := range map[string]string{"": "", "phr": "phr", "urn:acr": "urn:acr", session.ACRPasskey: "", "urn:chancery:acr:anything": "", "URN:chancery:acr:passkey": "URN:chancery:acr:passkey"} {
		if got := session.ForeignACR(acr); got != want {
			t.Errorf("%q became %q", acr, got)
		}
	}
}

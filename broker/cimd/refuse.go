package cimd

import (
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

const maxReceived = 256

// refuse says what was found and what was expected. What was found is a
// stranger's: it is cut, and never leaves through the wire.
func refuse(code oauth.Code, received, expected string) *oauth.Error {
	if len(received) > maxReceived {
		received = strings.ToValidUTF8(received[:maxReceived], "") // a cut through a letter
	}
	return oauth.Refuse(code, received, expected)
}

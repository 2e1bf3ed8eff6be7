package assertion_test

import (
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestAccessTokensAreNoGrants: a token that says it is an access token (RFC 9068, PingOne's from March 2027) is one under
// every profile, however the type is written.
func TestAccessTokensAreNoGrants(t *testing.T) {
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt"} {
		for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
			s := sceneOf(t, profile)
			s.refused(s.idp.Plain("alice", idptest.WithHeader("typ", typ)), federation.CodeTypWrong)
		}
		s := newScene(t)
		s.refused(s.idp.IDJAG("alice", idptest.WithHeader("typ", typ)), federation.CodeTypWrong)
	}
}

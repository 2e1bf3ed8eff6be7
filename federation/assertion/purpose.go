package assertion

import (
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// ofIDTokens are claims that an IdP puts into ID tokens alone: they bind one to the
// request for it or to what came with it (OIDC Core §2, §3.3.2.11; FAPI 1.0 part 2 §5.1).
var ofIDTokens = []string{"nonce", "at_hash", "c_hash", "s_hash"}

// checkPurpose: where typ says nothing, the claims tell tokens that were made for
// something else (T10, RFC 8725 §3.12: mutually exclusive rules for each kind). An
// ID token is for the client that asked for it, and lies about in many places.
func (w *walk) checkPurpose(c *claimSet) error {
	for _, name := range ofIDTokens {
		if c.claims.Has(name) {
			return w.trail.Refuse(federation.CodeIDTokenPresented, name, "an ID token", "an assertion for us", nil)
		}
	}
	if c.claims.Has("events") { // OIDC Back-Channel Logout §2.4, RFC 8417 §2.2
		return w.trail.Refuse(federation.CodeTypWrong, "events", "a logout token or a security event", "an assertion for us", nil)
	}
	for _, name := range []string{"typ", "token_use"} { // Keycloak; Amazon Cognito
		kind, present, err := c.claims.String(name)
		switch {
		case err != nil:
			return refuseClaim(&w.trail, name, err)
		case !present:
			continue
		}
		switch strings.ToLower(kind) {
		case "id", "serialized-id":
			return w.trail.Refuse(federation.CodeIDTokenPresented, name, "an ID token", "an assertion for us", nil)
		case "refresh", "offline", "logout", "initial access token", "registration access token":
			return w.trail.Refuse(federation.CodeTypWrong, name, kind, "an assertion for us", nil)
		}
	}
	// An access token of this dialect names the application that it was issued to
	// (azp in version 2, appid in version 1); an ID token names none.
	if w.idp.Dialect.NamesApplication {
		application := c.text("azp") + c.text("appid")
		switch {
		case c.refusal != nil:
			return c.refusal
		case application == "":
			return w.trail.Refuse(federation.CodeIDTokenPresented, "azp", "no application", "an access token, which names its application", nil)
		}
	}
	w.trail.Pass("purpose", "no mark of another kind of token", "an assertion for us")
	return nil
}

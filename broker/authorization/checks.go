package authorization

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
)

const (
	methodS256 = "S256"
	digestSize = 32
)

// responseMode: form_post needs a page of http at the other end, a program behind a private-use scheme has none. What
// cannot be honoured is refused by the mode that always can.
func responseMode(asked, uri string) (Mode, *oauth.Error) {
	switch {
	case asked == "" || asked == string(Query): // the default of response type code
		return Query, nil
	case asked == string(FormPost) && (strings.HasPrefix(uri, "https:") || strings.HasPrefix(uri, "http:")):
		return FormPost, nil
	default:
		return Query, oauth.Refuse(oauth.CodeResponseModeUnsupported, printable(asked), "query or form_post")
	}
}

// checkForm is about what kind of request it is.
func checkForm(a Ask) *oauth.Error {
	form := a.Form
	// OIDC Core §3.1.2.6: what would change the request and is not understood is refused by its own error. The claims
	// parameter asks for claims; whoever does not support it gives what it sees fit (§5.5), so it is ignored.
	if form.Get("request") != "" {
		return oauth.Refuse(oauth.CodeRequestObjectUnsupported, "request", "the parameters themselves")
	}
	if uri := form.Get("request_uri"); uri != "" {
		if a.Via == Pushing { // RFC 9126 §2.1
			return oauth.Refuse(oauth.CodeRequestURIPushed, "request_uri", "the parameters themselves")
		}
		return oauth.Refuse(oauth.CodeRequestURIUnsupported, printable(uri), "one that was pushed here") // never fetched (RFC 9101 §10.4)
	}
	if form.Get("registration") != "" {
		return oauth.Refuse(oauth.CodeRegistrationUnsupported, "registration", "a client that was registered before")
	}
	if form.Get("authorization_details") != "" { // RFC 9396 §5: no type is known
		return oauth.Refuse(oauth.CodeAuthorizationDetailsUnsupported, "authorization_details", "none")
	}
	if a.Party.MustPush && a.Via == Browser { // RFC 9126 §6
		return oauth.Refuse(oauth.CodePushedRequestRequired, "a request by the browser", "a pushed one")
	}
	switch form.Get("response_type") {
	case "":
		return oauth.Refuse(oauth.CodeParameterMissing, "no response_type", "response_type=code")
	case "code":
		return nil
	default: // no implicit flow, no hybrid one (OAuth 2.1 §10)
		return oauth.Refuse(oauth.CodeResponseTypeUnsupported, printable(form.Get("response_type")), "code")
	}
}

// checkGrant: a client of a platform's workload is never sent a browser, whatever it lists.
func (r *Request) checkGrant(Ask) *oauth.Error {
	if !r.client.MayUse(GrantType) || r.client.Auth.Method == client.MethodWorkload {
		return oauth.Refuse(oauth.CodeClientGrantNotAllowed, strings.Join(r.client.GrantTypes, " "), GrantType)
	}
	return nil
}

// readChallenge requires S256 of everybody (RFC 7636, OAuth 2.1 §7.5.1), confidential clients included (T34).
func (r *Request) readChallenge(a Ask) *oauth.Error {
	challenge, method := a.Form.Get("code_challenge"), a.Form.Get("code_challenge_method")
	switch {
	case challenge == "":
		return oauth.Refuse(oauth.CodeCodeChallengeMissing, "no code_challenge", "code_challenge")
	case method != methodS256: // RFC 7636 §4.3: absent means plain
		return oauth.Refuse(oauth.CodeCodeChallengeMethodUnsupported, fmt.Sprintf("%.20q", method), methodS256)
	case !isDigest(challenge):
		return oauth.Refuse(oauth.CodeCodeChallengeMalformed, fmt.Sprintf("%d characters", len(challenge)), "a SHA-256 digest in base64url")
	}
	r.challenge = challenge
	return nil
}

// readThumbprint: RFC 9449 §10. With a pushed request a proof may say it, alone or too (§10.1).
func (r *Request) readThumbprint(a Ask) *oauth.Error {
	r.thumbprint = a.Form.Get("dpop_jkt")
	switch {
	case r.thumbprint != "" && !isDigest(r.thumbprint):
		return oauth.Refuse(oauth.CodeDPoPJktMalformed, fmt.Sprintf("%d characters", len(r.thumbprint)), "a SHA-256 thumbprint in base64url")
	case a.Thumbprint == "":
		return nil
	case r.thumbprint != "" && r.thumbprint != a.Thumbprint:
		return oauth.Refuse(oauth.CodeDPoPJktMismatch, r.thumbprint, a.Thumbprint)
	case !isDigest(a.Thumbprint):
		return oauth.Refuse(oauth.CodeInternal, "", "")
	}
	r.thumbprint = a.Thumbprint
	return nil
}

// isDigest: 43 characters of base64url, the last without loose bits: anything else is the digest of nothing.
func isDigest(s string) bool {
	if len(s) != base64.RawURLEncoding.EncodedLen(digestSize) {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(raw) == digestSize // the decoder skips line breaks
}

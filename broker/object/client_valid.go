package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/id"
)

// grantTypes are those of docs/grants.md.
func grantTypes() []string {
	return []string{
		GrantAuthorizationCode, GrantRefreshToken, GrantClientCredentials, GrantJWTBearer, GrantJWTDPoP,
		GrantSAML2Bearer, GrantTokenExchange, GrantDeviceCode,
	}
}

// minting are the grants that give tokens of ours: token exchange lends what others gave.
func minting() []string {
	return slices.DeleteFunc(grantTypes(), func(g string) bool { return g == GrantTokenExchange })
}

// maxRedirects bounds where the answers of one client may go.
const maxRedirects = 50

// Validate implements Spec.
func (s *ClientSpec) Validate() error {
	var f findings
	f.value("spec.client_id", s.ClientID, clientIDProblem)
	if isUserID(s.ClientID) {
		f.addCode("client_id_reserved", "spec.client_id", "%s begins as the ids of our users do (%s): the sub of a client's own token is its client_id, "+
			"and must never be a user's; choose another", quote(s.ClientID), userPrefix)
	}
	f.text("spec.display_name", s.DisplayName)
	f.text("spec.owner", s.Owner)
	f.oneOf("spec.type", s.Type, TypeConfidential, TypePublic)
	f.value("spec.expires_at", s.ExpiresAt, timeProblem)
	s.checkAuth(&f)
	f.redirects("spec.redirect_uris", s.RedirectURIs)
	f.redirects("spec.post_logout_redirect_uris", s.PostLogoutRedirectURIs)
	f.oneOf("spec.consent", s.Consent, ConsentExplicit, ConsentAdmin)
	f.eachOf("spec.grant_types", s.GrantTypes, grantTypes()...)
	f.each("spec.scopes", s.Scopes, scopeProblem)
	f.each("spec.resources", s.Resources, nameProblem)
	f.oneOf("spec.dpop", s.DPoP, DPoPOptional, DPoPRequired)
	f.text("spec.plan", s.Plan)
	f.text("spec.environment", s.Environment)
	f.each("spec.exchange.subject_clients", s.Exchange.SubjectClients, clientNameProblem)
	if d := s.Exchange.MaxDepth; d != nil && (*d < 0 || *d > DefaultMaxDepth) {
		f.add("spec.exchange.max_depth", "%d is out of bounds: expected 0 to %d", *d, DefaultMaxDepth)
	}
	for idp, id := range s.IdPClientIDs {
		f.value("spec.idp_client_ids", idp, nameProblem)
		f.text("spec.idp_client_ids", id)
	}
	return f.err()
}

// clientIDProblem: RFC 6749 §A.1 printable ASCII; what looks like a URL is the
// address of a metadata document.
func clientIDProblem(s string) string {
	if len(s) > 255 {
		return "is longer than 255 bytes"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
		return "holds characters besides printable ASCII (RFC 6749 §A.1)"
	}
	if strings.HasPrefix(strings.ToLower(s), "http") && strings.Contains(s, "://") {
		return httpsProblem(s)
	}
	return ""
}

const userPrefix = string(id.User) + "_"

// isUserID: in any case of letters, since a resource may fold what it compares.
func isUserID(s string) bool {
	return len(s) >= len(userPrefix) && strings.EqualFold(s[:len(userPrefix)], userPrefix)
}

func (s *ClientSpec) checkAuth(f *findings) {
	a := s.Auth
	f.oneOf("spec.auth.method", a.Method, AuthPrivateKeyJWT, AuthSecretBasic, AuthSecretPost, AuthTLS, AuthWorkload, AuthNone)
	f.oneOf("spec.auth.audience", a.Audience, AudienceIssuer, AudienceIssuerOrToken)
	f.value("spec.auth.jwks_uri", a.JWKSURI, httpsProblem)
	f.secretRef("spec.auth.secret", a.Secret)
	if a.HasInlineKeys() {
		checkKeySet(f, "spec.auth.jwks", a.JWKS, false)
		if a.JWKSURI != "" {
			f.add("spec.auth", "names both jwks and jwks_uri: expected one (RFC 7591 §2)")
		}
	}
	hasKeys := a.HasInlineKeys() || a.JWKSURI != ""
	switch {
	case s.Type == TypePublic:
		s.checkPublic(f)
		return
	case a.Method == AuthWorkload:
		s.checkWorkload(f)
		return
	case a.Method == "":
		f.add("spec.auth.method", "is required for a confidential client: expected %s", alternatives([]string{AuthPrivateKeyJWT, AuthSecretBasic, AuthSecretPost}))
	case a.Method == AuthNone:
		f.add("spec.auth.method", "none is for a client of type public")
	case a.Method == AuthPrivateKeyJWT && !hasKeys:
		f.add("spec.auth", "private_key_jwt needs jwks or jwks_uri: without keys the check would be empty")
	}
	if !a.Secret.IsZero() && !a.UsesSecret() {
		f.add("spec.auth.secret", "is for client_secret_basic and client_secret_post")
	}
}

// checkPublic: a client that cannot keep a credential has none (RFC 6749 §2.1).
func (s *ClientSpec) checkPublic(f *findings) {
	if s.Auth.Method != "" && s.Auth.Method != AuthNone {
		f.add("spec.auth.method", "a client of type public does not authenticate: expected none")
	}
	if !s.Auth.Secret.IsZero() {
		f.add("spec.auth.secret", "a client of type public has no secret")
	}
	// RFC 7522 §2.1 with nobody authenticated would be a token for whoever saw an assertion, which no key is bound to.
	if slices.Contains(s.GrantTypes, GrantSAML2Bearer) {
		f.addCode("unauthorized_client", "spec.grant_types", "saml2-bearer is for a confidential client: a SAML assertion is bound to no key")
	}
	// RFC 6749 §4.4: the grant is the client's own authority, and whoever sends its name has proved nothing.
	if slices.Contains(s.GrantTypes, GrantClientCredentials) {
		f.addCode("unauthorized_client", "spec.grant_types", "client_credentials is for a confidential client (RFC 6749 §4.4)")
	}
	if slices.Contains(s.GrantTypes, GrantTokenExchange) {
		f.addCode("unauthorized_client", "spec.grant_types", "token-exchange is for a confidential client: what is lent is a provider's, and bound to no key of ours")
	}
}

// checkWorkload: a client without a credential has no member that looks like one,
// and no grant in which it would have to authenticate.
func (s *ClientSpec) checkWorkload(f *findings) {
	a := s.Auth
	if a.HasInlineKeys() || a.JWKSURI != "" || !a.Secret.IsZero() || a.Audience != "" {
		f.add("spec.auth", "method workload has neither keys, a secret nor an audience: the client is reached through a Workload only")
	}
	for i, grant := range s.GrantTypes {
		if grant != GrantJWTBearer && grant != GrantJWTDPoP {
			f.add(fmt.Sprintf("spec.grant_types[%d]", i), "%s needs a client that authenticates: a client of method workload presents its platform's tokens "+
				"(%s)", quote(grant), GrantJWTBearer)
		}
	}
}

// Warnings says what has no effect yet and what denies.
func (s *ClientSpec) Warnings() []Problem {
	var f findings
	if s.Auth.HasInlineKeys() {
		keyWarnings(&f, "spec.auth.jwks", s.Auth.JWKS, false)
	}
	if s.Auth.Method == AuthTLS {
		f.notServed("spec.auth.method", "tls_client_auth (the client cannot authenticate)")
	}
	s.codeWarnings(&f)
	if len(s.Exchange.SubjectClients) > 0 || s.Exchange.MaxDepth != nil {
		f.notServed("spec.exchange", "token exchange")
	}
	f.denies("spec.grant_types", s.GrantTypes, "the client can use no grant")
	if slices.ContainsFunc(s.GrantTypes, func(g string) bool { return slices.Contains(minting(), g) }) {
		f.denies("spec.resources", s.Resources, "the client gets tokens for no resource")
		f.denies("spec.scopes", s.Scopes, "the client gets no scope")
	}
	return f.problems
}

// codeWarnings is about what comes of a person's sign-in.
func (s *ClientSpec) codeWarnings(f *findings) {
	lists := func(g string) bool { return slices.Contains(s.GrantTypes, g) }
	if lists(GrantAuthorizationCode) {
		f.denies("spec.redirect_uris", s.RedirectURIs, "the client can be sent no code (authorization_code)")
	} else if len(s.RedirectURIs) > 0 {
		f.addCode("absent_denies", "spec.grant_types", "lacks authorization_code: the client's redirect_uris are not used")
	}
	if lists(GrantRefreshToken) && !lists(GrantAuthorizationCode) && !lists(GrantDeviceCode) {
		f.addCode("refresh_alone", "spec.grant_types", "refresh_token has an effect beside authorization_code or device_code only: no other grant gives a refresh token")
	}
	if s.Consent == ConsentAdmin && s.Type == TypePublic && !slices.ContainsFunc(s.RedirectURIs, isWebRedirect) {
		f.addCode("consent_unproved", "spec.consent", "admin: nothing shows which program answers at a loopback address or under a scheme of its own, so any program on a "+
			"person's machine gets this client's tokens without asking; explicit asks")
	}
}

// isWebRedirect: an https address is its owner's alone.
func isWebRedirect(uri string) bool { return strings.HasPrefix(uri, "https://") }

// redirects checks places that a browser is sent to.
func (f *findings) redirects(path string, list []string) {
	if len(list) > maxRedirects {
		f.add(path, "%d URIs: at most %d", len(list), maxRedirects)
		return
	}
	f.each(path, list, redirectProblem)
}

// Keys implements Spec.
func (s *ClientSpec) Keys() []Key {
	if s.ClientID == "" {
		return nil
	}
	return []Key{{Space: SpaceClientID, Value: s.ClientID, Exclusive: true}}
}

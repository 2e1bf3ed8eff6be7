package idptest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// exchange is leg 1 (ID-JAG §4.3, RFC 8693 §2): an ID token, or a refresh token,
// becomes an ID-JAG for one audience.
func (p *IdP) exchange(r *http.Request, client Client, f form) (map[string]any, *oauthError) {
	if requested := f.values["requested_token_type"]; requested != TokenTypeIDJAG {
		return nil, refuse("invalid_request", "requested_token_type must be "+TokenTypeIDJAG)
	}
	if f.values["actor_token"] != "" {
		return nil, refuse("invalid_request", "actor_token is not supported")
	}
	s, err := p.subject(client, f)
	if err != nil {
		return nil, err
	}
	audience, found := p.audience(f.values["audience"])
	if !found {
		return nil, refuse("invalid_target", "audience is not a known authorization server")
	}
	for _, resource := range f.resources { // rejected, not dropped
		if !slices.Contains(audience.Resources, resource) {
			return nil, refuse("invalid_target", "resource is not behind this audience")
		}
	}
	scopes, err := grantable(audience, f.values["scope"])
	if err != nil {
		return nil, err
	}
	jkt, err := p.proof(r)
	if err != nil {
		return nil, err
	}
	draft := p.idJAG(grant{
		signin: s, audience: audience.Issuer, clientID: client.idAt(audience.Issuer),
		resources: f.resources, scopes: scopes, jkt: jkt,
	})
	p.mu.Lock()
	broken := p.broken
	p.mu.Unlock()
	if broken != nil {
		broken.Break(draft, p)
	}
	assertion, failure := draft.Sign()
	if failure != nil {
		return nil, &oauthError{status: http.StatusInternalServerError, code: "server_error", description: failure.Error()}
	}
	answer := map[string]any{
		"issued_token_type": TokenTypeIDJAG, "access_token": assertion,
		"token_type": "N_A", "expires_in": int(IDJAGLifetime.Seconds()), // never a refresh token
	}
	if len(scopes) > 0 {
		answer["scope"] = join(scopes)
	}
	return answer, nil
}

// subject verifies the subject token: ours, for this client, and not expired.
func (p *IdP) subject(client Client, f form) (signin, *oauthError) {
	token := f.values["subject_token"]
	switch f.values["subject_token_type"] {
	case TokenTypeIDToken:
		return p.readIDToken(client, token)
	case TokenTypeRefreshToken:
		s, err := p.refreshed(client, token)
		return s.signin, err
	case "":
		return signin{}, refuse("invalid_request", "subject_token_type is missing")
	default:
		return signin{}, refuse("invalid_request", "subject_token_type is not supported")
	}
}

func (p *IdP) readIDToken(client Client, token string) (signin, *oauthError) {
	bad := refuse("invalid_grant", "subject_token")
	message, err := jws.Parse(token)
	if err != nil || message.Header().Type != "jwt" {
		return signin{}, bad
	}
	keys, _, err := jwks.Parse(p.Keys())
	if err != nil {
		return signin{}, bad
	}
	claims, _, err := message.VerifyClaims(keys, []string{p.options.Algorithm})
	if err != nil {
		return signin{}, bad
	}
	issuer, _, _ := claims.String("iss")
	audience, _, _ := claims.Audience()
	subject, _, _ := claims.String("sub")
	expires, _, _ := claims.Time("exp")
	if issuer != p.options.Issuer || !slices.Equal(audience, []string{client.ID}) || !p.Now().Before(expires) {
		return signin{}, bad
	}
	user, err := p.User(subject)
	if err != nil {
		return signin{}, bad
	}
	s := signin{user: user}
	s.at, _, _ = claims.Time("auth_time")
	s.acr, _, _ = claims.String("acr")
	s.amr, _, _ = claims.Strings("amr")
	return s, nil
}

// grantable narrows the scopes to what the audience may be told.
func grantable(audience Audience, asked string) ([]string, *oauthError) {
	scopes := strings.Fields(asked)
	if audience.Scopes == nil || len(scopes) == 0 {
		return scopes, nil
	}
	granted := slices.DeleteFunc(scopes, func(scope string) bool { return !slices.Contains(audience.Scopes, scope) })
	if len(granted) == 0 {
		return nil, refuse("invalid_scope", "none of the scopes may be asserted")
	}
	return granted, nil
}

// proof reads a DPoP proof, if there is one, and returns its key's thumbprint:
// with it, the ID-JAG is bound (ID-JAG §4.3.3, RFC 9449 §4.3).
func (p *IdP) proof(r *http.Request) (jkt string, failure *oauthError) {
	header := r.Header.Values("DPoP")
	if len(header) == 0 {
		return "", nil
	}
	bad := refuse("invalid_dpop_proof", "")
	message, err := jws.Parse(header[0])
	if err != nil || len(header) > 1 || message.Header().Type != "dpop+jwt" {
		return "", bad
	}
	key, err := jwks.ParseKey(message.Header().JWK)
	if err != nil {
		return "", bad
	}
	claims, _, err := message.VerifyClaims([]jwks.Key{key}, jws.Algorithms())
	if err != nil {
		return "", bad
	}
	method, _, _ := claims.String("htm")
	target, _, _ := claims.String("htu")
	issued, _, _ := claims.Time("iat")
	if method != http.MethodPost || target != p.TokenEndpoint() || p.Now().Sub(issued).Abs() > time.Minute {
		return "", bad
	}
	return key.Thumbprint, nil
}

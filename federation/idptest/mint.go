package idptest

import (
	"maps"
	"slices"
	"time"
)

// signin is how somebody signed in.
type signin struct {
	user User
	at   time.Time // zero when the IdP does not say
	acr  string
	amr  []string
}

func (s signin) describe(claims map[string]any) {
	if !s.at.IsZero() {
		claims["auth_time"] = s.at.Unix()
	}
	if s.acr != "" {
		claims["acr"] = s.acr
	}
	if len(s.amr) > 0 {
		claims["amr"] = s.amr
	}
}

func minted(user User) signin {
	return signin{user: user, at: user.AuthTime, acr: user.ACR, amr: user.AMR}
}

// IDToken makes an ID token of a user for a client of the IdP.
func (p *IdP) IDToken(user, clientID string, options ...Option) (string, error) {
	who, err := p.User(user)
	if err != nil {
		return "", err
	}
	draft := p.idToken(minted(who), clientID, "")
	for _, option := range options {
		option(draft)
	}
	return draft.Sign()
}

func (p *IdP) idToken(s signin, clientID, nonce string) *Draft {
	key, now := p.SigningKey(), p.Now()
	claims := map[string]any{
		"iss": p.options.Issuer, "sub": s.user.Subject, "aud": clientID,
		"iat": now.Unix(), "exp": now.Add(IDTokenLifetime).Unix(), "jti": random(),
		"email": s.user.Email, "email_verified": s.user.EmailVerified,
		"name": s.user.DisplayName, "preferred_username": s.user.Name,
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if len(s.user.Groups) > 0 {
		claims["groups"] = s.user.Groups
	}
	s.describe(claims)
	s.addOwn(claims)
	return &Draft{Header: map[string]any{"alg": key.Algorithm, "kid": key.ID, "typ": "JWT"}, Claims: claims, Key: key}
}

func (s signin) addOwn(claims map[string]any) {
	if s.user.Tenant != "" {
		claims["tenant"] = s.user.Tenant
	}
	maps.Copy(claims, s.user.Claims)
}

// IDJAG makes an identity assertion grant of a user: for the first audience, its
// first resource and all its scopes, to the first client, unless options say
// otherwise.
func (p *IdP) IDJAG(user string, options ...Option) (string, error) {
	draft, err := p.Draft(user, options...)
	if err != nil {
		return "", err
	}
	return draft.Sign()
}

// Draft is IDJAG before it is signed.
func (p *IdP) Draft(user string, options ...Option) (*Draft, error) {
	who, err := p.User(user)
	if err != nil {
		return nil, err
	}
	audience, client := p.defaults()
	g := grant{
		signin: minted(who), audience: audience.Issuer, clientID: client.idAt(audience.Issuer),
		resources: audience.Resources[:min(1, len(audience.Resources))], scopes: audience.Scopes,
	}
	draft := p.idJAG(g)
	for _, option := range options {
		option(draft)
	}
	return draft, nil
}

// grant is what an ID-JAG says.
type grant struct {
	signin    signin
	audience  string
	clientID  string // at the audience
	resources []string
	scopes    []string
	jkt       string
}

// idJAG: ID-JAG §3.1.
func (p *IdP) idJAG(g grant) *Draft {
	key, now := p.SigningKey(), p.Now()
	claims := map[string]any{
		"iss": p.options.Issuer, "sub": g.signin.user.Subject, "aud": g.audience, "client_id": g.clientID,
		"jti": random(), "iat": now.Unix(), "exp": now.Add(IDJAGLifetime).Unix(),
		"email": g.signin.user.Email, "email_verified": g.signin.user.EmailVerified,
	}
	switch len(g.resources) {
	case 0:
	case 1:
		claims["resource"] = g.resources[0]
	default:
		claims["resource"] = slices.Clone(g.resources)
	}
	if len(g.scopes) > 0 {
		claims["scope"] = join(g.scopes)
	}
	if g.jkt != "" {
		claims["cnf"] = map[string]any{"jkt": g.jkt}
	}
	if len(g.signin.user.Groups) > 0 && !p.options.OmitGroups {
		claims["groups"] = g.signin.user.Groups
	}
	g.signin.describe(claims)
	g.signin.addOwn(claims)
	header := map[string]any{"alg": key.Algorithm, "kid": key.ID, "typ": "oauth-id-jag+jwt"}
	return &Draft{Header: header, Claims: claims, Key: key}
}

package oidc

import (
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// AssertionSigner signs the client assertions of an entry (RFC 7523 §2.2): where the
// key lives is not asked here.
type AssertionSigner interface {
	SignAssertion(ctx context.Context, claims map[string]any) (compact string, err error)
}

const (
	assertionTypeJWT  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLifetime = time.Minute
)

// keySigner signs with a key at hand.
type keySigner struct {
	algorithm, keyID string
	key              crypto.Signer
}

// NewKeySigner is an AssertionSigner for a private key in memory. kid is left out when
// empty.
func NewKeySigner(algorithm, kid string, key crypto.Signer) (AssertionSigner, error) {
	if key == nil || !jwks.Fits(algorithm, key.Public()) {
		return nil, fmt.Errorf("%w: algorithm %q does not fit the key", ErrEntry, algorithm)
	}
	return &keySigner{algorithm: algorithm, keyID: kid, key: key}, nil
}

// String shows the name of the key, and nothing of it.
func (s *keySigner) String() string { return "key " + s.keyID }

// GoString is String, for %#v.
func (s *keySigner) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s *keySigner) LogValue() slog.Value { return slog.StringValue(s.String()) }

// SignAssertion implements AssertionSigner.
func (s *keySigner) SignAssertion(_ context.Context, claims map[string]any) (string, error) {
	return jws.Sign(s.algorithm, s.keyID, "JWT", s.key, claims)
}

// clientAssertion: RFC 7523 §3: good for a minute and once.
func (e *Entry) clientAssertion(ctx context.Context, m *metadata, now time.Time) (string, error) {
	audience := e.Provider.Issuer
	if e.Dialect.AssertionAudience == AssertionForTokenEndpoint {
		audience = m.token
	}
	compact, err := e.Signer.SignAssertion(ctx, map[string]any{
		"iss": e.ClientID, "sub": e.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("oidc: sign a client assertion for %s: %w", e.Provider.Name, err)
	}
	return compact, nil
}

// config is the exchange's, with the one way of authentication that the entry names:
// never a second try with the secret in another place.
func (e *Entry) config(m *metadata) *oauth2.Config {
	style := oauth2.AuthStyleInParams // with private_key_jwt, client_id alone
	if e.Authentication == AuthSecretBasic {
		style = oauth2.AuthStyleInHeader // form-encoded first (RFC 6749 §2.3.1)
	}
	return &oauth2.Config{
		ClientID: e.ClientID, ClientSecret: e.Secret.Reveal(), RedirectURL: e.CallbackURL, Scopes: e.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.authorization, TokenURL: m.token, AuthStyle: style},
	}
}

// proof are the parameters by which a request to the IdP is authenticated beside what
// config does.
func (e *Entry) proof(ctx context.Context, m *metadata, now time.Time) (url.Values, error) {
	if e.Authentication != AuthPrivateKey {
		return nil, nil // none are needed
	}
	assertion, err := e.clientAssertion(ctx, m, now)
	if err != nil {
		return nil, err
	}
	return url.Values{"client_assertion_type": {assertionTypeJWT}, "client_assertion": {assertion}}, nil
}

// authenticate adds who we are to a request that x/oauth2 does not make.
func (e *Entry) authenticate(request *http.Request, form url.Values) {
	switch e.Authentication {
	case AuthSecretBasic:
		request.SetBasicAuth(url.QueryEscape(e.ClientID), url.QueryEscape(e.Secret.Reveal()))
	case AuthSecretPost:
		form.Set("client_secret", e.Secret.Reveal())
	case AuthPrivateKey: // proof
	}
}

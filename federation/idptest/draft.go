package idptest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/chancery-dev/chancery/federation/jws"
)

// Draft is a token that is not signed yet, open to every change.
type Draft struct {
	Header map[string]any
	Claims map[string]any
	// RawHeader and RawClaims, when not nil, are signed instead, byte for byte.
	RawHeader []byte
	RawClaims []byte
	Key       *Key
	// Signature, when not nil, takes the place of the key's.
	Signature func(input []byte) []byte
	// Compact, when not nil, changes the finished token.
	Compact func(string) string
}

// Sign finishes the token.
func (d *Draft) Sign() (string, error) {
	header, err := d.header()
	if err != nil {
		return "", err
	}
	claims, err := d.claims()
	if err != nil {
		return "", err
	}
	compact, err := d.seal(header, claims)
	if err != nil {
		return "", err
	}
	if d.Compact != nil {
		compact = d.Compact(compact)
	}
	return compact, nil
}

func (d *Draft) seal(header, claims []byte) (string, error) {
	if d.Signature == nil {
		return jws.SignHeader(d.Key.Algorithm, header, d.Key.Signer, claims)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(header) + "." + encode(claims)
	return input + "." + encode(d.Signature([]byte(input))), nil
}

func (d *Draft) header() ([]byte, error) {
	if d.RawHeader != nil {
		return d.RawHeader, nil
	}
	encoded, err := json.Marshal(d.Header)
	if err != nil {
		return nil, fmt.Errorf("idptest: encode header: %w", err)
	}
	return encoded, nil
}

func (d *Draft) claims() ([]byte, error) {
	if d.RawClaims != nil {
		return d.RawClaims, nil
	}
	encoded, err := json.Marshal(d.Claims)
	if err != nil {
		return nil, fmt.Errorf("idptest: encode claims: %w", err)
	}
	return encoded, nil
}

// Sign signs any header and claims with the key that signs now. alg and kid are
// added to a header that has none.
func (p *IdP) Sign(header, claims map[string]any) (string, error) {
	key := p.SigningKey()
	complete := map[string]any{"alg": key.Algorithm, "kid": key.ID}
	maps.Copy(complete, header)
	return (&Draft{Header: complete, Claims: claims, Key: key}).Sign()
}

// Option changes a token before it is signed.
type Option func(*Draft)

// WithClaim sets a claim. A json.RawMessage is sent as it is.
func WithClaim(name string, value any) Option { return func(d *Draft) { d.Claims[name] = value } }

// WithoutClaim leaves a claim out.
func WithoutClaim(name string) Option { return func(d *Draft) { delete(d.Claims, name) } }

// WithHeader sets a header parameter.
func WithHeader(name string, value any) Option { return func(d *Draft) { d.Header[name] = value } }

// WithAudience names the authorization server.
func WithAudience(issuer string) Option { return WithClaim("aud", issuer) }

// WithClientID names the client, as the authorization server knows it.
func WithClientID(id string) Option { return WithClaim("client_id", id) }

// WithResource names one resource or several.
func WithResource(uris ...string) Option {
	if len(uris) == 1 {
		return WithClaim("resource", uris[0])
	}
	return WithClaim("resource", uris)
}

// WithScope asserts scopes, separated by spaces.
func WithScope(scope string) Option { return WithClaim("scope", scope) }

// WithJKT binds the token to the key of a DPoP proof (RFC 9449 §6).
func WithJKT(thumbprint string) Option {
	return WithClaim("cnf", map[string]any{"jkt": thumbprint})
}

// WithKey signs with another key, under that key's kid and alg.
func WithKey(key *Key) Option {
	return func(d *Draft) {
		d.Key = key
		d.Header["kid"], d.Header["alg"] = key.ID, key.Algorithm
	}
}

// WithMutation breaks the token as a mutation does.
func WithMutation(m Mutation, p *IdP) Option { return func(d *Draft) { m.Break(d, p) } }

func random() string { return rand.Text() }

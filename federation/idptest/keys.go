package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
)

// Key is a signing key. Kids count from key-1, so that two IdPs have the same.
type Key struct {
	ID        string
	Algorithm string
	Signer    crypto.Signer
}

// NewKey makes a key that no IdP knows.
func NewKey(id, algorithm string) (*Key, error) {
	signer, err := newSigner(algorithm)
	if err != nil {
		return nil, fmt.Errorf("idptest: make a key for %s: %w", algorithm, err)
	}
	return &Key{ID: id, Algorithm: algorithm, Signer: signer}, nil
}

func newSigner(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case "RS256", "PS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, fmt.Errorf("unknown algorithm %q", algorithm)
	}
}

// Rotate makes a new signing key and returns its kid. The former keys stay in the
// key set only if keep is true.
func (p *IdP) Rotate(keep bool) (kid string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := NewKey(fmt.Sprintf("key-%d", p.made+1), p.options.Algorithm)
	if err != nil {
		return "", err
	}
	if !keep {
		p.keys = nil
	}
	p.made++
	p.keys = append(p.keys, key)
	return key.ID, nil
}

// SigningKey is the key that signs now.
func (p *IdP) SigningKey() *Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[len(p.keys)-1]
}

// Keys is the key set as JSON: for registry entries with inline keys.
func (p *IdP) Keys() []byte {
	p.mu.Lock()
	keys := slices.Clone(p.keys)
	p.mu.Unlock()
	set := make([]map[string]any, len(keys))
	for i, key := range keys {
		set[i] = key.JWK()
	}
	encoded, err := json.Marshal(map[string]any{"keys": set})
	if err != nil {
		panic("idptest: " + err.Error()) // strings only
	}
	return encoded
}

// JWK is the public half as the members of a JWK (RFC 7517, RFC 8037).
func (k *Key) JWK() map[string]any {
	encode := base64.RawURLEncoding.EncodeToString
	members := map[string]any{"kid": k.ID, "alg": k.Algorithm, "use": "sig"}
	switch public := k.Signer.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic("idptest: " + err.Error()) // the key is our own
		}
		half := 1 + len(point)/2
		members["kty"], members["crv"] = "EC", public.Curve.Params().Name
		members["x"], members["y"] = encode(point[1:half]), encode(point[half:])
	case ed25519.PublicKey:
		members["kty"], members["crv"], members["x"] = "OKP", "Ed25519", encode(public)
	case *rsa.PublicKey:
		members["kty"], members["n"] = "RSA", encode(public.N.Bytes())
		members["e"] = encode(big.NewInt(int64(public.E)).Bytes())
	}
	return members
}

func (p *IdP) serveKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", p.options.KeysCacheControl)
	_, _ = w.Write(p.Keys())
}

func (p *IdP) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	issuer := p.options.Issuer
	metadata := map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + PathAuthorize,
		"token_endpoint":                        issuer + PathToken,
		"userinfo_endpoint":                     issuer + PathUserinfo,
		"jwks_uri":                              issuer + PathKeys,
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{p.options.Algorithm},
		"scopes_supported":                      []string{"openid", "profile", "email", "groups", "offline_access"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", grantTokenExchange},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"end_session_endpoint":                  issuer + PathLogout,
		"backchannel_logout_supported":          true,
		"backchannel_logout_session_supported":  true,
		"pushed_authorization_request_endpoint": issuer + PathPushed,
		"acr_values_supported":                  p.acrValues(),
		// ID-JAG §6.
		"identity_chaining_requested_token_types_supported": []string{TokenTypeIDJAG},
		"authorization_response_iss_parameter_supported":    true, // RFC 9207 §3
	}
	if p.options.PushedOnly {
		metadata["require_pushed_authorization_requests"] = true // RFC 9126 §5
	}
	writeJSON(w, http.StatusOK, metadata)
}

func (p *IdP) acrValues() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	values := []string{}
	for _, user := range p.users {
		values = append(values, user.StepUp...)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

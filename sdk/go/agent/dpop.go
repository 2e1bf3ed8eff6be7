package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

// Key is a key that tokens are bound to (RFC 9449). It prints as its thumbprint.
type Key struct {
	signer     sealed[crypto.Signer]
	jwk        json.RawMessage
	thumbprint string
}

// NewKey makes an ES256 key that lives as long as this process.
func NewKey() (*Key, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return KeyOf(key)
}

// KeyOf uses a key of the caller's: one that outlives the process, or in hardware. It
// signs as [PrivateKeyJWT] says; Chancery takes ES256, ES384, EdDSA and RS256.
func KeyOf(signer crypto.Signer) (*Key, error) {
	public, err := jose.FromPublic(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	jwk, err := jose.PublicJWK(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return &Key{signer: seal(signer), jwk: jwk, thumbprint: public.Thumbprint}, nil
}

// Thumbprint is the key's RFC 7638 thumbprint: cnf.jkt of its tokens.
func (k *Key) Thumbprint() string { return k.thumbprint }

// String implements fmt.Stringer.
func (k *Key) String() string { return "DPoP key " + k.thumbprint }

// GoString implements fmt.GoStringer.
func (k *Key) GoString() string { return k.String() }

// Format implements fmt.Formatter, so that no verb shows the key.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// proofFor says what a proof is for.
type proofFor struct {
	method string
	url    string
	token  string // "" at a token endpoint
	nonce  string
	digest string // content_digest
	now    time.Time
}

// proof: RFC 9449 §4.2.
func (k *Key) proof(p proofFor) (string, error) {
	u, err := url.Parse(p.url)
	if err != nil {
		return "", err
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment, u.User = "", false, "", "", nil
	claims := map[string]any{"jti": rand.Text(), "htm": p.method, "htu": u.String(), "iat": p.now.Unix()}
	if p.token != "" {
		digest := sha256.Sum256([]byte(p.token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(digest[:])
	}
	if p.nonce != "" {
		claims["nonce"] = p.nonce
	}
	if p.digest != "" {
		claims["content_digest"] = p.digest
	}
	return jose.Sign(k.signer.open(), map[string]any{"typ": "dpop+jwt", "jwk": k.jwk}, claims)
}

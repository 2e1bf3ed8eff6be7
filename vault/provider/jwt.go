package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"time"
)

// signer signs with a private key of ours that a provider knows.
type signer struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

const leastBits = 2048

// newSigner reads a private key in PEM and refuses one that does not fit the algorithm.
func newSigner(text Secret, algorithm string) (*signer, error) {
	block, _ := pem.Decode([]byte(text.Reveal()))
	if block == nil {
		return nil, invalid("the private key is not PEM")
	}
	switch key := parseKey(block.Bytes).(type) {
	case *rsa.PrivateKey:
		if algorithm == "RS256" && key.N.BitLen() >= leastBits {
			return &signer{rsa: key}, nil
		}
	case *ecdsa.PrivateKey:
		if algorithm == "ES256" && key.Curve == elliptic.P256() {
			return &signer{ec: key}, nil
		}
	}
	return nil, invalid("the private key does not fit %s: RSA of %d bits or more, or P-256", algorithm, leastBits)
}

func parseKey(der []byte) crypto.PrivateKey {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}

// claims are those that every assertion of ours has (RFC 7523 §3).
func (p *Provider) claims(issuer, subject, audience string, life time.Duration) map[string]any {
	now := p.now()
	return map[string]any{
		"iss": issuer, "sub": subject, "aud": audience, "iat": now.Unix(), "exp": now.Add(life).Unix(), "jti": rand.Text(),
	}
}

// sign makes a JWS in compact form (RFC 7515 §7.1).
func (s *signer) sign(keyID string, claims map[string]any) (string, error) {
	if s == nil {
		return "", ErrUnsupported
	}
	header := map[string]string{"typ": "JWT", "alg": "RS256"}
	if s.ec != nil {
		header["alg"] = "ES256"
	}
	if keyID != "" {
		header["kid"] = keyID
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	signature, err := s.signature(sha256.Sum256([]byte(signed)))
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (s *signer) signature(digest [32]byte) ([]byte, error) {
	if s.rsa != nil {
		return rsa.SignPKCS1v15(nil, s.rsa, crypto.SHA256, digest[:])
	}
	r, v, err := ecdsa.Sign(rand.Reader, s.ec, digest[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64) // RFC 7518 §3.4: R and S, 32 octets each
	r.FillBytes(out[:32])
	v.FillBytes(out[32:])
	return out, nil
}

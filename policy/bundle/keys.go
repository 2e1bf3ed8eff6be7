package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
)

// Bounds on keys.
const (
	minRSA   = 2048 // bits
	maxRSA   = 8192
	maxKeyID = 256
	maxPEM   = 64 << 10
)

// The algorithms, one for each kind of key.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

// TrustedKey is a public key that may have signed a bundle.
type TrustedKey struct {
	ID        string // as in the signature's kid
	Algorithm string // the only one that is accepted of it
	pem       string
}

// SigningKey is a private key. It prints as its key id.
type SigningKey struct {
	trusted TrustedKey
	signer  crypto.Signer
}

// Trusted is the public half.
func (k SigningKey) Trusted() TrustedKey { return k.trusted }

// String keeps the key out of what is printed.
func (k SigningKey) String() string { return "signing key " + k.trusted.ID }

// GoString does so for %#v.
func (k SigningKey) GoString() string { return k.String() }

// ParseTrustedKey reads a public key (PUBLIC KEY, RSA PUBLIC KEY) or the key of a certificate, whose other contents are
// not looked at. Without an id its thumbprint is the id.
func ParseTrustedKey(id string, text []byte) (TrustedKey, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return TrustedKey{}, err
	}
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	default:
		return TrustedKey{}, because(ErrKey, "%q in PEM: a public key or a certificate is expected", block.Type)
	}
	if err != nil {
		return TrustedKey{}, because(ErrKey, "%s", err)
	}
	return trust(id, public)
}

// ParseSigningKey reads a private key that is not encrypted (PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY). Without an id
// its thumbprint is the id.
func ParseSigningKey(id string, text []byte) (SigningKey, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return SigningKey{}, err
	}
	var private any
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return SigningKey{}, because(ErrKey, "%q in PEM: a private key that is not encrypted is expected", block.Type)
	}
	if err != nil {
		return SigningKey{}, because(ErrKey, "the private key does not parse") // what does not parse is not repeated
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return SigningKey{}, because(ErrKey, "it does not sign")
	}
	trusted, err := trust(id, signer.Public())
	return SigningKey{trusted: trusted, signer: signer}, err
}

func onlyBlock(text []byte) (*pem.Block, error) {
	if len(text) > maxPEM {
		return nil, because(ErrKey, "more than %d bytes", maxPEM)
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, because(ErrKey, "it is no PEM")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, because(ErrKey, "there is more than one PEM block: which of them counts is not guessed")
	}
	return block, nil
}

func trust(id string, public any) (TrustedKey, error) {
	algorithm, err := algorithmOf(public)
	if err != nil {
		return TrustedKey{}, because(ErrKey, "%s", err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return TrustedKey{}, because(ErrKey, "%s", err)
	}
	if id == "" {
		id = thumbprint(der)
	}
	if len(id) > maxKeyID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return TrustedKey{}, because(ErrKey, "a key id has at most %d printable ASCII characters and no space", maxKeyID)
	}
	return TrustedKey{ID: id, Algorithm: algorithm, pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, nil
}

// thumbprint is the SHA-256 of the key as a SubjectPublicKeyInfo, in base64url.
func thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func algorithmOf(public any) (string, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", errors.New("of the elliptic curves only P-256 is accepted")
		}
		return ES256, nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return "", errors.New("an RSA key has 2048 to 8192 bits")
		}
		return RS256, nil
	case ed25519.PublicKey:
		return EdDSA, nil
	}
	return "", errors.New("the kinds are P-256, RSA and Ed25519")
}

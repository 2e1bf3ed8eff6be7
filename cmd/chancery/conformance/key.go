package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Key signs as the IdP or as a client.
type Key = idptest.Key

// ReadKey reads a private key, PKCS #8 in PEM. An empty id becomes the thumbprint.
func ReadKey(path, id string) (*Key, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s: no PKCS #8 private key in PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: no PKCS #8 private key", path) // the cause may quote it
	}
	key, err := keyOf(parsed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if key.ID = id; id == "" {
		key.ID, err = jwks.Thumbprint(key.Signer.Public())
	}
	return key, err
}

func keyOf(parsed any) (*Key, error) {
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key does not sign")
	}
	switch k := parsed.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return &Key{Algorithm: "ES256", Signer: signer}, nil
		}
	case *rsa.PrivateKey:
		return &Key{Algorithm: "RS256", Signer: signer}, nil
	case ed25519.PrivateKey:
		return &Key{Algorithm: "EdDSA", Signer: signer}, nil
	}
	return nil, errors.New("a key for ES256, RS256 or EdDSA is expected")
}

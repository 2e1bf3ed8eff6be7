package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/vault"
)

// The algorithms that we sign with.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

const rsaBits = 3072

// Algorithms lists what we can sign with, the default first.
func Algorithms() []string { return []string{ES256, RS256, EdDSA} }

// errUnknownAlgorithm: there is no symmetric one, and none is added by configuration.
var errUnknownAlgorithm = errors.New("not an algorithm that we sign with (ES256, RS256, EdDSA)")

// private wraps a private key behind a pointer, so that nothing that prints a
// struct around it prints the key.
type private struct{ crypto.Signer }

// pair is a key with both halves.
type pair struct {
	id        string
	algorithm string
	private   *private
	public    jwks.Key
	jwk       []byte // public, as published
}

func generate(algorithm string) (pair, error) {
	var key crypto.Signer
	var err error
	switch algorithm {
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return pair{}, fmt.Errorf("%w: %q", errUnknownAlgorithm, algorithm)
	}
	if err != nil {
		return pair{}, fmt.Errorf("generate %s key: %w", algorithm, err)
	}
	return newPair(algorithm, key)
}

func newPair(algorithm string, key crypto.Signer) (pair, error) {
	id, err := jwks.Thumbprint(key.Public())
	if err != nil {
		return pair{}, err
	}
	public, err := jwks.FromPublic(id, algorithm, key.Public())
	if err != nil {
		return pair{}, err
	}
	jwk, err := jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: algorithm, Use: "sig"}.MarshalJSON()
	if err != nil {
		return pair{}, fmt.Errorf("encode public key: %w", err)
	}
	return pair{id: id, algorithm: algorithm, private: &private{key}, public: public, jwk: jwk}, nil
}

// seal binds the private key to its row.
func (p pair) seal(ctx context.Context, sealer vault.Sealer, place vault.AAD) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.private.Signer)
	if err != nil {
		return nil, errors.New("the private key cannot be encoded") // the cause may quote it
	}
	defer clear(der)
	return sealer.Seal(ctx, der, place)
}

// open gives the pair back. What opens must be the key that the row says it is:
// its thumbprint is the row's name, which the place binds as well.
func open(ctx context.Context, sealer vault.Sealer, place vault.AAD, algorithm string, sealed []byte) (pair, error) {
	der, err := sealer.Open(ctx, sealed, place)
	if err != nil {
		return pair{}, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return pair{}, errors.New("what was sealed is no private key")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return pair{}, errors.New("what was sealed cannot sign")
	}
	p, err := newPair(algorithm, key)
	if err != nil {
		return pair{}, err
	}
	if p.id != place.UID {
		return pair{}, fmt.Errorf("what was sealed is key %s", p.id)
	}
	return p, nil
}

func place(tenantUID, keyID string) vault.AAD {
	return vault.AAD{Tenant: tenantUID, Table: "signing_keys", UID: keyID, Column: "sealed"}
}

// SigningPlace is where a tenant's signing key rests.
func SigningPlace(t tenant.UID, keyID string) vault.AAD { return place(t.String(), keyID) }

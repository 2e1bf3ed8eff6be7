package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// decoys are keys of nobody. An assertion of an unknown client is verified with
// one, so that the answer takes as long as a wrong signature of a known client.
// (Not hidden: the size of a known client's RSA key, and that keys had to be
// fetched.)
type decoys struct{ keys []crypto.PublicKey }

func newDecoys() (decoys, error) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return decoys{}, fmt.Errorf("decoy key: %w", err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return decoys{}, fmt.Errorf("decoy key: %w", err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return decoys{}, fmt.Errorf("decoy key: %w", err)
	}
	// An RSA key whose primes nobody needs to know, or to find, costs nothing.
	var modulus [256]byte
	_, _ = rand.Read(modulus[:]) // never fails: crypto/rand crashes the program first
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	number := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus[:]), E: 65537}
	return decoys{keys: []crypto.PublicKey{&p256.PublicKey, &p384.PublicKey, edwards, number}}, nil
}

// verify does the work and throws the result away.
func (d decoys) verify(message *jws.Message) {
	header := message.Header()
	for _, public := range d.keys {
		if jwks.Fits(header.Algorithm, public) {
			_, _, _ = message.VerifyClaims([]jwks.Key{{ID: header.KeyID, Public: public}}, SigningAlgorithms())
			return
		}
	}
}

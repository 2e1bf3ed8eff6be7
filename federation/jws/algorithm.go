package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"slices"
)

// Algorithms lists what this package can verify, strongest habits first. There
// is no symmetric algorithm and no "none" among them, and none can be added by
// configuration.
func Algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
}

// Supported tells whether an algorithm can be verified.
func Supported(algorithm string) bool { return slices.Contains(Algorithms(), algorithm) }

// hashOf returns the hash that an algorithm's name ends with (RFC 7518 §3.1);
// 0 for Ed25519, which takes the message itself.
func hashOf(algorithm string) crypto.Hash {
	switch algorithm {
	case "ES256", "RS256", "PS256":
		return crypto.SHA256
	case "ES384", "RS384", "PS384":
		return crypto.SHA384
	case "ES512", "RS512", "PS512":
		return crypto.SHA512
	default:
		return 0
	}
}

func digest(hash crypto.Hash, input []byte) []byte {
	switch hash {
	case crypto.SHA256:
		sum := sha256.Sum256(input)
		return sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(input)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(input)
		return sum[:]
	default:
		return input
	}
}

// verifySignature assumes that algorithm fits the key's type and curve.
func verifySignature(algorithm string, public crypto.PublicKey, input, signature []byte) bool {
	hash := hashOf(algorithm)
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		// RFC 7518 §3.4: R and S, each exactly as long as the field.
		size := (key.Curve.Params().BitSize + 7) / 8
		if hash == 0 || len(signature) != 2*size {
			return false
		}
		r := new(big.Int).SetBytes(signature[:size])
		s := new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, digest(hash, input), r, s)
	case *rsa.PublicKey:
		if hash == 0 || len(signature) != key.Size() { // RFC 8017 §8.1.2, §8.2.2
			return false
		}
		if algorithm[0] == 'P' {
			// RFC 7518 §3.5: the salt is as long as the hash, nothing else.
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(key, hash, digest(hash, input), signature, options) == nil
		}
		return rsa.VerifyPKCS1v15(key, hash, digest(hash, input), signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, input, signature)
	default:
		return false
	}
}

package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/chancery-dev/chancery/federation/jwks"
)

// Sign makes a compact JWS of claims (anything that encodes to a JSON object,
// or []byte that is one already). kid and typ are left out when empty. The
// algorithm must fit the key.
func Sign(algorithm, kid, typ string, key crypto.Signer, claims any) (string, error) {
	header := struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid,omitempty"`
		Type      string `json:"typ,omitempty"`
	}{algorithm, kid, typ}
	head, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	return SignHeader(algorithm, head, key, claims)
}

// SignHeader is Sign with a header of the caller's own, as JSON: for proofs,
// which carry their key.
func SignHeader(algorithm string, header []byte, key crypto.Signer, claims any) (string, error) {
	payload, ok := claims.([]byte)
	if !ok {
		var err error
		if payload, err = json.Marshal(claims); err != nil {
			return "", fmt.Errorf("encode claims: %w", err)
		}
	}
	encoding := base64.RawURLEncoding
	public := key.Public()
	size := encoding.EncodedLen(len(header)) + encoding.EncodedLen(len(payload)) + 2
	token := make([]byte, 0, size+encoding.EncodedLen(signatureSize(public)))
	token = encoding.AppendEncode(token, header)
	token = append(token, '.')
	token = encoding.AppendEncode(token, payload)

	signature, err := sign(algorithm, key, public, token)
	if err != nil {
		return "", err
	}
	token = append(token, '.')
	return string(encoding.AppendEncode(token, signature)), nil
}

func sign(algorithm string, key crypto.Signer, public crypto.PublicKey, input []byte) ([]byte, error) {
	if !jwks.Fits(algorithm, public) {
		return nil, fmt.Errorf("algorithm %q does not fit a %T", algorithm, public)
	}
	hash := hashOf(algorithm)
	options := crypto.SignerOpts(hash)
	if algorithm[0] == 'P' {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := key.Sign(rand.Reader, digest(hash, input), options)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", algorithm, err)
	}
	if elliptic, ok := public.(*ecdsa.PublicKey); ok {
		return fixedWidth(elliptic, signature)
	}
	return signature, nil
}

// fixedWidth turns an ASN.1 signature into RFC 7518 §3.4's R ‖ S.
func fixedWidth(key *ecdsa.PublicKey, der []byte) ([]byte, error) {
	var signature struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &signature); err != nil {
		return nil, fmt.Errorf("signer's answer: %w", err)
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	fixed := make([]byte, 2*size)
	signature.R.FillBytes(fixed[:size])
	signature.S.FillBytes(fixed[size:])
	return fixed, nil
}

func signatureSize(public crypto.PublicKey) int {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.Size()
	case *ecdsa.PublicKey:
		return 2 * ((key.Curve.Params().BitSize + 7) / 8)
	default:
		return ed25519.SignatureSize
	}
}

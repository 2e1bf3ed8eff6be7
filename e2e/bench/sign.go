package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"
)

var b64 = base64.RawURLEncoding

// assertion is an ID-JAG as an IdP would sign it. Users, and IdPs where there are several, take turns.
func (s *scene) assertion(i int, resource string) (string, error) {
	claims := map[string]any{
		"iss": idpIssuer, "sub": subject(i % s.users), "client_id": clientID, "resource": resource, "scope": "notes:read",
	}
	if s.idps > 0 {
		claims["iss"], claims["sub"] = copyIssuer(i%s.idps), copySubject
	}
	return s.sign("oauth-id-jag+jwt", claims)
}

// sign adds what every assertion has.
func (s *scene) sign(typ string, claims map[string]any) (string, error) {
	now := time.Now()
	all := map[string]any{"aud": s.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix()}
	maps.Copy(all, claims)
	return signES256(s.key, map[string]any{"alg": "ES256", "kid": keyID, "typ": typ}, all)
}

func signES256(key *ecdsa.PrivateKey, header, claims map[string]any) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	digest := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte // r ‖ s: RFC 7518 §3.4
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return signed + "." + b64.EncodeToString(signature[:]), nil
}

// jwk is the public half, with nothing that names it.
func jwk(key *ecdsa.PublicKey) (map[string]any, error) {
	point, err := key.Bytes() // 4 ‖ x ‖ y
	if err != nil {
		return nil, err
	}
	half := (len(point) - 1) / 2
	return map[string]any{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(point[1 : 1+half]), "y": b64.EncodeToString(point[1+half:])}, nil
}

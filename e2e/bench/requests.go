package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const (
	grantType         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionLifetime = 4 * time.Minute
)

var b64 = base64.RawURLEncoding

// requests prepares n token requests, each with an assertion of its own, as the bytes that go on the wire.
// Nothing of this is left to do while a server is measured.
func (s *scene) requests(n int) ([][]byte, error) {
	prepared := make([][]byte, n)
	workers := runtime.GOMAXPROCS(0)
	failed := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				if prepared[i], failed[w] = s.request(i % s.users); failed[w] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return prepared, nil
}

func (s *scene) request(user int) ([]byte, error) {
	assertion, err := s.assertion(user, time.Now())
	if err != nil {
		return nil, err
	}
	body := "grant_type=" + url.QueryEscape(grantType) + "&assertion=" + assertion +
		"&client_id=" + clientID + "&client_secret=" + s.clientSecret
	return []byte("POST /token HTTP/1.1\r\nHost: " + s.public + "\r\nUser-Agent: bench\r\nAccept: application/json\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body), nil
}

// assertion is an ID-JAG as an IdP would sign it.
func (s *scene) assertion(user int, now time.Time) (string, error) {
	return signES256(s.key, map[string]any{"alg": "ES256", "kid": keyID, "typ": "oauth-id-jag+jwt"}, map[string]any{
		"iss": idpIssuer, "sub": subject(user), "aud": s.issuer, "client_id": clientID, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(), "resource": resourceURI, "scope": "notes:read",
	})
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

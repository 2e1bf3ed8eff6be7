package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const (
	grantType         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionLifetime = 4 * time.Minute
	introspected      = 256 // different tokens that are asked about in turn
)

// each prepares requests that differ, on all cores.
func each(prepare func(s *scene, i int) ([]byte, error)) func(context.Context, *scene, int) ([][]byte, error) {
	return func(ctx context.Context, s *scene, n int) ([][]byte, error) {
		prepared := make([][]byte, n)
		workers := runtime.GOMAXPROCS(0)
		failed := make([]error, workers)
		first := int(s.made.Add(int64(n))) - n
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for i := w; i < n && ctx.Err() == nil; i += workers {
					if prepared[i], failed[w] = prepare(s, first+i); failed[w] != nil {
						return
					}
				}
			})
		}
		all.Wait()
		return prepared, errors.Join(append(failed, ctx.Err())...)
	}
}

// once prepares a request that may be sent again and again.
func once(prepare func(s *scene, i int) ([]byte, error)) func(context.Context, *scene, int) ([][]byte, error) {
	return func(_ context.Context, s *scene, _ int) ([][]byte, error) {
		request, err := prepare(s, 0)
		return [][]byte{request}, err
	}
}

func get(place string) func(context.Context, *scene, int) ([][]byte, error) {
	return document(func(*scene) string { return place })
}

func document(place func(*scene) string) func(context.Context, *scene, int) ([][]byte, error) {
	return func(_ context.Context, s *scene, _ int) ([][]byte, error) {
		return [][]byte{[]byte("GET " + place(s) + " HTTP/1.1\r\nHost: " + s.public + "\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n")}, nil
	}
}

// post writes a form post; header lines end with a line break each.
func (s *scene) post(place, header, body string) []byte {
	return []byte("POST " + place + " HTTP/1.1\r\nHost: " + s.public + "\r\nUser-Agent: bench\r\nAccept: application/json\r\n" + header +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

func (s *scene) credentials(client string) string {
	return "&client_id=" + client + "&client_secret=" + s.clientSecret
}

func bearer(assertion string) string {
	return "grant_type=" + url.QueryEscape(grantType) + "&assertion=" + assertion
}

func (s *scene) redeem(assertion, header string, err error) ([]byte, error) {
	return s.post(s.tokenPath(), header, bearer(assertion)+s.credentials(clientID)), err
}

func (s *scene) idjag(i int) ([]byte, error) {
	assertion, err := s.assertion(i, resourceURI)
	return s.redeem(assertion, "", err)
}

func (s *scene) idjagRS256(i int) ([]byte, error) {
	assertion, err := s.assertion(i, resourceURI+"-rs256")
	return s.redeem(assertion, "", err)
}

func (s *scene) idjagEdDSA(i int) ([]byte, error) {
	assertion, err := s.assertion(i, resourceURI+"-eddsa")
	return s.redeem(assertion, "", err)
}

// bound shows a proof for each request (RFC 9449 §4.2).
func (s *scene) bound(i int) ([]byte, error) {
	claims := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": s.issuer + s.tokenPath(), "iat": time.Now().Unix()}
	if s.nonce != "" {
		claims["nonce"] = s.nonce
	}
	proof, err := signES256(s.proofKey, map[string]any{"alg": "ES256", "typ": "dpop+jwt", "jwk": s.proofJWK}, claims)
	if err != nil {
		return nil, err
	}
	assertion, err := s.assertion(i, resourceURI)
	return s.redeem(assertion, "DPoP: "+proof+"\r\n", err)
}

// withNonce asks for the nonce first, as a client does.
func withNonce(ctx context.Context, s *scene, n int) ([][]byte, error) {
	s.nonce = ""
	request, err := s.bound(0)
	if err != nil {
		return nil, err
	}
	var one loop
	if err := one.dial(ctx, s.public); err != nil {
		return nil, err
	}
	defer one.close()
	if _, err := one.exchange(request); err != nil {
		return nil, err
	}
	if one.nonce == "" {
		return nil, errors.New("the server sends no nonce")
	}
	s.nonce = one.nonce
	return each((*scene).bound)(ctx, s, n)
}

// plain is an assertion of RFC 7523 §3, as Keycloak takes it too.
func (s *scene) plain(i int) ([]byte, error) {
	assertion, err := s.sign("JWT", map[string]any{"iss": s.plainIssuer, "sub": subject(i % s.users)})
	return s.post(s.tokenPath(), "", bearer(assertion)+s.credentials(clientID)+s.target), err
}

// workload is a platform's token, without a client beside it.
func (s *scene) workload(int) ([]byte, error) {
	assertion, err := s.sign("JWT", map[string]any{"iss": platformIssuer, "sub": "job:build", "project": "74"})
	return s.post(s.tokenPath(), "", bearer(assertion)+s.target), err
}

func (s *scene) clientCredentials(int) ([]byte, error) {
	return s.post(s.tokenPath(), "", "grant_type=client_credentials"+s.credentials(clientID)+s.target), nil
}

// tokens asks for n access tokens.
func (s *scene) tokens(ctx context.Context, n int) ([]string, error) {
	request, err := s.clientCredentials(0)
	if err != nil {
		return nil, err
	}
	asked := make([][]byte, n)
	for i := range asked {
		asked[i] = request
	}
	return s.keep(ctx, asked, rows{tokens: 1})
}

// keep sends what asks for access tokens, and gives them.
func (s *scene) keep(ctx context.Context, asked [][]byte, leaves rows) ([]string, error) {
	l, err := send(ctx, s.public, round{requests: asked, connections: 32, within: time.Minute, good: carriesToken, keep: true})
	s.left.add(l.answers, leaves)
	if err = errors.Join(err, l.failures.err()); err != nil {
		return nil, err
	}
	tokens := make([]string, len(l.kept))
	for i, body := range l.kept {
		var a answer
		if err := json.Unmarshal(body, &a); err != nil {
			return nil, err
		}
		tokens[i] = a.AccessToken
	}
	return tokens, nil
}

func introspections(ctx context.Context, s *scene, _ int) ([][]byte, error) {
	tokens, err := s.tokens(ctx, introspected)
	requests := make([][]byte, len(tokens))
	for i, token := range tokens {
		requests[i] = s.post(s.introspectionPath(), "", "token="+token+s.credentials(serverID))
	}
	return requests, err
}

func revocations(ctx context.Context, s *scene, n int) ([][]byte, error) {
	tokens, err := s.tokens(ctx, n)
	requests := make([][]byte, len(tokens))
	for i, token := range tokens {
		requests[i] = s.post(s.revocationPath(), "", "token="+token+s.credentials(clientID))
	}
	return requests, err
}

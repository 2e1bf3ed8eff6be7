package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
)

const (
	hostID       = "bench-host"   // of the code flow: it gets access tokens
	keeperID     = "bench-keeper" // gets refresh tokens too
	hostRedirect = "https://host.bench.example/callback"
	verifier     = "bench-verifier-bench-verifier-bench-verifier-bench"
	person       = "alice@acme.com" // at the fake IdP
	atTheIdP     = "bench"          // our client there
)

// people is an IdP at which somebody signs in, and his browser.
type people struct {
	idp    *idptest.IdP
	stop   func()
	once   sync.Mutex
	cookie string // of a person who is signed in
	http   *http.Client
}

func newPeople(s *scene) (*people, error) {
	idp, stop, err := idptest.Listen(idptest.Options{Clients: []idptest.Client{
		{ID: atTheIdP, Secret: s.clientSecret, RedirectURIs: []string{s.issuer + "/federation/oidc/bench-people/callback"}},
	}})
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	return &people{idp: idp, stop: stop, http: &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (s *scene) authorization(client string) string {
	challenge := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {hostRedirect}, "scope": {"notes:read"}, "resource": {resourceURI},
		"state": {"bench"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"login_hint": {person},
	}.Encode()
}

// signIn brings the person to the IdP and back, once; all codes are of his session.
func (s *scene) signIn(ctx context.Context) (string, error) {
	p := s.people
	p.once.Lock()
	defer p.once.Unlock()
	if p.cookie != "" {
		return p.cookie, nil
	}
	cookies := map[string]string{}
	if _, err := s.browse(ctx, s.authorization(hostID), cookies); err != nil {
		return "", err
	}
	s.left.add(1, rows{considered: 1})
	p.cookie = header(cookies)
	return p.cookie, nil
}

func header(cookies map[string]string) string {
	var all []string
	for name, value := range cookies {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}

const maxRedirects = 12

// browse follows an authorization request to its answer, which is a code.
func (s *scene) browse(ctx context.Context, query string, cookies map[string]string) (string, error) {
	next := s.issuer + "/authorize?" + query
	for range maxRedirects {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, next, http.NoBody)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(next, s.issuer) {
			request.Header.Set("Cookie", header(cookies))
		}
		response, err := s.people.http.Do(request)
		if err != nil {
			return "", err
		}
		body, _ := io.ReadAll(response.Body) // the connection is used again
		_ = response.Body.Close()
		if strings.HasPrefix(next, s.issuer) {
			for _, c := range response.Cookies() {
				cookies[c.Name] = c.Value
			}
		}
		to, err := response.Location()
		if err != nil {
			return "", fmt.Errorf("%s: %s: %.300s", next, response.Status, body)
		}
		if strings.HasPrefix(to.String(), hostRedirect) {
			if code := to.Query().Get("code"); code != "" {
				return code, nil
			}
			return "", fmt.Errorf("no code: %s", to)
		}
		next = to.String()
	}
	return "", errors.New("the redirects do not end")
}

// codes asks for n codes, on all cores.
func (s *scene) codes(ctx context.Context, client string, n int) ([]string, error) {
	cookie, err := s.signIn(ctx)
	if err != nil {
		return nil, err
	}
	codes, workers := make([]string, n), 8*runtime.GOMAXPROCS(0)
	failed := make([]error, workers)
	query := s.authorization(client)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				cookies := map[string]string{}
				for pair := range strings.SplitSeq(cookie, "; ") {
					name, value, _ := strings.Cut(pair, "=")
					cookies[name] = value
				}
				if codes[i], failed[w] = s.browse(ctx, query, cookies); failed[w] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	s.left.add(n, rows{considered: 1})
	return codes, errors.Join(failed...)
}

func (s *scene) exchange(client, code string) []byte {
	return s.post(s.tokenPath(), "", "grant_type=authorization_code&code="+url.QueryEscape(code)+"&redirect_uri="+url.QueryEscape(hostRedirect)+
		"&code_verifier="+verifier+s.credentials(client))
}

func exchanges(ctx context.Context, s *scene, n int) ([][]byte, error) {
	codes, err := s.codes(ctx, hostID, n)
	requests := make([][]byte, len(codes))
	for i, code := range codes {
		requests[i] = s.exchange(hostID, code)
	}
	return requests, err
}

// rotations use a refresh token each, of families that were begun for it.
func rotations(ctx context.Context, s *scene, n int) ([][]byte, error) {
	codes, err := s.codes(ctx, keeperID, n)
	if err != nil {
		return nil, err
	}
	asked := make([][]byte, len(codes))
	for i, code := range codes {
		asked[i] = s.exchange(keeperID, code)
	}
	l, err := send(ctx, s.public, round{requests: asked, connections: 32, within: time.Minute, good: carriesToken, keep: true})
	s.left.add(l.answers, rows{tokens: 1, codes: 1})
	if err = errors.Join(err, l.failures.err()); err != nil {
		return nil, err
	}
	requests := make([][]byte, len(l.kept))
	for i, body := range l.kept {
		var a struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := json.Unmarshal(body, &a); err != nil || a.RefreshToken == "" {
			return nil, fmt.Errorf("no refresh token: %w", err)
		}
		requests[i] = s.post(s.tokenPath(), "", "grant_type=refresh_token&refresh_token="+url.QueryEscape(a.RefreshToken)+s.credentials(keeperID))
	}
	return requests, nil
}

// pushed is a request at the PAR endpoint (RFC 9126).
func (s *scene) pushed(int) ([]byte, error) {
	return s.post("/par", "", s.authorization(hostID)+"&client_secret="+s.clientSecret), nil
}

package agent

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/sdk/go/internal/discovery"
)

// Client gives an HTTP client for one resource: each request has a token, and a proof if
// tokens are bound. It speaks to the resource's own scheme, host and port and to nobody
// else, wherever it is redirected.
func (a *Agent) Client(resource string, scopes ...string) (*http.Client, error) {
	transport, err := a.Transport(nil, resource, scopes...)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport}, nil
}

// Transport is [Agent.Client] over a transport of the caller's; nil for one of its own.
func (a *Agent) Transport(base http.RoundTripper, resource string, scopes ...string) (http.RoundTripper, error) {
	u, err := discovery.CheckURL(resource)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if base == nil {
		base = discovery.Client(nil).Transport
	}
	return &transport{agent: a, base: base, origin: u, resource: resource, scopes: slices.Clone(scopes)}, nil
}

type transport struct {
	agent    *Agent
	base     http.RoundTripper
	origin   *url.URL
	resource string
	scopes   []string

	mu    sync.Mutex
	nonce string // the newest of the resource (RFC 9449 §9)
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	closeBody := func() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
	}
	if r.URL.Scheme != t.origin.Scheme || !strings.EqualFold(r.URL.Host, t.origin.Host) {
		closeBody()
		return nil, fmt.Errorf("a token for %s is not sent to %s", t.resource, r.URL.Host)
	}
	token, err := t.agent.Token(r.Context(), t.resource, t.scopes...)
	if err != nil {
		closeBody()
		return nil, err
	}
	response, err := t.send(r, r.Body, token)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	// Once more with the nonce that the resource wants, or with another token.
	refusal := challengeError(response)
	if refusal != "use_dpop_nonce" && refusal != "invalid_token" {
		return response, nil
	}
	if refusal == "invalid_token" {
		t.agent.Forget(token)
	}
	body, replayable := again(r)
	if !replayable {
		return response, nil
	}
	if token, err = t.agent.Token(r.Context(), t.resource, t.scopes...); err != nil {
		return response, nil //nolint:nilerr // the resource's own refusal says more
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	_ = response.Body.Close()
	return t.send(r, body, token)
}

// again gives the body once more, if there is a way to.
func again(r *http.Request) (io.ReadCloser, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	return body, err == nil
}

func (t *transport) send(r *http.Request, body io.ReadCloser, token *oauth2.Token) (*http.Response, error) {
	sent := r.Clone(r.Context()) // a RoundTripper must not change the request
	sent.Body = body
	sent.Header.Set("Authorization", token.TokenType+" "+token.AccessToken)
	if key := t.agent.config.DPoP; key != nil {
		proof, err := t.prove(r, key, token)
		if err != nil {
			if body != nil {
				_ = body.Close()
			}
			return nil, err
		}
		sent.Header.Set("DPoP", proof)
	}
	response, err := t.base.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	if nonce := response.Header.Get("DPoP-Nonce"); nonce != "" && len(nonce) <= 1024 {
		t.mu.Lock()
		t.nonce = nonce
		t.mu.Unlock()
	}
	return response, nil
}

func (t *transport) prove(r *http.Request, key *Key, token *oauth2.Token) (string, error) {
	t.mu.Lock()
	nonce := t.nonce
	t.mu.Unlock()
	p := proofFor{method: r.Method, url: r.URL.String(), token: token.AccessToken, nonce: nonce, now: t.agent.now()}
	if p.method == "" {
		p.method = http.MethodGet
	}
	if t.agent.config.ContentDigest && r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return "", fmt.Errorf("content_digest: the body of a request to %s can be read only once", t.origin.Host)
		}
		copied, err := r.GetBody()
		if err != nil {
			return "", err
		}
		defer func() { _ = copied.Close() }()
		digest := sha256.New()
		if _, err := io.Copy(digest, copied); err != nil {
			return "", err
		}
		p.digest = "sha-256=:" + base64.StdEncoding.EncodeToString(digest.Sum(nil)) + ":"
	}
	return key.proof(p)
}

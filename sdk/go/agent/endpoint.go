package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/discovery"
	"github.com/chancery-dev/chancery/sdk/go/internal/strictjson"
)

const (
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // a URN
	grantClientCredentials = "client_credentials"
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // a URN
)

const (
	maxAnswer    = 64 << 10
	maxToken     = 32 << 10
	metadataGood = 10 * time.Minute
)

// endpoint is the token endpoint of one server, found through its metadata.
type endpoint struct {
	issuer string
	fixed  string // the endpoint, where it is configured
	client Authentication
	key    *Key
	http   *http.Client
	now    func() time.Time

	mu    sync.Mutex
	found string
	until time.Time
	nonce string // the newest that the server gave (RFC 9449 §8)
}

func newEndpoint(issuer, fixed string, client Authentication, key *Key, given *http.Client, now func() time.Time) (*endpoint, error) {
	if err := client.validate(); err != nil {
		return nil, err
	}
	if err := discovery.CheckIssuer(issuer); err != nil {
		return nil, err
	}
	if fixed != "" {
		if _, err := discovery.CheckURL(fixed); err != nil {
			return nil, err
		}
	}
	return &endpoint{issuer: issuer, fixed: fixed, client: client, key: key, http: discovery.Client(given), now: now}, nil
}

// find gives the token endpoint. The metadata must be the issuer's own (RFC 8414 §3.3).
func (e *endpoint) find(ctx context.Context) (string, error) {
	if e.fixed != "" {
		return e.fixed, nil
	}
	e.mu.Lock()
	found, good := e.found, e.now().Before(e.until)
	e.mu.Unlock()
	if good {
		return found, nil
	}
	m, err := discovery.Fetch(ctx, e.http, e.issuer)
	if err != nil {
		if found != "" { // what it said last
			return found, nil
		}
		return "", err
	}
	if m.TokenEndpoint == "" {
		return "", fmt.Errorf("metadata of %s has no token_endpoint", e.issuer)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.found, e.until = m.TokenEndpoint, e.now().Add(metadataGood)
	return e.found, nil
}

// answer is a token response.
type answer struct {
	members map[string]any
	trace   string
}

// post sends a request, and once more if the server wants a nonce in the proof.
func (e *endpoint) post(ctx context.Context, form url.Values) (answer, error) {
	to, err := e.find(ctx)
	if err != nil {
		return answer{}, err
	}
	got, err := e.try(ctx, to, form)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.OAuth == "use_dpop_nonce" && e.key != nil {
		got, err = e.try(ctx, to, form) // the nonce is remembered by now
	}
	return got, err
}

func (e *endpoint) try(ctx context.Context, to string, form url.Values) (answer, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	sent := url.Values{}
	maps.Copy(sent, form)
	if err := e.client.add(header, sent, e.issuer, e.now()); err != nil {
		return answer{}, err
	}
	if e.key != nil {
		e.mu.Lock()
		nonce := e.nonce
		e.mu.Unlock()
		proof, err := e.key.proof(proofFor{method: http.MethodPost, url: to, nonce: nonce, now: e.now()})
		if err != nil {
			return answer{}, err
		}
		header.Set("DPoP", proof)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(sent.Encode()))
	if err != nil {
		return answer{}, err
	}
	request.Header = header
	response, err := e.http.Do(request)
	if err != nil {
		return answer{}, err // a *url.Error: method and URL, nothing of the body
	}
	defer func() { _ = response.Body.Close() }()
	if nonce := response.Header.Get("DPoP-Nonce"); nonce != "" && len(nonce) <= 1024 {
		e.mu.Lock()
		e.nonce = nonce
		e.mu.Unlock()
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("answer of %s: %w", to, err)
	}
	return e.read(response, body)
}

func (e *endpoint) read(response *http.Response, body []byte) (answer, error) {
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	members, err := strictjson.Object(body, maxAnswer, "access_token", "token_type", "expires_in", "scope", "resource", "error", "issued_token_type")
	trace := traceOf(response.Header.Get("Chancery-Trace"))
	if response.StatusCode != http.StatusOK {
		if err != nil || media != "application/json" {
			members = nil
		}
		return answer{}, e.refusal(response, members, trace)
	}
	if err != nil || media != "application/json" {
		return answer{}, fmt.Errorf("answer of %s is not JSON", e.issuer) // what it is instead may hold anything
	}
	return answer{members: members, trace: trace}, nil
}

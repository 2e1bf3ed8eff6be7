package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/jws"
)

const (
	grantJWTBearer  = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // a name of the standard
	profileIDJAG    = "urn:ietf:params:oauth:grant-profile:id-jag"
	assertionJWT    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	typeIDJAG       = "oauth-id-jag+jwt"
	typeAccessToken = "at+jwt"

	maxAnswer = 1 << 20
)

// metadata is what the suite reads of RFC 8414 §2.
type metadata struct {
	Issuer              string   `json:"issuer"`
	TokenEndpoint       string   `json:"token_endpoint"`
	KeysURI             string   `json:"jwks_uri"`
	GrantTypes          []string `json:"grant_types_supported"`
	GrantProfiles       []string `json:"authorization_grant_profiles_supported"`
	AuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	AuthSigningMethods  []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	ProofSigningMethods []string `json:"dpop_signing_alg_values_supported"`

	location string
}

// answer is what the target said.
type answer struct {
	status int
	header http.Header
	body   []byte
	fields map[string]any // nil when it is no JSON object
	err    error          // nobody answered
}

func (a answer) text(name string) string {
	value, _ := a.fields[name].(string)
	return value
}

func (a answer) token() string { return a.text("access_token") }

// String is what a report shows: never a token.
func (a answer) String() string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.token() != "":
		said := []string{strconv.Itoa(a.status), "a token"}
		for _, name := range []string{"token_type", "scope", "resource"} {
			if value, there := a.fields[name]; there {
				said = append(said, fmt.Sprintf("%s %.120q", name, fmt.Sprint(value)))
			}
		}
		return strings.Join(said, ", ")
	case a.text("error") != "":
		return strings.TrimSpace(fmt.Sprintf("%d %s %.160s", a.status, a.text("error"), a.text("error_description")))
	default:
		return fmt.Sprintf("%d %s without an OAuth error", a.status, a.header.Get("Content-Type"))
	}
}

// request is a token request before it is sent.
type request struct {
	form        url.Values
	query       url.Values
	header      http.Header
	method      string
	body        []byte // instead of the form
	contentType string
}

// target is the server that is asked.
type target struct {
	settings Settings
	client   *http.Client
	now      func() time.Time
	turn     <-chan time.Time
	meta     metadata
	nonce    string // of the last DPoP-Nonce
}

// newClient follows no redirect: a token endpoint that redirects gets the secret
// once, and nobody after it.
func newClient(s Settings) *http.Client {
	return &http.Client{
		Timeout:       s.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment, // never for loopback
			DialContext:         (&net.Dialer{Timeout: s.Timeout}).DialContext,
			TLSHandshakeTimeout: s.Timeout,
			MaxIdleConnsPerHost: atOnce,
			ForceAttemptHTTP2:   true,
		},
	}
}

// do sends one request when its turn comes.
func (t *target) do(ctx context.Context, r *http.Request) answer {
	select {
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	case <-t.turn:
	}
	return t.send(r)
}

func (t *target) send(r *http.Request) answer {
	response, err := t.client.Do(r)
	if err != nil {
		if unanswered, ok := errors.AsType[*url.Error](err); ok {
			err = unanswered.Err // its text has the URL, which the report has anyway
		}
		return answer{err: fmt.Errorf("no answer: %w", err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{err: fmt.Errorf("the answer broke off: %w", err)}
	}
	a := answer{status: response.StatusCode, header: response.Header, body: body}
	_ = json.Unmarshal(body, &a.fields) // what is no object has no fields
	return a
}

func (t *target) get(ctx context.Context, address string) answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return answer{err: err}
	}
	return t.do(ctx, r)
}

// places are where metadata may be: RFC 8414 §3.1 first, then OpenID Connect
// Discovery §4, then what servers of before RFC 8414 did.
func places(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	path := strings.TrimSuffix(u.Path, "/")
	origin := u.Scheme + "://" + u.Host
	list := []string{origin + "/.well-known/oauth-authorization-server" + path, origin + path + "/.well-known/openid-configuration"}
	if path != "" {
		list = append(list, origin+path+"/.well-known/oauth-authorization-server")
	}
	return list
}

// discover fetches the metadata. A document that is not of this issuer is none
// (RFC 8414 §3.3): it would send the secret elsewhere.
func (t *target) discover(ctx context.Context) error {
	var last error
	for _, place := range places(t.settings.Target) {
		a := t.get(ctx, place)
		if a.err != nil {
			return fmt.Errorf("%s: %w", place, a.err)
		}
		if a.status != http.StatusOK || a.fields == nil {
			last = fmt.Errorf("%s: %d, no JSON document", place, a.status)
			continue
		}
		var m metadata
		if err := json.Unmarshal(a.body, &m); err != nil {
			last = fmt.Errorf("%s: %w", place, err)
			continue
		}
		if m.Issuer != t.settings.Target {
			return fmt.Errorf("%s: the issuer in it is %q, and not %q (RFC 8414 §3.3)", place, m.Issuer, t.settings.Target)
		}
		if err := t.settings.checkURL("token_endpoint", m.TokenEndpoint, t.settings.AllowPlainHTTP); err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		m.location = place
		t.meta = m
		return nil
	}
	return fmt.Errorf("no metadata found: %w", last)
}

// authenticated is a form with the client's credentials, as RFC 6749 §2.3.1 and RFC
// 7523 §2.2 say.
func (t *target) authenticated(c Client) (*request, error) {
	r := &request{form: url.Values{"grant_type": {grantJWTBearer}}, header: http.Header{}, query: url.Values{}, method: http.MethodPost}
	switch c.Auth {
	case PrivateKeyJWT:
		now := t.now().Unix()
		signed, err := jws.Sign(c.Key.Algorithm, c.Key.ID, "client-authentication+jwt", c.Key.Signer, map[string]any{
			"iss": c.ID, "sub": c.ID, "aud": t.settings.Target, "jti": rand.Text(), "iat": now, "exp": now + 60,
		})
		if err != nil {
			return nil, err
		}
		r.form.Set("client_assertion_type", assertionJWT)
		r.form.Set("client_assertion", signed)
	case SecretPost:
		r.form.Set("client_id", c.ID)
		r.form.Set("client_secret", c.Secret.Reveal())
	default:
		basic(r, c.ID, c.Secret.Reveal())
	}
	return r, nil
}

func basic(r *request, id, secret string) {
	h := http.Request{Header: r.header}
	h.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
}

// build makes the HTTP request.
func (t *target) build(ctx context.Context, r *request) (*http.Request, error) {
	body, contentType := r.body, r.contentType
	if body == nil && r.method != http.MethodGet {
		body = []byte(r.form.Encode())
	}
	if contentType == "" {
		contentType = "application/x-www-form-urlencoded"
	}
	address := t.meta.TokenEndpoint
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	built, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	built.Header = r.header.Clone()
	if len(body) > 0 {
		built.Header.Set("Content-Type", contentType)
	}
	built.Header.Set("Accept", "application/json")
	return built, nil
}

// ask sends a token request.
func (t *target) ask(ctx context.Context, r *request) answer {
	built, err := t.build(ctx, r)
	if err != nil {
		return answer{err: err}
	}
	a := t.do(ctx, built)
	if nonce := a.header.Get("DPoP-Nonce"); nonce != "" {
		t.nonce = nonce
	}
	return a
}

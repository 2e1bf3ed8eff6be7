package idptest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

const assertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticateByKey is private_key_jwt (OIDC Core §9, RFC 7523 §3).
func (p *IdP) authenticateByKey(r *http.Request, f form) (Client, *oauthError) {
	failed := &oauthError{status: http.StatusUnauthorized, code: "invalid_client", description: "client assertion"}
	_, _, basic := r.BasicAuth()
	if basic || f.values["client_secret"] != "" || f.values["client_assertion_type"] != assertionTypeJWT {
		return Client{}, refuse("invalid_request", "client authentication")
	}
	message, err := jws.Parse(f.values["client_assertion"])
	if err != nil {
		return Client{}, failed
	}
	unverified, err := message.Unverified()
	if err != nil {
		return Client{}, failed
	}
	client, found := p.client(unverified.Subject)
	if !found || client.Key == nil || unverified.Issuer != client.ID || f.values["client_id"] != "" && f.values["client_id"] != client.ID {
		return Client{}, failed
	}
	key, err := jwks.FromPublic(client.Key.ID, client.Key.Algorithm, client.Key.Signer.Public())
	if err != nil {
		return Client{}, failed
	}
	claims, _, err := message.VerifyClaims([]jwks.Key{key}, []string{client.Key.Algorithm})
	if err != nil {
		return Client{}, failed
	}
	audience, _, _ := claims.Audience()
	expires, _, _ := claims.Time("exp")
	id, _, _ := claims.String("jti")
	ours := slices.Equal(audience, []string{p.options.Issuer}) || slices.Equal(audience, []string{p.TokenEndpoint()})
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ours || !p.Now().Before(expires) || expires.Sub(p.Now()) > 5*time.Minute || id == "" || p.spent[id] {
		return Client{}, failed
	}
	p.spent[id] = true
	return client, nil
}

// servePushed takes a request ahead (RFC 9126 §2).
func (p *IdP) servePushed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	f, err := readForm(r)
	if err == nil {
		_, err = p.authenticate(r, f)
	}
	if err != nil {
		writeJSON(w, err.status, map[string]any{"error": err.code, "error_description": err.description})
		return
	}
	request := url.Values{}
	for name, value := range f.values {
		request.Set(name, value)
	}
	reference := "urn:ietf:params:oauth:request_uri:" + random()
	p.mu.Lock()
	p.pushed[reference] = request
	p.mu.Unlock()
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": reference, "expires_in": 60})
}

// request is the authorization request itself, or the one that was sent ahead, once.
func (p *IdP) request(q url.Values) (url.Values, bool) {
	reference := q.Get("request_uri")
	if reference == "" {
		return q, !p.options.PushedOnly
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	request, found := p.pushed[reference]
	delete(p.pushed, reference)
	return request, found && request.Get("client_id") == q.Get("client_id")
}

// serveLogout ends nothing: nobody stays signed in here. It sends the browser back.
func (p *IdP) serveLogout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	client, found := p.client(q.Get("client_id"))
	target := q.Get("post_logout_redirect_uri")
	if !found || target == "" || !slices.Contains(client.RedirectURIs, target) {
		http.Error(w, "signed out", http.StatusOK)
		return
	}
	answer := url.Values{}
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	http.Redirect(w, r, target+"?"+answer.Encode(), http.StatusFound)
}

// Tamper changes what an endpoint answers, until it is called again with nil.
func (p *IdP) Tamper(path string, change func(body []byte) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tampers[p.base+path] = change
	if path == PathDiscovery { // its other place
		p.tampers[PathMetadata+p.base] = change
	}
}

func (p *IdP) serveTampered(w http.ResponseWriter, r *http.Request, change func([]byte) []byte) {
	kept := &held{ResponseWriter: w, status: http.StatusOK}
	p.mux.ServeHTTP(kept, r)
	w.WriteHeader(kept.status)
	_, _ = w.Write(change(kept.body))
}

// held keeps an answer back until it was changed.
type held struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (h *held) WriteHeader(status int) { h.status = status }

func (h *held) Write(b []byte) (int, error) {
	h.body = append(h.body, b...)
	return len(b), nil
}

// accessTokenHash is at_hash (OIDC Core §3.1.3.6).
func accessTokenHash(algorithm, access string) string {
	var digest []byte
	switch {
	case strings.HasSuffix(algorithm, "256"):
		sum := sha256.Sum256([]byte(access))
		digest = sum[:]
	case strings.HasSuffix(algorithm, "384"):
		sum := sha512.Sum384([]byte(access))
		digest = sum[:]
	default:
		sum := sha512.Sum512([]byte(access))
		digest = sum[:]
	}
	return base64.RawURLEncoding.EncodeToString(digest[:len(digest)/2])
}

// LogoutEvent is the member of events that says logout (OIDC Back-Channel Logout §2.4).
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutDraft makes a logout token of a user for a client that is not signed yet.
func (p *IdP) LogoutDraft(user, clientID string, options ...Option) (*Draft, error) {
	who, err := p.User(user)
	if err != nil {
		return nil, err
	}
	key, now := p.SigningKey(), p.Now()
	draft := &Draft{
		Header: map[string]any{"alg": key.Algorithm, "kid": key.ID, "typ": "logout+jwt"},
		Claims: map[string]any{
			"iss": p.options.Issuer, "sub": who.Subject, "aud": clientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
			"jti": random(), "events": map[string]any{LogoutEvent: map[string]any{}},
		},
		Key: key,
	}
	for _, option := range options {
		option(draft)
	}
	return draft, nil
}

// LogoutToken is LogoutDraft, signed.
func (p *IdP) LogoutToken(user, clientID string, options ...Option) (string, error) {
	draft, err := p.LogoutDraft(user, clientID, options...)
	if err != nil {
		return "", err
	}
	return draft.Sign()
}

package idptest

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// session is a code's or a refresh token's worth.
type session struct {
	signin    signin
	client    string
	scopes    []string
	redirect  string
	nonce     string
	id        string // sid
	challenge string // S256
	expires   time.Time
}

// serveAuthorize signs in whom login_hint names, or, with prompt=none, who is
// signed in already, without a page (RFC 6749 §4.1.1, OIDC Core §3.1.2.1).
func (p *IdP) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q, known := p.request(r.URL.Query())
	if !known {
		http.Error(w, "unknown request_uri, or none where one is needed", http.StatusBadRequest)
		return
	}
	client, found := p.client(q.Get("client_id"))
	redirect := q.Get("redirect_uri")
	if !found || !slices.Contains(client.RedirectURIs, redirect) {
		http.Error(w, "unknown client_id or redirect_uri", http.StatusBadRequest) // never redirected (RFC 6749 §4.1.2.1)
		return
	}
	answer := url.Values{"iss": {p.options.Issuer}} // RFC 9207 §2
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	fail := func(code string) {
		answer.Set("error", code)
		p.redirectTo(w, r, redirect, answer)
	}
	switch {
	case q.Get("response_type") != "code":
		fail("unsupported_response_type")
		return
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256",
		q.Get("code_challenge") == "" && client.Secret == "" && client.Key == nil: // RFC 9700 §2.1.1
		fail("invalid_request")
		return
	}
	user, err := p.User(p.hint(q))
	if err != nil {
		if q.Get("login_hint") == "" && q.Get("prompt") != "none" {
			p.choose(w, r)
			return
		}
		fail("login_required")
		return
	}
	code := random()
	p.mu.Lock()
	p.codes[code] = session{
		signin: p.signIn(user, q), client: client.ID, scopes: strings.Fields(q.Get("scope")), redirect: redirect,
		nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), expires: p.Now().Add(codeLifetime), id: random(),
	}
	p.mu.Unlock()
	answer.Set("code", code)
	p.redirectTo(w, r, redirect, answer)
}

func (p *IdP) hint(q url.Values) string {
	if hint := q.Get("login_hint"); hint != "" {
		return hint
	}
	if q.Get("prompt") != "none" {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// signIn honours acr_values, max_age and prompt=login (OIDC Core §3.1.2.1): a
// person who can reach what is asked for does, now.
func (p *IdP) signIn(user User, q url.Values) signin {
	now := p.Now()
	s := minted(user)
	if s.at.IsZero() {
		s.at = now
	}
	for asked := range strings.FieldsSeq(q.Get("acr_values")) {
		if slices.Contains(user.StepUp, asked) {
			s.at, s.acr, s.amr = now, asked, []string{"hwk", "user"}
			break
		}
	}
	maxAge, err := strconv.ParseInt(q.Get("max_age"), 10, 32)
	if q.Get("prompt") == "login" || err == nil && now.Sub(s.at) > time.Duration(maxAge)*time.Second {
		s.at = now
	}
	return s
}

// choose is the only page: a link for each user.
func (p *IdP) choose(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	users := slices.Clone(p.users)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title>Sign in</title><h1>Sign in as</h1><ul>")
	for _, user := range users {
		q := r.URL.Query()
		q.Set("login_hint", user.Name)
		fmt.Fprintf(w, `<li><a href="?%s">%s</a>`, html.EscapeString(q.Encode()), html.EscapeString(user.DisplayName))
	}
	fmt.Fprint(w, "</ul>")
}

func (p *IdP) redirectTo(w http.ResponseWriter, r *http.Request, target string, answer url.Values) {
	p.mu.Lock()
	broken := p.brokenAt
	p.mu.Unlock()
	if broken != nil {
		broken.Break(answer, p)
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target+separator+answer.Encode(), http.StatusFound)
}

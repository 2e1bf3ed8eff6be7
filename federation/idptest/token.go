package idptest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Names of the standards.
const (
	TokenTypeIDJAG        = "urn:ietf:params:oauth:token-type:id-jag"
	TokenTypeIDToken      = "urn:ietf:params:oauth:token-type:id_token"
	TokenTypeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token"

	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// oauthError is an answer of RFC 6749 §5.2.
type oauthError struct {
	status      int
	code        string
	description string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func refuse(code, description string) *oauthError {
	return &oauthError{status: http.StatusBadRequest, code: code, description: description}
}

type form struct {
	values    map[string]string
	resources []string
}

// serveToken is the token endpoint.
func (p *IdP) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	answer, err := p.token(r)
	if err != nil {
		if err.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="idp"`)
		}
		writeJSON(w, err.status, map[string]any{"error": err.code, "error_description": err.description})
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (p *IdP) token(r *http.Request) (map[string]any, *oauthError) {
	f, err := readForm(r)
	if err != nil {
		return nil, err
	}
	client, err := p.authenticate(r, f)
	if err != nil {
		return nil, err
	}
	switch f.values["grant_type"] {
	case "authorization_code":
		return p.redeemCode(client, f)
	case "refresh_token":
		return p.redeemRefresh(client, f)
	case grantTokenExchange:
		return p.exchange(r, client, f)
	case "":
		return nil, refuse("invalid_request", "grant_type is missing")
	default:
		return nil, refuse("unsupported_grant_type", "")
	}
}

// readForm: RFC 6749 §3.2: a parameter without a value is absent, none appears
// twice; resource may (RFC 8707 §2). The Go SDK sends `code=` with every grant.
func readForm(r *http.Request) (form, *oauthError) {
	if err := r.ParseForm(); err != nil || len(r.URL.RawQuery) > 0 {
		return form{}, refuse("invalid_request", "form")
	}
	f := form{values: map[string]string{}}
	for name, values := range r.PostForm {
		switch {
		case name == "resource":
			f.resources = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
		case len(values) > 1:
			return form{}, refuse("invalid_request", name+" appears twice")
		case values[0] != "":
			f.values[name] = values[0]
		}
	}
	return f, nil
}

func (p *IdP) authenticate(r *http.Request, f form) (Client, *oauthError) {
	failed := &oauthError{status: http.StatusUnauthorized, code: "invalid_client", description: "client authentication failed"}
	id, secret := f.values["client_id"], f.values["client_secret"]
	if f.values["client_assertion"] != "" || f.values["client_assertion_type"] != "" {
		return p.authenticateByKey(r, f)
	}
	if user, password, basic := r.BasicAuth(); basic {
		if secret != "" {
			return Client{}, refuse("invalid_request", "two ways of client authentication") // RFC 6749 §2.3
		}
		decodedID, errID := url.QueryUnescape(user) // RFC 6749 §2.3.1
		decodedSecret, errSecret := url.QueryUnescape(password)
		if errID != nil || errSecret != nil || id != "" && id != decodedID {
			return Client{}, failed
		}
		id, secret = decodedID, decodedSecret
	}
	client, found := p.client(id)
	if !found || client.Key != nil || subtle.ConstantTimeCompare([]byte(secret), []byte(client.Secret)) != 1 {
		return Client{}, failed
	}
	return client, nil
}

func (p *IdP) redeemCode(client Client, f form) (map[string]any, *oauthError) {
	p.mu.Lock()
	s, found := p.codes[f.values["code"]]
	delete(p.codes, f.values["code"]) // once
	p.mu.Unlock()
	switch {
	case !found || s.client != client.ID || s.redirect != f.values["redirect_uri"] || !p.Now().Before(s.expires):
		return nil, refuse("invalid_grant", "code")
	case s.challenge != "" && !matches(s.challenge, f.values["code_verifier"]), s.challenge == "" && f.values["code_verifier"] != "":
		return nil, refuse("invalid_grant", "code_verifier") // RFC 7636 §4.6
	}
	return p.answer(s)
}

func (p *IdP) redeemRefresh(client Client, f form) (map[string]any, *oauthError) {
	s, err := p.refreshed(client, f.values["refresh_token"])
	if err != nil {
		return nil, err
	}
	s.nonce = ""
	return p.answer(s)
}

func (p *IdP) refreshed(client Client, token string) (session, *oauthError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, found := p.refresh[token]
	if !found || s.client != client.ID {
		return session{}, refuse("invalid_grant", "refresh_token")
	}
	return s, nil
}

func (p *IdP) answer(s session) (map[string]any, *oauthError) {
	access, refresh := random(), random()
	p.mu.Lock()
	p.refresh[refresh] = s
	p.codes["access:"+access] = s
	p.mu.Unlock()
	answer := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(IDTokenLifetime.Seconds()),
		"refresh_token": refresh, "scope": join(s.scopes),
	}
	if slices.Contains(s.scopes, "openid") {
		draft := p.idToken(s.signin, s.client, s.nonce)
		draft.Claims["at_hash"] = accessTokenHash(draft.Key.Algorithm, access)
		if s.id != "" {
			draft.Claims["sid"] = s.id
		}
		p.breakIDToken(draft)
		token, err := draft.Sign()
		if err != nil {
			return nil, &oauthError{status: http.StatusInternalServerError, code: "server_error", description: err.Error()}
		}
		answer["id_token"] = token
	}
	return answer, nil
}

func (p *IdP) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	access, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	s, found := p.codes["access:"+access]
	p.mu.Unlock()
	if !found || access == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	user := s.signin.user
	writeJSON(w, http.StatusOK, map[string]any{
		"sub": user.Subject, "email": user.Email, "email_verified": user.EmailVerified, "name": user.DisplayName, "groups": user.Groups,
	})
}

func matches(challenge, verifier string) bool {
	digest := sha256.Sum256([]byte(verifier))
	return len(verifier) >= 43 && base64.RawURLEncoding.EncodeToString(digest[:]) == challenge
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func join(scopes []string) string { return strings.Join(scopes, " ") }

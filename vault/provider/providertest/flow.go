package providertest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.count("authorize")
	q, p := r.URL.Query(), s.profile
	if p.Redirect == "" {
		p.Redirect = Redirect
	}
	wrong := q.Get("client_id") != ClientID || q.Get("redirect_uri") != p.Redirect || q.Get("response_type") != "code" || q.Get("state") == "" ||
		p.Unknown == (q.Get("code_challenge") != "")
	for name, want := range p.Require {
		wrong = wrong || q.Get(name) != want
	}
	if wrong {
		http.Error(w, "this authorization request is refused", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	back := url.Values{"state": {q.Get("state")}}
	if s.switches.Decline {
		back.Set("error", "access_denied")
	} else {
		g := &grant{login: s.login, scopes: split(q.Get(p.ScopeParameter), p.ScopeSeparator), used: map[string]time.Time{}}
		made := "code-" + rand.Text()
		s.codes[made] = &code{g, q.Get("code_challenge"), q.Get("redirect_uri")}
		back.Set("code", made)
	}
	http.Redirect(w, r, p.Redirect+"?"+back.Encode(), http.StatusFound)
}

func split(s, by string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, by)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Host+r.URL.Path != s.profile.Narrow && s.profile.JSON != strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(w, "another body was expected", http.StatusUnsupportedMediaType)
		return
	}
	kind := value(r, "grant_type")
	name := map[string]string{
		"authorization_code": "code", "refresh_token": "refresh", "client_credentials": "client",
		"urn:ietf:params:oauth:grant-type:jwt-bearer": "assertion", "urn:ietf:params:oauth:grant-type:token-exchange": "exchange",
	}[kind]
	s.count(name)
	fault := s.fault(name)
	if fault != nil && !fault.AfterUse {
		s.spoil(w, r, *fault, nil)
		return
	}
	a := s.answer(r, name)
	if fault != nil {
		s.spoil(w, r, *fault, &a)
		return
	}
	s.write(w, r, a)
}

func (s *Server) answer(r *http.Request, kind string) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	anyone := kind == "assertion" || kind == "exchange" && s.profile.Narrow != s.profile.Token
	if !anyone && !s.authentic(r) {
		return s.no(BadClient)
	}
	switch kind {
	case "code":
		return s.redeem(r)
	case "refresh":
		return s.refresh(r)
	case "exchange":
		return s.exchange(r)
	case "client", "assertion":
		g := &grant{login: "client", scopes: split(value(r, "scope"), " "), used: map[string]time.Time{}}
		return s.issue(g, g.scopes, true)
	default:
		return refuse(400, "unsupported_grant_type")
	}
}

func (s *Server) authentic(r *http.Request) bool {
	id, secret := value(r, "client_id"), value(r, "client_secret")
	if s.profile.Basic {
		id, secret, _ = r.BasicAuth()
	}
	return !s.switches.WrongSecret && id == ClientID && secret == cmp.Or(s.profile.Secret, ClientSecret)
}

func (s *Server) no(why Refusal) Answer {
	a, ok := s.switches.Override[why]
	if !ok {
		a = s.profile.Refuse[why]
	}
	if object, isObject := a.Body.(map[string]any); isObject && s.switches.Claims != "" {
		object["claims"] = s.switches.Claims
	}
	return a
}

func (s *Server) redeem(r *http.Request) Answer {
	made := value(r, "code")
	c, ok := s.codes[made]
	delete(s.codes, made)
	digest := sha256.Sum256([]byte(value(r, "code_verifier")))
	if !ok || c.redirect != value(r, "redirect_uri") || c.challenge != "" && c.challenge != base64.RawURLEncoding.EncodeToString(digest[:]) {
		return s.no(BadCode)
	}
	s.grants = append(s.grants, c.grant)
	return s.issue(c.grant, c.grant.scopes, false)
}

func (s *Server) refresh(r *http.Request) Answer {
	token := value(r, "refresh_token")
	for _, g := range s.grants {
		used, before := g.used[token]
		switch {
		case g.ended || token != g.refresh && !before:
			continue
		case before && !s.takenAgain(used):
			g.ended = g.ended || s.switches.RevokeOnReuse
			return s.no(BadToken)
		}
		scopes := g.scopes
		if asked := split(value(r, "scope"), " "); len(asked) > 0 && !s.switches.IgnoreNarrow && !s.switches.SilentNarrow {
			if slices.ContainsFunc(asked, func(one string) bool { return !slices.Contains(g.scopes, one) }) {
				return s.no(BadScope)
			}
			scopes = asked
		}
		if s.profile.Rotation != "none" && !before {
			g.used[token] = s.now()
		}
		return s.issue(g, scopes, true)
	}
	return s.no(BadToken)
}

// takenAgain tells whether a refresh token that was used is good nevertheless.
func (s *Server) takenAgain(used time.Time) bool {
	return s.profile.Rotation == "replaced" || s.profile.Rotation == "reuse_window" && s.now().Sub(used) <= s.profile.Window
}

func (s *Server) exchange(r *http.Request) Answer {
	scopes := split(value(r, "scope"), " ")
	subject := value(r, "subject_token")
	g, ok := s.access[subject]
	if !ok && strings.HasPrefix(subject, "subject-") { // somebody's, from elsewhere
		g, ok = &grant{login: subject, scopes: scopes, used: map[string]time.Time{}}, true
		s.grants = append(s.grants, g)
	}
	if !ok || g.ended {
		return s.no(BadToken)
	}
	if s.switches.IgnoreNarrow {
		scopes = g.scopes
	}
	kept := g.refresh
	a := s.issue(g, scopes, false)
	if object, isObject := a.Body.(map[string]any); isObject && strings.HasPrefix(subject, "access-") {
		g.refresh = kept // a token for less has none of its own
		delete(object, "refresh_token")
	}
	return a
}

// issue makes a pair. The lock is held.
func (s *Server) issue(g *grant, scopes []string, again bool) Answer {
	i := Issued{Access: "access-" + rand.Text(), Scopes: scopes, Life: s.profile.Life, At: s.now(), Again: again, Login: g.login}
	s.access[i.Access] = g
	if s.profile.Rotation != "" && g.login != "client" {
		if g.refresh == "" || s.profile.Rotation != "none" {
			g.refresh = "refresh-" + rand.Text()
		}
		i.Refresh = g.refresh
	}
	if s.switches.NoExpiry {
		i.Life = 0
	}
	if s.switches.NoSuccessor && again {
		i.Refresh = ""
	}
	m := s.profile.Issued(i)
	if s.switches.SilentNarrow {
		delete(m, "scope")
	}
	return Answer{200, m}
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	s.count("revoke")
	if fault := s.fault("revoke"); fault != nil {
		s.spoil(w, r, *fault, nil)
		return
	}
	token := s.profile.Ended(r)
	s.mu.Lock()
	found := false
	for _, g := range s.grants {
		if !g.ended && (g.refresh == token || s.access[token] == g) {
			g.ended, found = true, true
		}
	}
	s.mu.Unlock()
	if !found && r.Method == http.MethodDelete {
		s.write(w, r, Answer{404, map[string]any{"message": "Not Found"}})
		return
	}
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.write(w, r, Answer{200, map[string]any{"ok": true, "revoked": found}})
}

func (s *Server) probe(w http.ResponseWriter, r *http.Request) {
	s.count("probe")
	if fault := s.fault("probe"); fault != nil {
		s.spoil(w, r, *fault, nil)
		return
	}
	s.mu.Lock()
	g, ok := s.access[bearer(r)]
	s.mu.Unlock()
	if !ok || g.ended {
		s.write(w, r, refuse(401, "invalid_token"))
		return
	}
	s.write(w, r, Answer{200, s.profile.Who(g.login)})
}

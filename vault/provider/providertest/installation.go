package providertest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// App is an app that somebody installed: whose key signs, and what it may do there.
type App struct {
	ID           string
	Key          *rsa.PublicKey
	Installation string
	Permissions  map[string]string
	Repositories []string
}

// Install makes an installation.
func (s *Server) Install(a App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps = append(s.apps, a)
}

func (s *Server) installation(w http.ResponseWriter, r *http.Request) {
	s.count("installation")
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodDelete && r.URL.Path == "/installation/token" {
		delete(s.access, bearer(r))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	for _, a := range s.apps {
		if r.URL.Path != "/app/installations/"+a.Installation+"/access_tokens" {
			continue
		}
		if !a.signed(bearer(r), s.now()) {
			break
		}
		status, body := a.token(r)
		if s.switches.IgnoreNarrow {
			status, body = a.token(&http.Request{Form: url.Values{"raw": {"{}"}}})
		}
		if status == http.StatusCreated {
			made := "ghs_" + rand.Text()
			s.access[made] = &grant{}
			body["token"], body["expires_at"] = made, s.now().Add(time.Hour).UTC().Format(time.RFC3339)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusUnauthorized
	if !slices.ContainsFunc(s.apps, func(a App) bool { return strings.Contains(r.URL.Path, "/"+a.Installation+"/") }) {
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"message":"canary-description"}`))
}

// signed: RS256 with the app's key, iss the app, ten minutes at most.
func (a App) signed(token string, now time.Time) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(a.Key, crypto.SHA256, digest[:], signature) != nil {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		Iss      string
		Iat, Exp int64
	}
	return json.Unmarshal(b, &claims) == nil && claims.Iss == a.ID && claims.Iat <= now.Unix() && claims.Exp > now.Unix() && claims.Exp-now.Unix() <= 600
}

func (a App) token(r *http.Request) (int, map[string]any) {
	var asked struct {
		Permissions  map[string]string
		Repositories []string
	}
	if json.Unmarshal([]byte(value(r, "raw")), &asked) != nil {
		return http.StatusBadRequest, map[string]any{}
	}
	granted := map[string]string{"metadata": "read"}
	if asked.Permissions == nil {
		asked.Permissions = a.Permissions
	}
	for name, level := range asked.Permissions {
		if a.Permissions[name] == "" || level == "write" && a.Permissions[name] == "read" {
			return http.StatusUnprocessableEntity, map[string]any{"message": "canary-description"}
		}
		granted[name] = level
	}
	body := map[string]any{"permissions": granted, "repository_selection": "all"}
	var repositories []any
	for _, name := range asked.Repositories {
		if !slices.Contains(a.Repositories, name) {
			return http.StatusUnprocessableEntity, map[string]any{"message": "canary-description"}
		}
		repositories = append(repositories, map[string]any{"name": name})
	}
	if repositories != nil {
		body["repositories"], body["repository_selection"] = repositories, "selected"
	}
	return http.StatusCreated, body
}

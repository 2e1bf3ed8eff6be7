package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// exchange is one request and its answer, fit to be shown: tokens and secrets are named, never printed.
type exchange struct {
	To       string            `json:"to"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Sent     map[string]string `json:"sent,omitempty"`
	Status   int               `json:"status"`
	Received map[string]string `json:"received,omitempty"`
}

// tape records what an agent puts on the wire.
type tape struct {
	next  http.RoundTripper
	world *world
	mu    sync.Mutex
	taken []exchange
}

const maxTaped = 256 << 10

// RoundTrip implements http.RoundTripper.
func (t *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	e := exchange{To: t.world.nameOf(r.URL), Method: r.Method, Path: short(r.URL.Path), Sent: asked(r.URL.Query())}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxTaped))
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		if said := sent(r.Header, body); len(said) > 0 {
			e.Sent = said
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		e.add("authorization", "Bearer "+shown(strings.TrimPrefix(authorization, "Bearer ")))
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	e.Status = response.StatusCode
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTaped))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	e.Received = received(response.Header, body)
	t.mu.Lock()
	t.taken = append(t.taken, e)
	t.mu.Unlock()
	return response, nil
}

// rewind gives what was recorded since the last call.
func (t *tape) rewind() []exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.taken
	t.taken = nil
	return taken
}

func (e *exchange) add(name, value string) {
	if e.Sent == nil {
		e.Sent = map[string]string{}
	}
	e.Sent[name] = value
}

// asked is what of an authorization request is worth reading.
func asked(query url.Values) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"client_id", "redirect_uri", "scope", "resource", "login_hint", "acr_values", "max_age", "SAMLRequest"} {
		if value := query.Get(name); value != "" {
			out[name] = hide(name, value)
		}
	}
	return out
}

// short leaves out of a path what names one request.
func short(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if len(part) >= 32 && !strings.ContainsAny(part, "-.") || len(part) == 43 {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}

var titled = regexp.MustCompile(`<title>([^<]*)</title>`)

func sent(h http.Header, body []byte) map[string]string {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	out := map[string]string{}
	switch media {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil
		}
		for name := range form {
			if value := form.Get(name); value != "" {
				out[name] = hide(name, value)
			}
		}
	case "application/json":
		var call struct {
			Method string         `json:"method"`
			Params map[string]any `json:"params"`
		}
		if json.Unmarshal(body, &call) == nil && call.Method != "" {
			out["mcp"] = call.Method
			if name, ok := call.Params["name"].(string); ok {
				out["mcp"] += " " + name
			}
		}
	}
	return out
}

func received(h http.Header, body []byte) map[string]string {
	out := map[string]string{}
	if challenge := h.Get("WWW-Authenticate"); challenge != "" {
		out["www-authenticate"] = challenge
	}
	if location := h.Get("Location"); location != "" {
		if u, err := url.Parse(location); err == nil {
			out["redirect"] = short(u.Path)
			if u.Host != "" {
				out["redirect"] = u.Scheme + "://" + u.Host + short(u.Path)
			}
			if query := u.Query(); len(query) > 0 {
				out["redirect"] += " with " + strings.Join(slices.Sorted(maps.Keys(query)), ", ")
			}
		}
	} else if title := titled.FindSubmatch(body); title != nil {
		out["page"] = html.UnescapeString(string(title[1]))
	}
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return out
	}
	for _, name := range []string{
		"issuer", "access_token", "refresh_token", "id_token", "issued_token_type", "token_type", "expires_in", "scope", "resource",
		"error", "error_description", "error_uri", "acr_values", "max_age", "interaction_uri",
	} {
		if value, ok := members[name]; ok {
			out[name] = hide(name, fmt.Sprint(value))
		}
	}
	return out
}

func hide(name, value string) string {
	switch name {
	case "client_secret", "code", "code_verifier", "refresh_token", "token", "RelayState", "relay", "request":
		return "[redacted]"
	case "assertion", "subject_token", "access_token", "id_token", "logout_token":
		return shown(value)
	case "interaction_uri":
		return short(value)
	case "SAMLRequest", "SAMLResponse":
		return fmt.Sprintf("<%s, %d bytes>", name, len(value))
	}
	return value
}

// shown names a token by its kind, its size and a digest.
func shown(token string) string {
	kind := "token"
	if header, _, ok := strings.Cut(token, "."); ok {
		var h struct {
			Typ string `json:"typ"`
			Alg string `json:"alg"`
		}
		if raw, err := base64.RawURLEncoding.DecodeString(header); err == nil && json.Unmarshal(raw, &h) == nil {
			kind = strings.TrimSpace(h.Typ + " " + h.Alg)
		}
	}
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf("<%s, %d bytes, sha256 %s…>", kind, len(token), hex.EncodeToString(sum[:4]))
}

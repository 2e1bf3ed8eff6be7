package provider

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"time"
)

// DepartureLifetime is how long a person may stay at the provider.
const DepartureLifetime = 10 * time.Minute

// Ask is what a person is sent for.
type Ask struct {
	Scopes []string
	Held   []string // what the connection has already, so that asking for more does not lose it
	Hint   string   // login_hint: which account
	Claims Secret   // a challenge from Error.Claims
}

// Departure is what must be kept until the person is back. It is bound to nobody: the caller binds it.
type Departure struct {
	Provider string
	State    Secret
	Verifier Secret // PKCE; empty where the manifest disables it
	Redirect string
	Scopes   []string
	At       time.Time
}

// Authorize makes the address to send a person to (RFC 6749 §4.1.1, RFC 7636 §4.3).
func (p *Provider) Authorize(ask Ask) (string, Departure, error) {
	m := p.manifest
	if m.Kind != OAuth2 {
		return "", Departure{}, ErrUnsupported
	}
	address, failure := p.address(m.AuthorizationURL, nil)
	if failure != nil {
		return "", Departure{}, failure
	}
	scopes := union(ask.Scopes, ask.Held, m.Scopes.Always)
	d := Departure{Provider: m.Name, State: random(), Redirect: p.settings.RedirectURL, Scopes: scopes, At: p.now().UTC()}
	query := url.Values{
		"response_type": {"code"}, "client_id": {p.settings.ClientID}, "redirect_uri": {d.Redirect}, "state": {d.State.Reveal()},
	}
	fill(query, m.AuthorizationParams)
	if len(scopes) > 0 {
		query.Set(m.ScopeParameter, join(scopes, m.ScopeSeparator))
	}
	if !m.DisablePKCE {
		d.Verifier = random()
		digest := sha256.Sum256([]byte(d.Verifier.Reveal()))
		query.Set("code_challenge", base64.RawURLEncoding.EncodeToString(digest[:]))
		query.Set("code_challenge_method", "S256")
	}
	if ask.Hint != "" {
		query.Set("login_hint", ask.Hint)
	}
	if !ask.Claims.IsZero() {
		query.Set("claims", ask.Claims.Reveal())
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", Departure{}, p.fail(Misconfigured, "the address is no URL")
	}
	for name, values := range u.Query() {
		if !query.Has(name) {
			query[name] = values
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), d, nil
}

// Arrive reads what a person came back with, and gives the code. ErrState: of another departure; ErrExpired: too late;
// ErrDeclined: the person said no; otherwise an *Error.
func (p *Provider) Arrive(query url.Values, d Departure) (Secret, error) {
	// 1. The departure is ours, and this answer is its own. Without a state nothing is compared, and nothing passes.
	if d.Provider != p.manifest.Name || d.State.IsZero() || d.Redirect != p.settings.RedirectURL {
		return Secret{}, ErrState
	}
	for _, name := range []string{"state", "code", "error", "iss"} {
		if len(query[name]) > 1 {
			return Secret{}, ErrState
		}
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(d.State.Reveal())) != 1 {
		return Secret{}, ErrState
	}
	// RFC 9207 §2.4: an answer of another issuer is a mix-up.
	if iss := query.Get("iss"); iss != "" && p.manifest.Issuer != "" {
		if expected, failure := p.address(p.manifest.Issuer, nil); failure != nil || iss != expected {
			return Secret{}, ErrState
		}
	}
	if age := p.now().Sub(d.At); age < 0 || age > DepartureLifetime {
		return Secret{}, ErrExpired
	}
	// 2. What it says (RFC 6749 §4.1.2.1).
	switch code := query.Get("error"); code {
	case "":
	case "access_denied":
		return Secret{}, ErrDeclined
	case "server_error", "temporarily_unavailable":
		return Secret{}, &Error{Provider: p.manifest.Name, Outcome: Transient, Code: code}
	case "invalid_scope":
		return Secret{}, &Error{Provider: p.manifest.Name, Outcome: ScopeRefused, Code: code}
	case "login_required", "consent_required", "interaction_required", "account_selection_required":
		return Secret{}, &Error{Provider: p.manifest.Name, Outcome: Terminal, Code: code}
	default:
		return Secret{}, p.fail(Misconfigured, "the provider refuses the request")
	}
	code := query.Get("code")
	if !isToken(code) {
		return Secret{}, ErrState
	}
	return NewSecret(code), nil
}

// departed is a departure as it rests, sealed.
type departed struct {
	Provider string   `json:"provider"`
	State    string   `json:"state"`
	Verifier string   `json:"verifier,omitempty"`
	Redirect string   `json:"redirect"`
	Scopes   []string `json:"scopes,omitempty"`
	At       int64    `json:"at"` // microseconds
}

// Plaintext is the departure with its secrets, to be sealed.
func (d Departure) Plaintext() ([]byte, error) {
	return json.Marshal(departed{d.Provider, d.State.Reveal(), d.Verifier.Reveal(), d.Redirect, d.Scopes, micros(d.At)})
}

// ParseDeparture reads what Plaintext wrote.
func ParseDeparture(plaintext []byte) (Departure, error) {
	var d departed
	if err := json.Unmarshal(plaintext, &d); err != nil || d.State == "" {
		return Departure{}, ErrNotCredential // the cause would quote it
	}
	return Departure{d.Provider, NewSecret(d.State), optional(d.Verifier), d.Redirect, d.Scopes, instant(d.At)}, nil
}

// random is 256 bits; 43 characters, which a verifier needs at least (RFC 7636 §4.1).
func random() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand crashes the program first
	return NewSecret(base64.RawURLEncoding.EncodeToString(b[:]))
}

func union(lists ...[]string) []string {
	var all []string
	for _, name := range slices.Concat(lists...) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func fill(query url.Values, params map[string]string) {
	for name, value := range params {
		query.Set(name, value)
	}
}

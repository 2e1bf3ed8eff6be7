package providertest

import (
	"net/http"
	"time"
)

// Profile is a service's habits.
type Profile struct {
	Name string
	// Addresses, host and path. Absent: it has none.
	Authorize, Token, Revoke, Probe, Sites, Narrow string

	Redirect       string // where people come back to; absent: the constant
	Secret         string // of the registration; absent: the constant
	Basic          bool   // client authentication by header, else in the body
	JSON           bool   // bodies are JSON
	ScopeParameter string
	ScopeSeparator string
	Require        map[string]string // parameters without which the authorization request is refused
	Unknown        bool              // refuses PKCE, as those do that refuse what they do not know

	Rotation string // none, single_use or reuse_window
	Window   time.Duration
	Life     time.Duration // of an access token; 0: it does not end

	Issued func(Issued) map[string]any
	Refuse map[Refusal]Answer
	Ended  func(*http.Request) string // which token a revocation names
	Who    func(login string) any     // the answer to a probe
	Sited  any
}

// Issued is a pair that was just made.
type Issued struct {
	Access, Refresh string
	Scopes          []string
	Life            time.Duration
	At              time.Time
	Again           bool // by a refresh
	Login           string
}

// Refusal is why.
type Refusal string

// The refusals.
const (
	BadClient Refusal = "client"
	BadToken  Refusal = "token" // a refresh token that is dead
	BadCode   Refusal = "code"
	BadScope  Refusal = "scope"
)

// Answer is a status and a body, written as JSON.
type Answer struct {
	Status int
	Body   any
}

func refuse(status int, code string) Answer {
	return Answer{status, map[string]any{"error": code, "error_description": "canary-description: said by the provider"}}
}

// standard is what RFC 6749 says.
func standard(host string) Profile {
	return Profile{
		Authorize: host + "/authorize", Token: host + "/token", Revoke: host + "/revoke", Probe: host + "/me",
		ScopeParameter: "scope", ScopeSeparator: " ", Rotation: "none", Life: time.Hour,
		Issued: issued,
		Refuse: map[Refusal]Answer{
			BadClient: refuse(401, "invalid_client"), BadToken: refuse(400, "invalid_grant"), BadCode: refuse(400, "invalid_grant"), BadScope: refuse(400, "invalid_scope"),
		},
		Ended: func(r *http.Request) string { return value(r, "token") },
		Who:   func(login string) any { return map[string]any{"id": "id-" + login, "login": login, "name": login} },
	}
}

func issued(i Issued) map[string]any {
	m := map[string]any{"access_token": i.Access, "token_type": "Bearer", "scope": join(i.Scopes, " ")}
	if i.Life > 0 {
		m["expires_in"] = int(i.Life.Seconds())
	}
	if i.Refresh != "" {
		m["refresh_token"] = i.Refresh
	}
	return m
}

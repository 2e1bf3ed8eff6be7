// Package signin brings a person from a browser to an IdP and back: it departs,
// takes what arrives, finds or makes the user, and starts the session. It ends
// sessions the same way in both directions.
//
// What an IdP's answer must fulfil is federation/oidc's and federation/saml's to
// say; how long a session lasts is broker/session's; pages are broker/authorize's.
package signin

import (
	"net/http"
	"time"

	"github.com/chancery-dev/chancery/broker/session"
)

// Ask is what a sign-in is to be.
type Ask struct {
	LoginHint string
	Prompt    []string // login, consent, select_account, or none alone
	MaxAge    *time.Duration
	ACRValues []string
	UILocales []string
	// Then is a path of ours, below the tenant's issuer, at which the browser goes on after it. It is kept here and never
	// sent to an IdP.
	Then string
	// Link, if not nil, is whose session asks to add this IdP's identity to its user.
	Link *session.Session
	// Only, if not empty, is the one user who may come back: for a step-up, an interaction.
	Only string
}

// Departure is where the browser goes now.
type Departure struct {
	URL     string            // complete, or the form's action
	Form    map[string]string // nil: a redirect; else what is posted (SAML HTTP-POST)
	Cookies []*http.Cookie
}

// Arrival is a person who came back.
type Arrival struct {
	Session session.Session
	Cookies []*http.Cookie
	Then    string // from the Ask, with an error too; empty for a sign-in that the IdP began
	Linked  bool   // the identity was added to the session's user
	// Confirm, if not empty, names what waits for the person's word: an IdP began this by itself, and no session was started.
	// Session then says the user, if there is one already, and the IdP, and has no handle.
	Confirm string
	// Person is what the IdP calls who came. It is text of outsiders.
	Person string
}

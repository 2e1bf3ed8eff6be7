// Package session keeps people signed in: a row for each sign-in that lasts,
// found by what a cookie of the browser carries, and what an IdP said of the
// person when he last came from there.
//
// A session ends by its own limits, by its person, by its IdP, by an
// administrator, and with its user, its IdP or its tenant. None of that is
// remembered in the browser.
//
// It knows no HTML, no protocol of an IdP and no SQL.
package session

import (
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Session is a sign-in that lasts, as it rests. It was alive when it was read.
type Session struct {
	Handle [32]byte // SHA-256 of what the cookie carries; never shown as it is
	// ID names the session through all its handles, in events and on pages; it opens nothing.
	ID      string
	Tenant  tenant.UID
	UserUID string
	IdPUID  string
	// Issuer is the IdP's when the session began: an entry that points elsewhere now is another IdP.
	Issuer   string
	Upstream Upstream
	// Proof is the strongest authentication that this session had, as evidence says; each part is absent where nothing
	// said it. It changes only with the handle.
	Proof     Proof
	StartedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time // whatever happens
	Version   int64     // of the tenant at its start: a mark above it ends it
}

// String names the session, and shows neither what opens it nor whom it is of.
func (s Session) String() string { return "session " + s.ID }

// GoString is String, for %#v.
func (s Session) GoString() string { return s.String() }

// Proof is how a person showed who he is.
type Proof struct {
	ACR      string
	AMR      []string
	AuthTime time.Time // zero: not known, which no max_age is satisfied by
}

// Upstream is how an IdP names the person and its own session, so that it can end ours and we can end its.
type Upstream struct {
	Subject   string // SignIn.Sub at an OpenID provider; the canonical subject identifier at a SAML IdP
	SessionID string // sid, or SessionIndex; "" where it names none
	Tenant    string // the IdP-side tenant, "" where it names none
	// Hint is sealed: the ID token, or the NameID of a SAML logout request.
	Hint []byte
}

// Profile is what an IdP said of a person at his last sign-in there.
type Profile struct {
	Tenant        tenant.UID
	UserUID       string
	IdPUID        string
	Name          string
	Email         string
	EmailVerified bool
	Groups        []string // as the IdP calls them, its aliases not applied
	// GroupsState is complete, absent or overage, as assertion.Groups says it.
	GroupsState string
	Guest       bool
	Subject     string // the IdP's own sub, for policies
	SeenAt      time.Time
}

// String names whose it is, and shows nothing of what was said.
func (p Profile) String() string { return "profile of " + p.UserUID + " at " + p.IdPUID }

// GoString is String, for %#v.
func (p Profile) GoString() string { return p.String() }

package signin

import (
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Sighting is somebody's arrival from an IdP, for an administrator who waits for one.
type Sighting struct {
	Tenant tenant.UID
	At     time.Time
	Trace  string
	IdPUID string
	IdP    string // name of the entry
	Checks []audit.Check
	Code   oauth.Code // why he was refused, "" where he is signed in
	// Verified tells whether the IdP's word held; without it Said is empty.
	Verified bool
	// Said is what the IdP said of the person: never a token, a code, a response or a secret.
	Said map[string]any
}

// String says nothing of the person.
func (s Sighting) String() string { return "arrival in request " + s.Trace }

// GoString is String, for %#v.
func (s Sighting) GoString() string { return s.String() }

// Captures shows arrivals to an administrator who waits for one; *capture.Watch does. It must not wait, or change
// anything. Only arrivals of browsers that left from here are shown, so that nobody uses up a capture by posting rubbish.
type Captures interface {
	OfferSignIn(s Sighting)
}

package signin

import (
	"errors"
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

// offer shows an arrival, refused or not.
func (a *attempt) offer(refusal error) {
	if a.desk.Captures == nil || !a.left {
		return
	}
	s := Sighting{
		Tenant: a.tenant.UID, At: a.now, Trace: a.caller.Trace, IdPUID: a.idp.UID, IdP: a.idp.Name, Checks: a.checks, Verified: a.verified, Said: a.said,
	}
	if coded, ok := errors.AsType[*oauth.Error](refusal); ok {
		s.Code = coded.Code
	} else if refusal != nil {
		s.Code = oauth.AsError(refusal).Code
	}
	a.desk.Captures.OfferSignIn(s)
}

// shown is what the IdP said of the person, for an administrator: no hint, no token.
func (w word) shown() map[string]any {
	said := map[string]any{"groups_state": string(w.groups.State)}
	for name, text := range map[string]string{
		"sub": w.ids.Subject, "email": w.ids.Email, "tenant": w.ids.Tenant, "name": w.name, "acr": w.proof.ACR, "session": w.upstream.SessionID,
	} {
		if text != "" {
			said[name] = text
		}
	}
	if !w.ids.SubID.IsZero() {
		said["sub_id"] = w.ids.SubID.Members()
	}
	if w.ids.EmailVerified != nil {
		said["email_verified"] = *w.ids.EmailVerified
	}
	if len(w.groups.Values) > 0 {
		said["groups"] = w.groups.Values
	}
	if len(w.proof.AMR) > 0 {
		said["amr"] = w.proof.AMR
	}
	if !w.proof.AuthTime.IsZero() {
		said["auth_time"] = w.proof.AuthTime.Unix()
	}
	return said
}

package idptest

import "time"

// User is somebody who can sign in.
type User struct {
	Name          string // what login_hint names, besides Email and Subject
	Subject       string // sub
	Email         string
	EmailVerified bool
	DisplayName   string
	Groups        []string
	Tenant        string // the tenant claim, "" for none

	// What the IdP says of how the person signed in. AuthTime zero means at the
	// moment of the sign-in, and for assertions minted without one: no claim.
	AuthTime time.Time
	ACR      string // "" for no claim
	AMR      []string
	// StepUp lists the acr values that the person reaches when asked for one.
	StepUp []string

	// Claims are added to ID tokens and ID-JAGs as they are.
	Claims map[string]any
}

// Names of the people and of the groups of the demo.
const (
	Alice = "alice" // may edit notes
	Bob   = "bob"   // may read notes
	Eve   = "eve"   // a contractor; may do nothing

	GroupEditors     = "notes-editors"
	GroupReaders     = "notes-readers"
	GroupContractors = "contractors"
)

// People are the users of an IdP that is told of no others.
func People() []User {
	return []User{
		{
			Name: Alice, Subject: "00u1alice", Email: "alice@acme.com", EmailVerified: true, DisplayName: "Alice Example",
			Groups: []string{GroupEditors}, StepUp: []string{"phr", "phrh"},
		},
		{
			Name: Bob, Subject: "00u2bob", Email: "bob@acme.com", EmailVerified: true, DisplayName: "Bob Example",
			Groups: []string{GroupReaders},
		},
		{
			Name: Eve, Subject: "00u3eve", Email: "eve@contractor.example", EmailVerified: true, DisplayName: "Eve Example",
			Groups: []string{GroupContractors},
		},
	}
}

func (u User) is(hint string) bool {
	return hint != "" && (hint == u.Name || hint == u.Email || hint == u.Subject)
}

package page

import (
	_ "embed" // the script
	"encoding/json"
	"html/template"
	"time"
)

//go:embed templates/passkey.js
var passkeyScript string

// ceremony is the one script that people need: a browser hands out what an authenticator says to scripts alone. It is the
// same for everybody, holds nothing of the person, is pinned by its hash and sends nothing anywhere: it fills in the form.
var ceremony = template.JS(squeeze(passkeyScript)) //nolint:gosec // G203: our own file

// Passkey asks an authenticator: to make a passkey, or to prove that the person has one.
type Passkey struct {
	Action  string // where the form goes: a path of ours. What the authenticator says comes back as `response`
	Token   string
	Person  Person
	Enrol   bool   // a new one, for which a `name` comes back too
	Options []byte // of navigator.credentials, in JSON
	Back    string // a path of ours for who does not want to
}

// JSON is the options as they stand in the page.
func (m Passkey) JSON() string { return string(m.Options) }

// Render shows the page.
func (m Passkey) Render(f Frame) (Page, error) {
	if err := here(m.Action, m.Back); err != nil {
		return Page{}, err
	}
	if m.Token == "" || m.Person.Label() == "" || !json.Valid(m.Options) {
		return Page{}, unfit("a passkey of nobody, or for nothing")
	}
	may := stay
	may.script = string(ceremony)
	return f.render("passkey", m, may)
}

// Passkeys lists the person's own.
type Passkeys struct {
	Action   string // where removals go: a path of ours; what is to go comes back as `passkey`
	Token    string
	Person   Person
	Passkeys []OwnPasskey
	Add      string // a path of ours; empty: none can be added
	Account  string // a path of ours
}

// OwnPasskey is one that the person enrolled.
type OwnPasskey struct {
	Key   string // what the form sends
	Name  string
	Added time.Time
	Used  time.Time // zero: not yet
}

// When is when it was enrolled.
func (p OwnPasskey) When() Moment { return moment(p.Added) }

// Last is when it was last used.
func (p OwnPasskey) Last() Moment { return moment(p.Used) }

// Render shows the page.
func (m Passkeys) Render(f Frame) (Page, error) {
	if err := here(m.Action, m.Account); err != nil {
		return Page{}, err
	}
	if m.Add != "" {
		if err := here(m.Add); err != nil {
			return Page{}, err
		}
	}
	if m.Token == "" || m.Person.Label() == "" {
		return Page{}, unfit("passkeys of nobody")
	}
	return f.render("passkeys", m, stay)
}

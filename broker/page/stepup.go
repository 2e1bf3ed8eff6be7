package page

import "time"

// StepUp explains why a person who is signed in must prove himself again (RFC 9470), and offers the ways to do it.
type StepUp struct {
	Action   string
	Token    string
	Client   Client
	Resource Resource
	Person   Person
	Stronger bool          // a stronger way than the last time
	MaxAge   time.Duration // a sign-in not older than this; 0: its age does not matter
	Ways     []Way
}

// Way is one way to prove oneself: an IdP's, or one that we have words for.
type Way struct {
	Name  string // what the form sends
	Title string // of the IdP, where the way is one
	Own   Own    // where it is none
}

// Own is a way that is no IdP's.
type Own string

// The ways of our own.
const (
	ByPasskey    Own = "passkey"
	ByNewPasskey Own = "enrol"
	BySession    Own = "session" // the present sign-in proves it
)

// Minutes is the age in whole minutes, at least one.
func (m StepUp) Minutes() int { return max(1, int(m.MaxAge.Minutes())) }

// Render shows the page. The way comes back as `way`; an empty one is the person's refusal.
func (m StepUp) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if err := m.Client.fit(); err != nil {
		return Page{}, err
	}
	if len(m.Ways) == 0 || !m.Stronger && m.MaxAge == 0 {
		return Page{}, unfit("a step-up without a way or a reason")
	}
	for _, w := range m.Ways {
		if (w.Title == "") == (w.Own == "") {
			return Page{}, unfit("a way of nobody, or of two")
		}
	}
	return f.render("stepup", m, stay)
}

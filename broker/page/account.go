package page

import "time"

// Account is a person's own page: where he is signed in, and whom he let act for him.
type Account struct {
	Action   string // where removals go: a path of ours
	SignOut  string // where the form goes that ends this session
	Token    string
	Person   Person
	Sessions []Session
	Grants   []Grant
	Links    []IdP  // that the person may add, to sign in here as the same user; the form sends one as `link`
	Passkeys string // a path of ours, where they are; empty: there are none here
	// Connections is a path of ours, where connected accounts are; empty: nothing is connected here.
	Connections string
}

// Session is a sign-in that lasts.
type Session struct {
	Key     string // what the form sends as `session`
	IdP     string // its title
	Started time.Time
	Seen    time.Time
	Until   time.Time
	Current bool
}

// Grant is what a client was allowed.
type Grant struct {
	Key      string // what the form sends as `grant`
	Client   Client
	Resource Resource
	Scopes   []Scope
	Given    time.Time
	Used     time.Time // zero: not yet
}

// Moment is a time as pages show it, the same in every language.
type Moment struct{ Text, Machine string }

func moment(t time.Time) Moment {
	t = t.UTC()
	return Moment{t.Format("2006-01-02 15:04 UTC"), t.Format(time.RFC3339)}
}

// Began is when the person signed in.
func (s Session) Began() Moment { return moment(s.Started) }

// Last is when the session was last used.
func (s Session) Last() Moment { return moment(s.Seen) }

// End is when the session ends by itself.
func (s Session) End() Moment { return moment(s.Until) }

// Allowed is when the person said yes.
func (g Grant) Allowed() Moment { return moment(g.Given) }

// Last is when the client last used the grant.
func (g Grant) Last() Moment { return moment(g.Used) }

// Label is the client's name in the label of a button.
func (g Grant) Label() string {
	if title := g.Client.Title(); title != "" {
		return title
	}
	return g.Client.Name
}

// Render shows the page.
func (m Account) Render(f Frame) (Page, error) {
	if err := here(m.Action, m.SignOut); err != nil {
		return Page{}, err
	}
	if m.Token == "" || m.Person.Label() == "" {
		return Page{}, unfit("an account of nobody")
	}
	for _, path := range []string{m.Passkeys, m.Connections} {
		if path == "" {
			continue
		}
		if err := here(path); err != nil {
			return Page{}, err
		}
	}
	for _, g := range m.Grants {
		if err := g.Client.fit(); err != nil {
			return Page{}, err
		}
	}
	return f.render("account", m, stay)
}

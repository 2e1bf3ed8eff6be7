package page

import "time"

// Connect asks a person whether an account of his at another service is to be connected, and for what.
type Connect struct {
	Action   string // a path of ours
	Token    string
	Provider string // its title
	Client   Client // who asked; nobody's where the person came by himself
	Asked    bool   // a client did
	Scopes   []Scope
	Person   Person
	Account  string // that is connected and asked about again; empty: none
	Again    bool   // the account is connected, and has to be so again
	// Entry: the person types the credential in here. User: with a name.
	Entry bool
	User  bool
	Wrong bool // what was typed cannot be one
}

// Render shows the page. The decision comes back as `decision=allow` or `decision=deny`, what was typed as `user` and `secret`.
func (m Connect) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if m.Asked {
		if err := m.Client.fit(); err != nil {
			return Page{}, err
		}
	}
	if m.Token == "" || m.Person.Label() == "" || visible(m.Provider, maxName) == "" || m.User && !m.Entry {
		return Page{}, unfit("a connection of nobody, or to nothing")
	}
	return f.render("connect", m, stay)
}

// ConnectConfirm shows whose account it is before it is connected.
type ConnectConfirm struct {
	Action   string
	Token    string
	Provider string
	Account  string // empty: the service does not say
	Meant    string // the account that was meant, where this is another one
	Others   []string
	Again    bool // this one is connected already
	Scopes   []Scope
	Missing  []Scope // asked for, and not given
	Sites    []Site
	Person   Person
	Client   Client
	Asked    bool
}

// Choice tells that there is more than one site: then the person's yes names it, as `site`.
func (m ConnectConfirm) Choice() bool { return len(m.Sites) > 1 }

// Site is a part of what an account reaches; one is chosen.
type Site struct {
	ID    string // what the form sends as `site`
	Label string
}

// Render shows the page. The decision comes back as `decision=allow` or `decision=deny`.
func (m ConnectConfirm) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if m.Asked {
		if err := m.Client.fit(); err != nil {
			return Page{}, err
		}
	}
	if m.Token == "" || m.Person.Label() == "" || visible(m.Provider, maxName) == "" {
		return Page{}, unfit("a connection of nobody, or to nothing")
	}
	for _, site := range m.Sites {
		if site.ID == "" {
			return Page{}, unfit("a site without an id")
		}
	}
	return f.render("connectconfirm", m, stay)
}

// Connections lists the accounts that a person connected.
type Connections struct {
	Action      string // where tests and removals go: a path of ours; the key comes back as `test` or `remove`
	Token       string
	Person      Person
	Connections []Connection
	Offers      []Offer
	Account     string // a path of ours: the person's own page
	Told        Told
	About       string // the provider's title that Told is about
	Whose       string // the account, where a test found it
}

// Told is what became of what the person had asked on this page.
type Told string

// What is told.
const (
	ToldNothing    Told = ""
	ToldWorks      Told = "works"
	ToldFails      Told = "fails"
	ToldRemoved    Told = "removed"    // and revoked at the service
	ToldOnlyHere   Told = "only_here"  // the service offers no way to revoke, or did not answer: the person can do it there
	ToldReconnect  Told = "reconnect"  // the service takes the credential no more
	ToldUntestable Told = "untestable" // there is nothing that could be asked
)

// Connection is one account.
type Connection struct {
	Key       string
	Provider  string // title
	Account   string
	Scopes    []Scope
	State     ConnectionState
	Connected time.Time
	Used      time.Time // zero: not yet
	UsedBy    string
	Reconnect string // a path of ours; empty: not offered
}

// ConnectionState is what may be done with it.
type ConnectionState string

// The states.
const (
	StateConnected ConnectionState = "connected"
	StateReconnect ConnectionState = "reauthorization_required"
	StateHeld      ConnectionState = "suspended"
)

// Since is when it was connected.
func (c Connection) Since() Moment { return moment(c.Connected) }

// Last is when it was last used.
func (c Connection) Last() Moment { return moment(c.Used) }

// Offer is a service that can be connected.
type Offer struct {
	Title string
	Path  string // a path of ours
}

// Render shows the page.
func (m Connections) Render(f Frame) (Page, error) {
	if err := here(m.Action, m.Account); err != nil {
		return Page{}, err
	}
	if m.Token == "" || m.Person.Label() == "" {
		return Page{}, unfit("connections of nobody")
	}
	for _, c := range m.Connections {
		if c.State != StateConnected && c.State != StateReconnect && c.State != StateHeld {
			return Page{}, unfit("a connection that is %q", c.State)
		}
		if c.Reconnect != "" {
			if err := here(c.Reconnect); err != nil {
				return Page{}, err
			}
		}
	}
	for _, o := range m.Offers {
		if err := here(o.Path); err != nil {
			return Page{}, err
		}
	}
	return f.render("connections", m, stay)
}

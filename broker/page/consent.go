package page

import "strings"

// Vouch says who stands for a client's name.
type Vouch int

// Who vouches, from nobody up.
const (
	VouchNobody   Vouch = iota // it registered itself: its name is a claim
	VouchDocument              // its metadata document was fetched from Host: the host is verified, the name a claim
	VouchCompany               // an administrator of the tenant registered it
)

// Client is who asks.
type Client struct {
	Name  string
	Vouch Vouch
	Host  string // of the verified document, with VouchDocument only
}

// Title is what the client may be called in a sentence of ours: a name that an administrator gave, or the host that was
// verified. A client that nobody vouches for has none, whatever it calls itself (T40).
func (c Client) Title() string {
	switch c.Vouch {
	case VouchCompany:
		return visible(c.Name, maxName)
	case VouchDocument:
		return c.Host
	case VouchNobody:
	}
	return ""
}

// Claimed is the name that the client gives itself, where that is another than its title.
func (c Client) Claimed() string {
	if c.Vouch == VouchCompany {
		return ""
	}
	return visible(c.Name, maxName)
}

// Company tells a client that an administrator registered.
func (c Client) Company() bool { return c.Vouch == VouchCompany }

// Document tells a client whose host was verified.
func (c Client) Document() bool { return c.Vouch == VouchDocument }

// Nobody tells a client that nobody vouches for.
func (c Client) Nobody() bool { return c.Vouch == VouchNobody }

func (c Client) fit() error {
	switch {
	case c.Vouch < VouchNobody || c.Vouch > VouchCompany:
		return unfit("a client vouched for by number %d", c.Vouch)
	case c.Vouch == VouchCompany && visible(c.Name, maxName) == "":
		return unfit("a registered client without a name")
	case (c.Vouch == VouchDocument) != (c.Host != ""):
		return unfit("a host goes with a document, and with nothing else")
	case c.Host != "" && !isHost(c.Host):
		return unfit("a client at %q", c.Host)
	}
	return nil
}

// Resource is where the access is to.
type Resource struct {
	Name string
	URI  string
}

// Scope is a piece of access.
type Scope struct {
	Name        string
	Description string // empty: the scope's own name is shown
	Risk        string // high, medium, low; anything else has not been rated
}

// Access is what is asked of one resource; without a name and URI, of the person's own account here.
type Access struct {
	Resource Resource
	Scopes   []Scope
}

// Consent asks a person whether a client may act for him.
type Consent struct {
	Action      string
	Token       string // bound to the request and to the browser
	Client      Client
	RedirectURI string // verified: registered for this client
	Access      []Access
	Person      Person
	Switch      string // a path of ours to sign in as somebody else; empty: not offered
	Remembered  bool   // the answer will not be asked for again until something changes
}

// consentView is what the template sees: where the answer goes is read here, from the URI that it will go to.
type consentView struct {
	Consent
	Return destination
	Groups []accessGroups
	Away   bool // the answer goes to another host than the client's document is at
}

// Render shows the page. The decision comes back as `decision=allow` or `decision=deny`.
func (m Consent) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if m.Switch != "" {
		if err := here(m.Switch); err != nil {
			return Page{}, err
		}
	}
	if err := m.Client.fit(); err != nil {
		return Page{}, err
	}
	if m.Token == "" || m.Person.Label() == "" {
		return Page{}, unfit("a consent of nobody")
	}
	groups, err := grouped(m.Access)
	if err != nil {
		return Page{}, err
	}
	to, err := readDestination(m.RedirectURI)
	if err != nil {
		return Page{}, err
	}
	away := m.Client.Vouch == VouchDocument && to.Host != "" && !to.Loopback && !strings.EqualFold(to.Host, m.Client.Host)
	may := stay
	if to.source != "" { // browsers hold redirects of a form to form-action too
		may = allowance{forms: []string{"'self'", to.source}}
	}
	return f.render("consent", consentView{Consent: m, Return: to, Groups: groups, Away: away}, may)
}

// accessGroups are one resource's scopes by risk, the highest first.
type accessGroups struct {
	Resource Resource
	Groups   []riskGroup
}

type riskGroup struct {
	Risk   string // high, unrated, medium, low
	Scopes []Scope
}

func grouped(all []Access) ([]accessGroups, error) {
	var out []accessGroups
	for _, access := range all {
		if len(access.Scopes) == 0 {
			return nil, unfit("access without a scope")
		}
		g := accessGroups{Resource: access.Resource}
		for _, risk := range []string{"high", "unrated", "medium", "low"} {
			var of []Scope
			for _, scope := range access.Scopes {
				if rated(scope) == risk {
					of = append(of, scope)
				}
			}
			if len(of) > 0 {
				g.Groups = append(g.Groups, riskGroup{risk, of})
			}
		}
		out = append(out, g)
	}
	if len(out) == 0 {
		return nil, unfit("a consent to nothing")
	}
	return out, nil
}

// rated takes the resource's rating; the standard's own scopes have ours where it gives none.
func rated(s Scope) string {
	switch s.Risk {
	case "high", "medium", "low":
		return s.Risk
	}
	switch s.Name {
	case "openid", "profile", "email":
		return "low"
	case "offline_access":
		return "medium"
	}
	return "unrated"
}

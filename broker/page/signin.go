package page

// SignIn lets a person choose where to sign in: a tile for each IdP, a field for an address whose domain finds one
// (home realm), or both.
type SignIn struct {
	Action  string // where the forms go: a path of ours
	Token   string // bound to the request and to the browser
	For     string // who asked for the sign-in, as Client.Title gives it; empty: the person came himself
	IdPs    []IdP
	ByEmail bool
	Email   string // what was typed or hinted
	Unknown bool   // no IdP answers for the address
}

// IdP is a tile.
type IdP struct {
	Name  string // what the form sends
	Title string
}

// Render shows the page. One without any way to sign in is refused.
func (m SignIn) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if len(m.IdPs) == 0 && !m.ByEmail {
		return Page{}, unfit("a sign-in without an IdP")
	}
	return f.render("signin", m, stay)
}

// Confirm asks before a sign-in that an IdP began by itself is taken: whoever sent the person here may have signed him in
// as somebody else (threat T37).
type Confirm struct {
	Action string
	Token  string
	IdP    string // its title
	Person Person
	Target string // what is opened afterwards; empty: the account page
}

// Render shows the page.
func (m Confirm) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if m.Person.Label() == "" || m.IdP == "" {
		return Page{}, unfit("a confirmation of nobody")
	}
	return f.render("confirm", m, stay)
}

// Person is who is signed in, as his IdP calls him.
type Person struct {
	Name  string
	Email string
	IdP   string // its title
}

// Label is the most telling of the person's names, as it is shown; empty for nobody.
func (p Person) Label() string {
	if address := visible(p.Email, maxLine); address != "" {
		return address
	}
	return visible(p.Name, maxName)
}

// SignedOut says that the session here has ended.
type SignedOut struct {
	IdP    string // where a session goes on; empty: nowhere that is known
	Return string // a verified address to go back to; empty: none
	Again  string // a path of ours to sign in again; empty: none
}

// Render shows the page.
func (m SignedOut) Render(f Frame) (Page, error) {
	v := struct {
		SignedOut
		Back destination
	}{SignedOut: m}
	if m.Again != "" {
		if err := here(m.Again); err != nil {
			return Page{}, err
		}
	}
	if m.Return != "" {
		back, err := readDestination(m.Return)
		if err != nil {
			return Page{}, err
		}
		v.Back = back
	}
	return f.render("signedout", v, allowance{})
}

// SignOut asks whether the person wants to sign out: somebody sent him here who does not show for whom (OpenID Connect
// RP-Initiated Logout 1.0 §2).
type SignOut struct {
	Action string
	Token  string
	Person Person
}

// Render shows the page. The decision comes back as `decision=allow` or `decision=deny`.
func (m SignOut) Render(f Frame) (Page, error) {
	if err := here(m.Action); err != nil {
		return Page{}, err
	}
	if m.Token == "" || m.Person.Label() == "" {
		return Page{}, unfit("a sign-out of nobody")
	}
	return f.render("signout", m, stay)
}

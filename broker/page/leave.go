package page

// autoSubmit is the only script there is. Nothing of the model is in it, so that its hash is always the same.
const autoSubmit = "document.forms[0].submit()"

// Answer carries an authorization response to the client in a form (OAuth 2.0 Form Post Response Mode §2). A browser posts
// to another site only when a script or a person says so. People would find a button to press after every sign-in, a code
// lives for a minute, and prompt=none must show nothing to operate: so this one page has a script, of one line that is
// pinned by its hash and holds nothing of the answer. Where scripts are off, the button is there.
type Answer struct {
	RedirectURI string // verified: registered for this client
	Fields      []Field
}

// Field is sent as it is; it is never shown.
type Field struct{ Name, Value string }

// Render shows the page. Destinations that a form cannot reach under a policy (programs' schemes, IPv6) are refused.
func (m Answer) Render(f Frame) (Page, error) {
	to, err := readDestination(m.RedirectURI)
	if err != nil {
		return Page{}, err
	}
	if to.Program || to.source == "" {
		return Page{}, unfit("a form cannot be sent there")
	}
	return f.render("answer", struct {
		Answer
		To destination
	}{m, to}, allowance{forms: []string{to.source}, script: autoSubmit})
}

// Onward takes the browser to another place after a form was posted here. A redirect would do, but Chromium holds every
// redirect that follows a form to the form's page's form-action, also those that the other site makes, to hosts that
// nobody here can know (an IdP's second domain). This page ends that chain: it goes on by itself without a script, and has
// a link.
type Onward struct {
	URL string // of an IdP, or a verified redirect URI
}

// Render shows the page.
func (m Onward) Render(f Frame) (Page, error) {
	to, err := readDestination(m.URL)
	if err != nil {
		return Page{}, err
	}
	return f.render("onward", to, allowance{})
}

// Passage posts a request to an IdP (SAML 2.0 Bindings §3.5). It is Answer in the other direction: the IdP may send the
// browser on to hosts of its own that nobody here can know, and browsers hold these redirects to the form's page's policy,
// so that every https host is let through. Nothing on the page is another's but the address and the fields.
type Passage struct {
	URL    string // of the IdP, from its metadata
	Fields []Field
}

// Render shows the page. Destinations that a form cannot reach under a policy are refused.
func (m Passage) Render(f Frame) (Page, error) {
	to, err := readDestination(m.URL)
	if err != nil {
		return Page{}, err
	}
	if to.Program || to.source == "" {
		return Page{}, unfit("a form cannot be sent there")
	}
	return f.render("passage", struct {
		Passage
		To destination
	}{m, to}, allowance{forms: []string{to.source, "https:"}, script: autoSubmit})
}

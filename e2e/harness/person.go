package harness

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Person is somebody at a browser without scripts: cookies are kept, redirects followed, forms filled in. As browsers do,
// it treats loopback as trustworthy, so that Secure cookies go there over http.
type Person struct {
	Name string // at the fake IdP: alice, bob, eve
	IdP  string // the one that he picks where he may choose; "" for the first
	// Fill is what he does at the pages of an IdP of others: which form he sends, with what in it. May be nil.
	Fill func(*Page) (Form, url.Values, bool)
	t    testing.TB
	http *http.Client
	stop string // a redirect to what begins so is not followed
	from string // the origin of the page that is shown; "" for none
}

// maxSteps bounds what a person does until an answer is there: redirects, pages and forms.
const maxSteps = 30

// NewPerson is a person with a fresh browser.
func NewPerson(t testing.TB, name string) *Person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	p := &Person{Name: name, t: t}
	p.http = &http.Client{
		Jar:           trustworthy{jar},
		Timeout:       patience,
		Transport:     transportOf(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p
}

func transportOf() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
}

// trustworthy lets Secure cookies reach loopback (W3C Secure Contexts §3.1).
type trustworthy struct{ http.CookieJar }

func (j trustworthy) Cookies(u *url.URL) []*http.Cookie { return j.CookieJar.Cookies(secured(u)) }

func (j trustworthy) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.CookieJar.SetCookies(secured(u), cookies)
}

func secured(u *url.URL) *url.URL {
	address := net.ParseIP(u.Hostname())
	if u.Scheme != "http" || u.Hostname() != "localhost" && (address == nil || !address.IsLoopback()) {
		return u
	}
	trusted := *u
	trusted.Scheme = "https"
	return &trusted
}

// Page is what a browser shows, or the address that it was sent to and did not open.
type Page struct {
	URL     *url.URL
	Status  int
	Header  http.Header
	Body    string
	Forms   []Form
	Links   []Link
	Outside *url.URL // where it would have gone next, unvisited
	Posted  url.Values

	onward string // where it goes by itself
}

// Form is a form of a page.
type Form struct {
	Action  *url.URL
	Method  string
	Fields  url.Values // as they are filled in when the page comes
	Buttons []Button
}

// Button sends a form, with its own name and value.
type Button struct{ Name, Value string }

// Link is a link of a page.
type Link struct {
	Text string
	To   *url.URL
}

// Button finds the form and the button that sends name=value.
func (p *Page) Button(name, value string) (Form, bool) {
	for _, f := range p.Forms {
		if slices.Contains(f.Buttons, Button{name, value}) {
			return f, true
		}
	}
	return Form{}, false
}

// StopAt has redirects, and pages that go on by themselves, to what begins so not followed from now on; "" follows all.
func (p *Person) StopAt(prefix string) { p.stop = prefix }

// Open opens an address, and goes wherever it leads, short of what begins with StopAt.
func (p *Person) Open(target string) *Page {
	p.t.Helper()
	p.from = ""
	page, err := p.Visit(p.t.Context(), http.MethodGet, target, nil)
	must(p.t, err)
	return page
}

// Send presses a button of a form, with what was filled in changed.
func (p *Person) Send(f Form, change url.Values) *Page {
	p.t.Helper()
	fields := url.Values{}
	maps.Copy(fields, f.Fields)
	maps.Copy(fields, change)
	page, err := p.Visit(p.t.Context(), f.Method, f.Action.String(), fields)
	must(p.t, err)
	return page
}

// Press presses the button that sends name=value.
func (p *Person) Press(page *Page, name, value string) *Page {
	p.t.Helper()
	form, ok := page.Button(name, value)
	if !ok {
		p.t.Fatalf("no button %s=%s on %s:\n%s", name, value, page.URL, page.Body)
	}
	return p.Send(form, url.Values{name: {value}})
}

// Authorize opens an authorization request and does what a willing person does, until the browser is sent to the redirect
// URI: it picks itself at the IdP, and allows. It returns the answer, of a query or a form.
func (p *Person) Authorize(request, redirectURI string) url.Values {
	p.t.Helper()
	answer, page, err := p.Try(p.t.Context(), request, redirectURI)
	must(p.t, err)
	if answer == nil {
		p.t.Fatalf("no answer, but a page: %d %s\n%s", page.Status, page.URL, page.Body)
	}
	return answer
}

// GoOn does what a willing person does from a page, until nothing is left to do.
func (p *Person) GoOn(page *Page) *Page {
	p.t.Helper()
	_, last, err := p.through(p.t.Context(), page)
	must(p.t, err)
	return last
}

// Try is Authorize where it may end at a page.
func (p *Person) Try(ctx context.Context, request, redirectURI string) (url.Values, *Page, error) {
	p.stop, p.from = redirectURI, ""
	defer func() { p.stop = "" }()
	page, err := p.Visit(ctx, http.MethodGet, request, nil)
	if err != nil {
		return nil, nil, err
	}
	return p.through(ctx, page)
}

func (p *Person) through(ctx context.Context, page *Page) (url.Values, *Page, error) {
	for range maxSteps {
		switch {
		case page.Outside != nil && page.Posted != nil:
			return page.Posted, page, nil
		case page.Outside != nil:
			return page.Outside.Query(), page, nil
		}
		method, target, fields, ok := p.next(page)
		if !ok {
			return nil, page, nil
		}
		next, err := p.Visit(ctx, method, target, fields)
		if err != nil {
			return nil, nil, err
		}
		page = next
	}
	return nil, page, errors.New("the pages do not end")
}

// next is what a willing person does on a page.
func (p *Person) next(page *Page) (method, target string, fields url.Values, ok bool) {
	if p.Fill != nil {
		if f, filled, found := p.Fill(page); found {
			return f.Method, f.Action.String(), filled, true
		}
	}
	for _, link := range page.Links { // the fake IdP's page: a link for each user
		if link.To.Query().Get("login_hint") == p.Name && page.Status == http.StatusOK {
			return http.MethodGet, link.To.String(), nil, true
		}
	}
	if f, found := page.Button("decision", "allow"); found {
		return f.Method, f.Action.String(), with(f.Fields, "decision", "allow"), true
	}
	if f, found := page.Button("person", p.Name); found { // the fake SAML IdP's page
		return f.Method, f.Action.String(), with(f.Fields, "person", p.Name), true
	}
	for _, f := range page.Forms {
		for _, b := range f.Buttons {
			if b.Name == "idp" && (p.IdP == "" || b.Value == p.IdP) || b.Name == "way" && b.Value != "" && b.Value != "passkey" {
				return f.Method, f.Action.String(), with(f.Fields, b.Name, b.Value), true
			}
		}
	}
	if len(page.Forms) == 1 && page.Forms[0].Action.Host != page.URL.Host { // an answer, or a request, on its way to another site
		f := page.Forms[0]
		return f.Method, f.Action.String(), f.Fields, true
	}
	return "", "", nil, false
}

func with(fields url.Values, name, value string) url.Values {
	all := maps.Clone(fields)
	all.Set(name, value)
	return all
}

// Visit makes one request and follows where it leads.
func (p *Person) Visit(ctx context.Context, method, target string, fields url.Values) (*Page, error) {
	for range maxSteps {
		u, err := url.Parse(target)
		if err != nil {
			return nil, err
		}
		if p.stop != "" && strings.HasPrefix(target, p.stop) {
			page := &Page{Outside: u}
			if method == http.MethodPost {
				page.Posted = fields
			}
			return page, nil
		}
		page, next, err := p.one(ctx, method, u, fields)
		if err != nil {
			return nil, err
		}
		if next == "" && page.onward == "" {
			return page, nil
		}
		if next == "" {
			next = page.onward
		}
		to, err := u.Parse(next)
		if err != nil {
			return nil, err
		}
		method, target, fields = http.MethodGet, to.String(), nil
	}
	return nil, fmt.Errorf("more than %d redirects, the last to %s", maxSteps, target)
}

func (p *Person) one(ctx context.Context, method string, u *url.URL, fields url.Values) (page *Page, next string, err error) {
	var body io.Reader = http.NoBody
	if method == http.MethodPost {
		body = strings.NewReader(fields.Encode())
	} else if fields != nil {
		withQuery := *u
		withQuery.RawQuery = fields.Encode()
		u = &withQuery
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, "", err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", cmp.Or(p.from, "null"))
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Sec-Fetch-Site", site(p.from, u))
	response, err := p.http.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, "", err
	}
	p.from = originOf(u)
	page = &Page{URL: u, Status: response.StatusCode, Header: response.Header, Body: string(raw)}
	if location := response.Header.Get("Location"); location != "" && response.StatusCode/100 == 3 {
		return page, location, nil
	}
	document, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		return nil, "", err
	}
	page.read(document, nil)
	return page, "", nil
}

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

// site is what a browser says of where a request comes from (Fetch Metadata §2.3).
func site(from string, u *url.URL) string {
	switch from {
	case "":
		return "none"
	case originOf(u):
		return "same-origin"
	default:
		return "cross-site"
	}
}

// read finds the forms, the links and the refresh of a document.
func (p *Page) read(n *html.Node, form *Form) {
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
	}
	switch {
	case n.Type != html.ElementNode:
	case n.Data == "form":
		action, err := p.URL.Parse(attr["action"])
		if err == nil {
			p.Forms = append(p.Forms, Form{Action: action, Method: strings.ToUpper(attr["method"]), Fields: url.Values{}})
			form = &p.Forms[len(p.Forms)-1]
			if form.Method == "" {
				form.Method = http.MethodGet
			}
		}
	case n.Data == "input" && form != nil && attr["name"] != "" && attr["type"] != "submit":
		if _, ticked := attr["checked"]; ticked || attr["type"] != "checkbox" && attr["type"] != "radio" {
			form.Fields.Add(attr["name"], attr["value"])
		}
	case form != nil && (n.Data == "button" || n.Data == "input"):
		form.Buttons = append(form.Buttons, Button{attr["name"], attr["value"]})
	case n.Data == "a":
		if to, err := p.URL.Parse(attr["href"]); err == nil {
			p.Links = append(p.Links, Link{Text: strings.TrimSpace(textOf(n)), To: to})
		}
	case n.Data == "meta" && strings.EqualFold(attr["http-equiv"], "refresh"):
		if _, target, ok := strings.Cut(attr["content"], "url="); ok {
			p.onward = target
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.read(c, form)
	}
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var all strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		all.WriteString(textOf(c))
	}
	return all.String()
}

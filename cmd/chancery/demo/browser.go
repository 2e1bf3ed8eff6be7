package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

// browser is a person's, without scripts: cookies are kept, redirects and refreshes followed, and on each page the button
// pressed that a willing person presses. As browsers do, it trusts loopback with Secure cookies (W3C Secure Contexts §3.1).
type browser struct {
	presses map[string]string // what a person presses of what he is asked, by the field that it sends
	http    *http.Client
	origin  string   // of the page that is shown; "" for none
	shown   []string // the text of each page that he read
}

// maxPages bounds redirects and pages on the way to an answer.
const maxPages = 40

func newBrowser(transport http.RoundTripper, presses map[string]string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := dev.NoRedirects(transport)
	client.Jar = trusting{jar}
	return &browser{presses: presses, http: client}, nil
}

type trusting struct{ http.CookieJar }

func (j trusting) Cookies(u *url.URL) []*http.Cookie { return j.CookieJar.Cookies(asSecure(u)) }

func (j trusting) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.CookieJar.SetCookies(asSecure(u), cookies)
}

func asSecure(u *url.URL) *url.URL {
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return u
	}
	secure := *u
	secure.Scheme = "https"
	return &secure
}

// answer opens an address and goes on until the browser is sent to redirectURI, with the answer in its query.
func (b *browser) answer(ctx context.Context, address, redirectURI string) (url.Values, error) {
	b.origin, b.shown = "", nil
	next := visit{method: http.MethodGet, target: address}
	for range maxPages {
		if place, query, ok := strings.Cut(next.target, "?"); ok && place == redirectURI {
			return url.ParseQuery(query)
		}
		page, err := b.open(ctx, next)
		if err != nil {
			return nil, err
		}
		var ok bool
		if next, ok = page.next(b.presses); !ok {
			return nil, fmt.Errorf("the browser is left at a page (%d): %s", page.status, page.text())
		}
	}
	return nil, errors.New("the pages do not end")
}

// finish opens an address and goes on to a page with nothing to press.
func (b *browser) finish(ctx context.Context, address string) error {
	b.origin, b.shown = "", nil
	next := visit{method: http.MethodGet, target: address}
	for range maxPages {
		page, err := b.open(ctx, next)
		if err != nil {
			return err
		}
		var ok bool
		if next, ok = page.next(b.presses); ok {
			continue
		}
		if page.status != http.StatusOK {
			return fmt.Errorf("the browser is left at a page (%d): %s", page.status, page.text())
		}
		return nil
	}
	return errors.New("the pages do not end")
}

type visit struct {
	method, target string
	fields         url.Values
}

func (b *browser) open(ctx context.Context, v visit) (*document, error) {
	at, err := url.Parse(v.target)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, v.method, v.target, strings.NewReader(v.fields.Encode()))
	if err != nil {
		return nil, err
	}
	from, to := b.origin, at.Scheme+"://"+at.Host
	request.Header.Set("Sec-Fetch-Site", map[bool]string{true: "same-origin", false: "cross-site"}[from == to])
	if v.method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", from)
	}
	response, err := b.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	b.origin = to
	page := &document{at: at, status: response.StatusCode}
	if location := response.Header.Get("Location"); location != "" {
		page.onward = location
		return page, nil
	}
	root, err := html.Parse(io.LimitReader(response.Body, maxTaped))
	if err != nil {
		return nil, err
	}
	page.read(root, nil)
	b.shown = append(b.shown, page.text())
	return page, nil
}

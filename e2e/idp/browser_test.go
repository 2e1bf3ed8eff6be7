package idp_test

import (
	"context"
	"errors"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// person is somebody at a browser: it keeps cookies, whatever they say of TLS, and
// fills in forms.
type person struct {
	t       *testing.T
	cookies map[string]map[string]string // by host
}

func newPerson(t *testing.T) *person { return &person{t: t, cookies: map[string]map[string]string{}} }

// page is what a URL led to: a document, or the place that it redirects to beyond the
// IdP.
type page struct {
	at      *url.URL
	body    string
	outside *url.URL // our callback, unvisited
}

const steps = 12

// visit follows redirects until there is a document, or a way back to us.
func (p *person) visit(method, target string, form url.Values, callback string) page {
	p.t.Helper()
	for range steps {
		next, document := p.step(method, target, form)
		if next == nil {
			return document
		}
		if strings.HasPrefix(next.String(), callback) {
			return page{outside: next}
		}
		method, target, form = http.MethodGet, next.String(), nil
	}
	p.t.Fatalf("more than %d redirects", steps)
	return page{}
}

func (p *person) step(method, target string, form url.Values) (next *url.URL, document page) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", request.URL.Scheme+"://"+request.URL.Host)
	}
	var kept []string
	for name, value := range p.cookies[request.URL.Host] {
		kept = append(kept, name+"="+value)
	}
	request.Header.Set("Cookie", strings.Join(kept, "; "))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	p.keep(request.URL.Host, response.Cookies())
	if next, err = response.Location(); err == nil {
		return next, page{}
	}
	if !errors.Is(err, http.ErrNoLocation) {
		p.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		p.t.Fatalf("%s %s answers %d: %.600s", method, target, response.StatusCode, body)
	}
	return nil, page{at: request.URL, body: string(body)}
}

func (p *person) keep(host string, cookies []*http.Cookie) {
	if p.cookies[host] == nil {
		p.cookies[host] = map[string]string{}
	}
	for _, c := range cookies {
		if c.Value == "" || c.MaxAge < 0 {
			delete(p.cookies[host], c.Name)
			continue
		}
		p.cookies[host][c.Name] = c.Value
	}
}

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`(?s)<(?:input|button)[^>]*>`)
	attribute = regexp.MustCompile(`([a-zA-Z-]+)="([^"]*)"`)
)

// form reads the first form of a page: where it goes, and what it has filled in itself.
func (p *person) form(at page) (target string, fields url.Values) {
	p.t.Helper()
	found := formTag.FindStringSubmatch(at.body)
	if found == nil {
		p.t.Fatalf("no form: %.600s", at.body)
	}
	action, err := at.at.Parse(html.UnescapeString(found[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	fields = url.Values{}
	for _, tag := range inputTag.FindAllString(found[2], -1) {
		attributes := map[string]string{}
		for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
			attributes[m[1]] = html.UnescapeString(m[2])
		}
		if attributes["name"] != "" && (attributes["type"] == "hidden" || attributes["type"] == "submit") {
			fields.Set(attributes["name"], attributes["value"])
		}
	}
	return action.String(), fields
}

// submit fills in the first form of a page and sends it.
func (p *person) submit(at page, callback string, fill url.Values) page {
	p.t.Helper()
	target, fields := p.form(at)
	maps.Copy(fields, fill)
	return p.visit(http.MethodPost, target, fields, callback)
}

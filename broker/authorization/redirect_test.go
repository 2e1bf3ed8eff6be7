package authorization_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// T33, T39: each is one trick on a redirect URI that the client has, or could have. Nothing is redirected.
func TestRedirectTricks(t *testing.T) {
	tenant := picture(t)
	const (
		malformed    = oauth.CodeRedirectURIMalformed
		unregistered = oauth.CodeRedirectURIUnregistered
	)
	for uri, want := range map[string]oauth.Code{
		"https://app.example/cb/":               unregistered,
		"https://app.example/cb?":               unregistered,
		"https://app.example/cb?x=1":            unregistered,
		"https://app.example/CB":                unregistered,
		"https://App.example/cb":                unregistered,
		"HTTPS://app.example/cb":                malformed,
		"http://app.example/cb":                 malformed,
		"https://app.example:443/cb":            unregistered,
		"https://app.example:8443/cb":           unregistered,
		"https://app.example:/cb":               malformed,
		"https://app.example:0443/cb":           malformed,
		"https://app.example:99999/cb":          malformed,
		"https://app.example./cb":               unregistered,
		"https://app.example.evil.example/cb":   unregistered,
		"https://evil.example/app.example/cb":   unregistered,
		"https://evil.example":                  unregistered,
		"https://app.example@evil.example/cb":   malformed,
		"https://user:pw@app.example/cb":        malformed,
		"https://evil.example\\@app.example/cb": malformed,
		"https://app.example\\.evil.example/cb": malformed,
		"https:\\\\app.example\\cb":             malformed,
		"https:/app.example/cb":                 malformed,
		"https:app.example/cb":                  malformed,
		"https:evil.example":                    malformed,
		"https:///app.example/cb":               malformed,
		"//app.example/cb":                      malformed,
		"//evil.example":                        malformed,
		"/\\evil.example":                       malformed,
		"/cb":                                   malformed,
		"cb":                                    malformed,
		"https://app.example/x/../cb":           malformed,
		"https://app.example/./cb":              malformed,
		"https://app.example/%2e/cb":            malformed,
		"https://app.example/x/%2E.;y/cb":       malformed,
		"https://app.example/cb/..":             malformed,
		"https://app.example/%63b":              unregistered,
		"https://app.example/cb%2f":             unregistered,
		"https://app.example/cb%00":             unregistered,
		"https://app.example/cb%zz":             malformed,
		"https://app.example%2fcb":              malformed,
		"https://app%2eexample/cb":              malformed,
		"https://app.example/it's":              malformed,
		"https://app.example/cb#":               malformed,
		"https://app.example/cb#x":              malformed,
		"https://app.example/cb ":               malformed,
		" https://app.example/cb":               malformed,
		"https://app.example/c b":               malformed,
		"https://app.exämple/cb":                malformed,
		"https://app。example/cb":                malformed,
		"https://ａpp.example/cb":                malformed,
		"https://app.example/cb\u202e":          malformed,
		"https://app.example/<cb>":              malformed,
		"https://app.example/other":             unregistered,
		"https://app.example/other?tenant=2":    unregistered,
		"https://app.example/other?tenant=1&":   unregistered,
		"https://app.example/cb?code=1":         malformed,
		"https://app.example/cb?%73tate=1":      malformed,
		"https://app.example/cb?a=1;iss=x":      malformed,
		"javascript:alert(1)":                   malformed,
		"data:text/html,x":                      malformed,
		"file:///cb":                            malformed,
		"urn:ietf:wg:oauth:2.0:oob":             malformed,
		"ftp://app.example/cb":                  malformed,
		"app:/cb":                               malformed,
		// loopback: the port may differ, nothing else
		"http://127.0.0.1/cb/":             unregistered,
		"http://127.0.0.1:8080/other":      unregistered,
		"http://127.0.0.1:8080/cb?x=1":     unregistered,
		"https://127.0.0.1:8080/cb":        unregistered,
		"http://127.0.0.2:8080/cb":         unregistered,
		"http://127.1:8080/cb":             malformed,
		"http://2130706433:8080/cb":        malformed,
		"http://0x7f.0.0.1/cb":             malformed,
		"http://127.0.0.1.evil.example/cb": malformed,
		"http://127.0.0.1:80@evil/cb":      malformed,
		"http://127.0.0.1:0/cb":            malformed,
		"http://127.0.0.1:/cb":             malformed,
		"http://127.0.0.1:080/cb":          malformed,
		"http://127.0.0.1:+80/cb":          malformed,
		"http://127.0.0.1:65536/cb":        malformed,
		"http://127.0.0.1:8080":            unregistered,
		"http://[::1]:8080/":               unregistered,
		"http://[0:0:0:0:0:0:0:1]/cb":      unregistered,
		"http://[::ffff:127.0.0.1]/cb":     unregistered,
		"http://[::1%25lo]/cb":             malformed,
		"http://[::2]/cb":                  malformed,
		"http://::1/cb":                    malformed,
		"http://localhost.evil.example/cb": malformed,
		"http://LOCALHOST/cb":              malformed,
		"http://localhost/other":           unregistered,
		"http://0.0.0.0/cb":                malformed,
		// private-use schemes: whole, as registered
		"com.example.app:/cb/":                             unregistered,
		"com.example.app://cb":                             unregistered,
		"com.example.app:/other":                           unregistered,
		"com.example.application:/c":                       unregistered,
		"com.example.evil:/cb":                             unregistered,
		"Com.Example.App:/cb":                              malformed,
		"com.example.app:cb":                               unregistered,
		"com.example.app:":                                 malformed,
		"com.example.app:/../cb":                           malformed,
		"com.example.app://u@h/cb":                         malformed,
		"https://app.example/" + strings.Repeat("x", 1024): malformed,
	} {
		t.Run(uri[:min(len(uri), 60)], func(t *testing.T) {
			a := valid(tenant)
			param("redirect_uri", uri)(a)
			_, err := a.parse(t)
			shown(t, err, want)
		})
	}
}

func TestRedirect(t *testing.T) {
	tenant := picture(t)
	for _, uri := range []string{
		redirect, "https://app.example/other?tenant=1", "com.example.app:/cb",
		"http://127.0.0.1/cb", "http://127.0.0.1:80/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb",
		"http://[::1]/cb", "http://[::1]:7777/cb", "http://[::1]:50000/cb", "http://localhost:33418/cb", "http://localhost/cb",
	} {
		t.Run(uri, func(t *testing.T) {
			a := valid(tenant)
			param("redirect_uri", uri)(a)
			r := mustParse(t, a)
			if r.Return().RedirectURI() != uri || !r.RedirectNamed() {
				t.Errorf("goes to %s", r.Return().RedirectURI())
			}
			if want := strings.HasPrefix(uri, "http:"); authorization.Loopback(uri) != want {
				t.Errorf("loopback %t", !want)
			}
		})
	}
}

// None of the loopback names stands for another, and no port is let differ elsewhere.
func TestLoopbackNamesAreApart(t *testing.T) {
	tenant := picture(t)
	names := []string{"http://127.0.0.1:1/cb", "http://[::1]:1/cb", "http://localhost:1/cb"}
	for i, registered := range names {
		for j, uri := range names {
			a := valid(tenant)
			a.redirects = []string{registered}
			param("redirect_uri", uri)(a)
			if _, err := a.parse(t); (err == nil) != (i == j) {
				t.Errorf("%s for %s: %v", uri, registered, err)
			}
		}
	}
}

func TestAbsentRedirect(t *testing.T) {
	tenant := picture(t)
	a := valid(tenant)
	without("redirect_uri")(a)
	_, err := a.parse(t)
	shown(t, err, oauth.CodeRedirectURIMissing) // several
	a.redirects = nil
	_, err = a.parse(t)
	shown(t, err, oauth.CodeRedirectURIMissing) // none
	param("redirect_uri", redirect)(a)
	_, err = a.parse(t)
	shown(t, err, oauth.CodeRedirectURIUnregistered) // none
	without("redirect_uri")(a)
	a.redirects = []string{redirect}
	if r := mustParse(t, a); r.Return().RedirectURI() != redirect || r.RedirectNamed() {
		t.Errorf("%+v", r.Return())
	}
}

// Whoever let it be registered: a browser is never sent there.
func TestRegisteredIsNotEnough(t *testing.T) {
	tenant := picture(t)
	for _, uri := range []string{"javascript:alert(1)", "data:text/html,x", "https://a.example/#x", "https://u@a.example/", "https://a.example/x/../cb", "http://a.example/", "https://a.example/?code=x", ""} {
		for _, named := range []bool{true, false} {
			a := valid(tenant)
			a.redirects = []string{uri}
			without("redirect_uri")(a)
			if named && uri != "" {
				param("redirect_uri", uri)(a)
			}
			_, err := a.parse(t)
			shown(t, err, oauth.CodeRedirectURIMalformed)
		}
	}
}

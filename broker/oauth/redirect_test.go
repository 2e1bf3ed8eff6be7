package oauth_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// The tricks that are refused are in the tests of the authorization endpoint, object by object; these are what passes, and
// one of each kind that does not.
func TestRedirectProblem(t *testing.T) {
	for uri, good := range map[string]bool{
		"https://app.example/cb?tenant=1":              true,
		"http://127.0.0.1/callback":                    true,
		"http://[::1]:8080/cb":                         true,
		"com.example.app:/cb":                          true,
		"cursor://anysphere.cursor-mcp/oauth/callback": true,
		"":                              false,
		"https://app.example/it's":      false, // no page can go on there
		"https://app.example/cb#x":      false,
		"https://app.example/a/../b":    false,
		"https://app.example/cb?code=1": false,
		"https://me@app.example/":       false,
		"http://app.example/cb":         false,
		"cursor://elsewhere":            false,
		"javascript:alert(1)":           false,
		"https://app.example/" + strings.Repeat("x", 1024): false,
	} {
		if problem := oauth.RedirectProblem(uri); (problem == "") != good {
			t.Errorf("%q: %q", uri, problem)
		}
	}
}

package object_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// FuzzRedirectURIs: what a Client object takes as a redirect URI is one to which the authorization endpoint sends an answer.
func FuzzRedirectURIs(f *testing.F) {
	for _, uri := range []string{
		"https://a.com/cb", "http://127.0.0.1:80/cb", "com.example.app:/cb", "com.example.app:cb", "https://a.com?x", "https://[::1]:1/", "http://[::1%25a]/",
		"https://a.com/%2e%2e", "https://a.com/;..", "a.b:?", "a.b:///", "https://a.com:443?&;code", "https://A.com/", "https://a.com/\x00", "https://a.com/?%zz", "https://a.com/it's", "https://a.com/?a='",
	} {
		f.Add(uri)
	}
	refused := func(t testing.TB, uri string) bool {
		t.Helper()
		form, err := oauth.ParseForm([]byte(url.Values{"client_id": {"app"}, "redirect_uri": {uri}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		_, err = authorization.Parse(authorization.Ask{
			Form: form, Party: authorization.Party{Client: &client.Client{ClientID: "app"}, RedirectURIs: []string{uri}},
			Tenant: &snapshot.Tenant{Issuer: "https://as.example.com"}, Now: time.Unix(1_800_000_000, 0), Via: authorization.Browser,
		})
		shown, ok := errors.AsType[*authorization.Shown](err)
		return ok && strings.HasPrefix(string(shown.Refusal.Code), "redirect_uri")
	}
	if !refused(f, "cursor://callback") {
		f.Fatal("nothing is compared")
	}
	f.Fuzz(func(t *testing.T, uri string) {
		spec := object.ClientSpec{Type: object.TypePublic, RedirectURIs: []string{uri}}
		if spec.Validate() == nil && refused(t, uri) {
			t.Errorf("%q is taken, and then refused", uri)
		}
	})
}

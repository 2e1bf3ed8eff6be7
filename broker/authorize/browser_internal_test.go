package authorize

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// A cookie that is no secret of ours vouches for no form, whoever can compute a token of it.
func TestCookieThatIsNoSecret(t *testing.T) {
	tenant := &snapshot.Tenant{Name: "default"}
	for _, value := range []string{"", "short", "not base64 !", "AAAA"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://auth.example/account", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: browserCookie + ofTenant(tenant), Value: value}) //nolint:gosec // of a request
		form, err := oauth.ParseForm([]byte(url.Values{"token": {browser{secret: value}.token("account")}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		v := Visit{Tenant: tenant, Request: r}
		if oauth.AsError(v.Check(form, "account")).Code != oauth.CodeFormTokenInvalid {
			t.Errorf("%q vouches for a form", value)
		}
	}
}

package authorization_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
)

func TestGranted(t *testing.T) {
	tenant := picture(t)
	for name, c := range map[string]struct {
		change change
		want   string
	}{
		"query":           {func(*asked) {}, redirect + "?code=cod_x&state=s1&iss=https%3A%2F%2Fauth.acme.com"},
		"no state":        {without("state"), redirect + "?code=cod_x&iss=https%3A%2F%2Fauth.acme.com"},
		"its own query":   {param("redirect_uri", "https://app.example/other?tenant=1"), "https://app.example/other?tenant=1&code=cod_x&state=s1&iss=https%3A%2F%2Fauth.acme.com"},
		"private scheme":  {param("redirect_uri", "com.example.app:/cb"), "com.example.app:/cb?code=cod_x&state=s1&iss=https%3A%2F%2Fauth.acme.com"},
		"loopback's port": {param("redirect_uri", "http://127.0.0.1:50123/cb"), "http://127.0.0.1:50123/cb?code=cod_x&state=s1&iss=https%3A%2F%2Fauth.acme.com"},
		"an empty query": {
			func(a *asked) { a.redirects = []string{redirect + "?"}; a.form.Set("redirect_uri", redirect+"?") },
			redirect + "?code=cod_x&state=s1&iss=https%3A%2F%2Fauth.acme.com",
		},
		"a query that ends open": {
			func(a *asked) {
				a.redirects = []string{redirect + "?a=1&"}
				a.form.Set("redirect_uri", redirect+"?a=1&")
			},
			redirect + "?a=1&code=cod_x&state=s1&iss=https%3A%2F%2Fauth.acme.com",
		},
		"form_post": {param("response_mode", "form_post"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid(tenant)
			c.change(a)
			answer := mustParse(t, a).Return().Granted(secret.New("cod_x"))
			if got := answer.Location(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if s := fmt.Sprintf("%v %+v %#v", answer, answer, answer); strings.Contains(s, "cod_x") {
				t.Errorf("prints its code: %s", s)
			}
		})
	}
}

func TestFormPost(t *testing.T) {
	a := valid(picture(t))
	a.form.Set("response_mode", "form_post")
	r := mustParse(t, a).Return()
	granted := r.Granted(secret.New("cod_x"))
	if granted.Mode() != authorization.FormPost || granted.Action() != redirect ||
		!slices.Equal(granted.Fields(), []authorization.Field{{"code", "cod_x"}, {"state", "s1"}, {"iss", issuer}}) {
		t.Errorf("%s %v", granted.Action(), granted.Fields())
	}
	refused := r.Refused(oauth.Refuse(oauth.CodeIdPLoginRequired, "", ""), "trc_1")
	names := []string{}
	for _, f := range refused.Fields() {
		names = append(names, f.Name)
	}
	if refused.Location() != "" || !slices.Equal(names, []string{"error", "error_description", "error_uri", "state", "iss"}) {
		t.Errorf("%v", names)
	}
	// What is refused later goes the way that the request asked for.
	a.form.Set("prompt", "x")
	_, err := a.parse(t)
	if back := returned(t, err, oauth.CodePromptInvalid); back.Return.Mode() != authorization.FormPost {
		t.Error("refused by another mode")
	}
}

// State is opaque: it comes back byte for byte, whatever is in it.
func TestState(t *testing.T) {
	tenant := picture(t)
	for _, state := range []string{"a b+c%20d&iss=https://evil.example&code=x#f", `<script>"'\`, "ä\u202e日本", " lead and trail ", "=?&;"} {
		for _, mode := range authorization.Modes() {
			a := valid(tenant)
			a.form.Set("state", state)
			a.form.Set("response_mode", string(mode))
			r := mustParse(t, a).Return()
			for _, answer := range []authorization.Answer{r.Granted(secret.New("c")), r.Refused(errors.New("x"), "trc")} {
				for _, f := range fields(t, answer) {
					if f.Name == "state" && f.Value != state {
						t.Errorf("%q came back as %q", state, f.Value)
					}
				}
			}
		}
	}
}

// No answer has a parameter twice, a fragment, or an error of another endpoint.
func TestRefused(t *testing.T) {
	a := valid(picture(t))
	a.form.Set("redirect_uri", "https://app.example/other?tenant=1")
	r := mustParse(t, a).Return()
	for _, row := range oauth.Catalogue() {
		answer := r.Refused(oauth.Refuse(row.Code, "kid-7", "secret"), "trc_1")
		if strings.Contains(answer.Location(), "#") || strings.Contains(answer.Location(), "kid-7") {
			t.Errorf("%s: %s", row.Code, answer.Location())
		}
		seen := map[string]string{}
		for _, f := range fields(t, answer) {
			if _, twice := seen[f.Name]; twice {
				t.Errorf("%s: %s comes twice", row.Code, f.Name)
			}
			seen[f.Name] = f.Value
		}
		if seen["iss"] != issuer || seen["state"] != "s1" || seen["tenant"] != "1" || seen["error"] == "" || seen["error"] == "invalid_grant" || seen["error"] == "invalid_client" {
			t.Errorf("%s: %v", row.Code, seen)
		}
	}
	if seen := fields(t, r.Refused(errors.New("password=hunter2"), "trc_1")); seen[1].Value != "server_error" || strings.Contains(fmt.Sprint(seen), "hunter2") {
		t.Errorf("%v", seen)
	}
	if seen := fields(t, r.Refused(oauth.Refuse(oauth.CodePolicyDenied, "", ""), "trc_1")); seen[1].Value != oauth.ErrorAccessDenied {
		t.Errorf("denied by policy: %v", seen)
	}
}

// fields reads an answer as its client would, the URI's own query first.
func fields(t *testing.T, a authorization.Answer) []authorization.Field {
	t.Helper()
	if a.Mode() == authorization.FormPost {
		return a.Fields()
	}
	_, query, _ := strings.Cut(a.Location(), "?")
	var read []authorization.Field
	for pair := range strings.SplitSeq(query, "&") {
		name, raw, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(raw)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, authorization.Field{Name: name, Value: value})
	}
	if !strings.Contains(a.Action(), "?") {
		read = append([]authorization.Field{{}}, read...)
	}
	return read
}

package dev_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

const programRedirect = "http://127.0.0.1:48123/callback"

// program follows redirects and keeps cookies, and can do nothing with a page.
type program struct {
	*http.Client
}

// kept lets Secure cookies reach localhost, as browsers and curl do.
type kept struct{ http.CookieJar }

func (k kept) Cookies(u *url.URL) []*http.Cookie { return k.CookieJar.Cookies(secured(u)) }

func (k kept) SetCookies(u *url.URL, cookies []*http.Cookie) {
	k.CookieJar.SetCookies(secured(u), cookies)
}

func secured(u *url.URL) *url.URL {
	secure := *u
	secure.Scheme = "https"
	return &secure
}

func newProgram(t *testing.T) program {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return program{&http.Client{Transport: dev.Direct(), Timeout: 30 * time.Second, Jar: kept{jar}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), programRedirect) || r.URL.Scheme == "https" || len(via) > 20 {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

func codeFlow(w *dev.World, scopes ...string) oauth2.Config {
	return oauth2.Config{
		ClientID: dev.HostID, RedirectURL: programRedirect, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: w.Issuer + "/authorize", TokenURL: w.Issuer + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// authorize sends a request and says what it ended with: the answer, or else the page.
func (p program) authorize(t *testing.T, w *dev.World, c oauth2.Config, verifier string, more ...oauth2.AuthCodeOption) (answer url.Values, page string) {
	t.Helper()
	options := append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", w.Resource)}, more...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.AuthCodeURL("state", options...), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := p.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	location := response.Header.Get("Location")
	if location == "" {
		return nil, string(text)
	}
	back, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return back.Query(), ""
}

// claimsFor is the whole code flow.
func (p program) claimsFor(t *testing.T, w *dev.World, c oauth2.Config, more ...oauth2.AuthCodeOption) map[string]any {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	answer, page := p.authorize(t, w, c, verifier, more...)
	if answer.Get("code") == "" || answer.Get("state") != "state" || answer.Get("iss") != w.Issuer {
		t.Fatalf("answered %v, or a page: %s", answer, page)
	}
	token, err := c.Exchange(context.WithValue(t.Context(), oauth2.HTTPClient, p.Client), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if token.RefreshToken == "" {
		t.Error("no refresh token")
	}
	return dev.ClaimsOf(token.AccessToken)
}

// TestAutoApprove: a program goes the whole way, as alice and as nobody else, and the audit log says that nobody was asked.
func TestAutoApprove(t *testing.T) {
	w := start(t, dev.Options{AutoApprove: "alice"})
	claims := newProgram(t).claimsFor(t, w, codeFlow(w, dev.ScopeRead))
	if claims["scope"] != dev.ScopeRead || claims["client_id"] != dev.HostID || claims["aud"] != w.Resource {
		t.Errorf("%v", claims)
	}
	for name, options := range map[string][]oauth2.AuthCodeOption{
		"another hint":      {oauth2.SetAuthURLParam("login_hint", "bob@acme.com")},
		"consent asked for": {oauth2.SetAuthURLParam("prompt", "consent")},
		"at once":           {oauth2.SetAuthURLParam("max_age", "0")},
	} {
		t.Run(name, func(t *testing.T) {
			if other := newProgram(t).claimsFor(t, w, codeFlow(w, dev.ScopeRead), options...); other["sub"] != claims["sub"] {
				t.Errorf("%v is signed in, not %v", other["sub"], claims["sub"])
			}
		})
	}
	var log strings.Builder
	if err := w.Admin.ExportAudit(t.Context(), &log); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "consent.given") || !strings.Contains(log.String(), `"auto-approve"`) {
		t.Error("the log does not say that consent was given by itself")
	}
}

// TestAutoApproveAsBob: he is signed in as strongly as he can be, so that what wants a step-up works too.
func TestAutoApproveAsBob(t *testing.T) {
	w := start(t, dev.Options{AutoApprove: "bob"})
	claims := newProgram(t).claimsFor(t, w, codeFlow(w, dev.ScopeRead, dev.ScopeWrite))
	if claims["acr"] != dev.StrongSignIn || claims["scope"] != dev.ScopeRead+" "+dev.ScopeWrite {
		t.Errorf("%v", claims)
	}
}

// TestAutoApproveStaysHere: an answer that would leave this machine is for a person to allow. Any web page can send his
// browser here.
func TestAutoApproveStaysHere(t *testing.T) {
	w := start(t, dev.Options{AutoApprove: "alice"})
	const elsewhere = "https://vscode.dev/redirect"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Issuer+"/register", strings.NewReader(
		`{"client_name":"a program","redirect_uris":["`+elsewhere+`"],"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"response_types":["code"]}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	p := newProgram(t)
	response, err := p.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var registered struct {
		ClientID string `json:"client_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&registered); err != nil || registered.ClientID == "" {
		t.Fatal(response.Status, err)
	}
	c := codeFlow(w, dev.ScopeRead)
	c.ClientID, c.RedirectURL = registered.ClientID, elsewhere
	if answer, page := p.authorize(t, w, c, oauth2.GenerateVerifier()); answer != nil || !strings.Contains(page, `name="decision"`) {
		t.Errorf("answered %v, or a page: %s", answer, page)
	}
}

// TestAPersonIsAsked where nothing was said of approving.
func TestAPersonIsAsked(t *testing.T) {
	w := start(t, dev.Options{})
	p := newProgram(t)
	if answer, page := p.authorize(t, w, codeFlow(w, dev.ScopeRead), oauth2.GenerateVerifier()); answer != nil || !strings.Contains(page, `name="idp"`) {
		t.Errorf("answered %v, or a page: %s", answer, page)
	}
	hint := oauth2.SetAuthURLParam("login_hint", "alice@acme.com") // the fake IdP asks no password; consent is asked
	if answer, page := p.authorize(t, w, codeFlow(w, dev.ScopeRead), oauth2.GenerateVerifier(), hint); answer != nil || !strings.Contains(page, `name="decision"`) {
		t.Errorf("answered %v, or a page: %s", answer, page)
	}
}

func TestAutoApproveRefused(t *testing.T) {
	for name, c := range map[string]struct {
		o    dev.Options
		want string
	}{
		"every address":   {dev.Options{AutoApprove: "alice", Host: "0.0.0.0"}, "not loopback"},
		"another machine": {dev.Options{AutoApprove: "alice", Host: "192.0.2.1"}, "not loopback"},
		"a stranger":      {dev.Options{AutoApprove: "mallory"}, "knows nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Folder, c.o.Users, c.o.Log, c.o.Now = t.TempDir(), dev.People(), slog.New(slog.DiscardHandler), time.Now
			w, err := dev.Start(t.Context(), c.o)
			if err == nil {
				w.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

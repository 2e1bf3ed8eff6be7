package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// GrantType is the grant of every test here.
const GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// Answer is what the token endpoint says, good or bad.
type Answer struct {
	Status int         `json:"-"`
	Header http.Header `json:"-"`
	Body   string      `json:"-"`

	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
	Resource    string `json:"resource"`
	Refresh     string `json:"refresh_token"`

	Error       string `json:"error"`
	Description string `json:"error_description"`
	URI         string `json:"error_uri"`
	ACRValues   any    `json:"acr_values"`
	MaxAge      any    `json:"max_age"`
	Interaction string `json:"interaction_uri"`
}

// Code is the stable code at the head of error_description.
func (a Answer) Code() string {
	code, _, _ := strings.Cut(a.Description, ":")
	return code
}

// Call is a token request before it is sent.
type Call struct {
	Form   url.Values
	Header http.Header
	Path   string // /token when ""
}

// NewCall presents an assertion as client claude, with its secret in the body.
func (w *World) NewCall(assertion string) *Call {
	return &Call{
		Form: url.Values{
			"grant_type": {GrantType}, "assertion": {assertion}, "client_id": {ClientID}, "client_secret": {w.Secret},
		},
		Header: http.Header{},
	}
}

// With sets a parameter; an empty list takes it away.
func (c *Call) With(name string, values ...string) *Call {
	if len(values) == 0 {
		c.Form.Del(name)
		return c
	}
	c.Form[name] = values
	return c
}

// Basic moves the credentials to the Authorization header, form-encoded (RFC 6749 §2.3.1).
func (c *Call) Basic(id, secret string) *Call {
	c.With("client_id").With("client_secret")
	r := http.Request{Header: c.Header}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return c
}

// Redeem presents an assertion and demands any answer.
func (w *World) Redeem(assertion string) Answer {
	w.t.Helper()
	return w.Send(w.Server(), w.NewCall(assertion))
}

// Send sends a call to a replica and demands any answer.
func (w *World) Send(p *Process, c *Call) Answer {
	w.t.Helper()
	a, err := TrySend(w.t.Context(), http.DefaultClient, p, c)
	must(w.t, err)
	return a
}

// TrySend is Send where nobody may answer.
func TrySend(ctx context.Context, client *http.Client, p *Process, c *Call) (Answer, error) {
	path := c.Path
	if path == "" {
		path = "/token"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Base+path, strings.NewReader(c.Form.Encode()))
	if err != nil {
		return Answer{}, err
	}
	request.Header = c.Header.Clone()
	if request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return Do(client, request)
}

// Do sends a request and reads the answer.
func Do(client *http.Client, request *http.Request) (Answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		err = json.Unmarshal(body, &a)
	}
	return a, err
}

// Get fetches a path of a replica.
func (p *Process) Get(path string) Answer {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.Base+path, http.NoBody)
	must(p.t, err)
	a, err := Do(&http.Client{Timeout: patience}, request)
	must(p.t, err)
	return a
}

// Granted demands a token.
func (a Answer) Granted(t testing.TB) Answer {
	t.Helper()
	if a.Status != http.StatusOK || a.AccessToken == "" {
		t.Fatalf("%d %s; want a token", a.Status, a.Body)
	}
	return a
}

// Refused demands one refusal, in the shape of RFC 6749 §5.2.
func (a Answer) Refused(t testing.TB, status int, oauthError, code string) Answer {
	t.Helper()
	if a.Status != status || a.Error != oauthError || a.Code() != code {
		t.Fatalf("%d %s; want %d %s %s", a.Status, a.Body, status, oauthError, code)
	}
	a.WellFormed(t)
	return a
}

// WellFormed holds what every refusal has in common.
func (a Answer) WellFormed(t testing.TB) {
	t.Helper()
	if a.AccessToken != "" {
		t.Fatal("a token beside a refusal")
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type is %q", got)
	}
	if a.Error == "" || a.Code() == "" || strings.ContainsFunc(a.Description, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		t.Errorf("error %q, description %q", a.Error, a.Description)
	}
	if !strings.Contains(a.URI, "/errors/"+a.Code()+"?trace=trc_") {
		t.Errorf("error_uri is %q", a.URI)
	}
}

// Clients makes a client that keeps connections to itself.
func Clients(connections int) *http.Client {
	return &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, IdleConnTimeout: time.Minute},
	}
}

// AdminRequest sends bytes to the first replica's admin API, past our own client.
func (w *World) AdminRequest(method, path string, body []byte) Answer {
	w.t.Helper()
	base, _, _ := strings.Cut(w.Server().Admin.String(), " ")
	request, err := http.NewRequestWithContext(w.t.Context(), method, base+path, bytes.NewReader(body))
	must(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(w.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	must(w.t, err)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(text)}
}

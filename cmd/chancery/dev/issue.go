package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Break is one way of breaking a valid assertion, and what the server must answer.
type Break struct {
	Name    string `json:"name"`
	What    string `json:"mutation"` // the name in the suite that the server's own tests run
	Section string `json:"section"`
	Error   string `json:"error"` // the OAuth error, "" where it must be granted
	Code    string `json:"code"`  // that outsiders see
	Cause   string `json:"cause"` // that `chancery explain` shows
	Twice   bool   `json:"-"`     // presented once more
	apply   func(*idptest.Draft, *idptest.IdP)
}

// short are names for what is most often wrong.
var short = [][2]string{
	{"aud", "aud_other"},
	{"typ", "typ_jwt"},
	{"client_id", "client_id_other"},
	{"iss", "iss_unknown"},
	{"signature", "signed_by_a_stranger"},
	{"exp", "exp_too_far"},
	{"scope", "scope_empty"},
	{"cnf", "cnf_not_proved"},
}

// Breaks are all of them, the short names first.
func Breaks() []Break {
	var all []Break
	for _, m := range idptest.Mutations() {
		b := Break{
			Name: m.Name, What: m.Name, Section: m.Section, Error: m.OAuthError(federation.ErrorsEMA04),
			Code: string(m.Public()), Cause: string(m.Code), apply: m.Break,
		}
		if m.StopsInForm() { // the assertion is never looked at
			b.Code, b.Cause = "request_malformed", "request_malformed"
		}
		all = append(all, b)
	}
	named := []Break{{
		Name: "jti", What: "presented_twice", Section: "EMA 7.6.2", Error: "invalid_grant", Code: "jti_replayed", Cause: "jti_replayed", Twice: true,
		apply: func(*idptest.Draft, *idptest.IdP) {},
	}}
	for _, s := range short {
		if i := slices.IndexFunc(all, func(b Break) bool { return b.Name == s[1] }); i >= 0 {
			b := all[i]
			b.Name = s[0]
			named = append(named, b)
		}
	}
	slices.SortFunc(named, func(a, b Break) int { return strings.Compare(a.Name, b.Name) })
	return append(named, all...)
}

// BreakNamed finds one.
func BreakNamed(name string) (Break, error) {
	all := Breaks()
	i := slices.IndexFunc(all, func(b Break) bool { return b.Name == name })
	if i < 0 {
		return Break{}, fmt.Errorf("there is no way to break an assertion that is called %q: chancery dev issue --list shows all", name)
	}
	return all[i], nil
}

// Issue says what an assertion is to be.
type Issue struct {
	User     string
	Resource string   // "" for the sample server
	Scopes   []string // empty for the sample server's
	ACR      string   // that the IdP says the person reached, just now
	Break    *Break
}

// Assertion makes the ID-JAG that the fake IdP would give the agent, broken as told. The IdP itself is not asked: its key is
// in the folder.
func (c *Context) Assertion(i Issue) (string, error) {
	key, err := keptKey(filepath.Join(c.folder, fileIdPKey))
	if err != nil {
		return "", err
	}
	idp, err := newIdP(c, key, People())
	if err != nil {
		return "", err
	}
	options := []idptest.Option{}
	if i.Resource != "" {
		options = append(options, idptest.WithResource(i.Resource))
	}
	if len(i.Scopes) > 0 {
		options = append(options, idptest.WithScope(strings.Join(i.Scopes, " ")))
	}
	if i.ACR != "" {
		options = append(options, idptest.WithClaim("acr", i.ACR), idptest.WithClaim("auth_time", idp.Now().Unix()))
	}
	draft, err := idp.Draft(i.User, options...)
	if errors.Is(err, idptest.ErrUnknownUser) {
		return "", fmt.Errorf("the IdP knows nobody called %s: alice, bob or eve", i.User)
	}
	if err != nil {
		return "", err
	}
	if i.Break != nil {
		i.Break.apply(draft, idp)
	}
	return draft.Sign()
}

// Answer is what the token endpoint said. The token is not kept.
type Answer struct {
	Status      int    `json:"status"`
	Error       string `json:"error,omitempty"`
	Code        string `json:"code,omitempty"`
	Description string `json:"error_description,omitempty"`
	URI         string `json:"error_uri,omitempty"`
	Trace       string `json:"trace,omitempty"`
	Scope       string `json:"scope,omitempty"`
}

// As tells whether the server answered what a break demands; nil demands a token.
func (a Answer) As(b *Break) bool {
	if b == nil || b.Error == "" {
		return a.Status == http.StatusOK
	}
	return a.Status == http.StatusBadRequest && a.Error == b.Error && a.Code == b.Code
}

const maxAnswer = 64 << 10

// Present redeems an assertion as the agent would.
func (c *Context) Present(ctx context.Context, h *http.Client, assertion string) (Answer, error) {
	secretText, err := c.ClientSecret()
	if err != nil {
		return Answer{}, err
	}
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion},
		"client_id": {c.Client.ID}, "client_secret": {secretText.Reveal()},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := h.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var said struct {
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
		ErrorURI         string `json:"error_uri"`
		Scope            string `json:"scope"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&said); err != nil {
		return Answer{}, fmt.Errorf("%s answered %s, and no JSON", c.Issuer, response.Status)
	}
	a := Answer{
		Status: response.StatusCode, Error: said.Error, Description: said.ErrorDescription, URI: said.ErrorURI, Scope: said.Scope,
		Trace: response.Header.Get("Chancery-Trace"),
	}
	a.Code, _, _ = strings.Cut(said.ErrorDescription, ": ")
	return a, nil
}

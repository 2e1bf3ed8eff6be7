package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

func TestToken(t *testing.T) {
	s := newServer(t)
	a, _ := s.agent(t, nil)
	token, err := a.TokenSource(t.Context(), notes, "notes:read").Token()
	if err != nil {
		t.Fatal(err)
	}
	if token.AccessToken != "tok-1" || token.TokenType != "Bearer" || !token.Expiry.Equal(noon.Add(10*time.Minute)) || token.Extra("scope") != "notes:read" {
		t.Errorf("%+v", token)
	}
	got := s.last(t)
	want := url.Values{"grant_type": {grantJWTBearer}, "assertion": {"assertion-for-" + notes}, "resource": {notes}, "scope": {"notes:read"}}
	if !reflect.DeepEqual(got.form, want) {
		t.Errorf("%v", got.form)
	}
	id, password, _ := (&http.Request{Header: got.header}).BasicAuth()
	if id != url.QueryEscape("notes agent") || password != url.QueryEscape(secret) {
		t.Errorf("%s %s", id, password)
	}
}

func TestClientCredentials(t *testing.T) {
	s := newServer(t)
	a, _ := s.agent(t, func(c *Config) {
		c.Assertions, c.ClientCredentials, c.Client = nil, true, ClientSecretPost("svc", secret)
	})
	if _, err := a.Token(t.Context(), notes, "b", "notes:read", "b"); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"grant_type": {"client_credentials"}, "resource": {notes}, "scope": {"b notes:read"}, "client_id": {"svc"}, "client_secret": {secret}}
	if got := s.last(t); !reflect.DeepEqual(got.form, want) || got.header.Get("Authorization") != "" {
		t.Errorf("%v", got.form)
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ec3, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rs, _ := rsa.GenerateKey(rand.Reader, 2048)
	for algorithm, client := range map[string]Authentication{
		"ES256": PrivateKeyJWT("svc", ec, "k1"), "ES384": PrivateKeyJWT("svc", ec3, "k1"),
		"EdDSA": PrivateKeyJWT("svc", ed, "k1"), "RS256": PrivateKeyJWT("svc", rs, "k1"),
	} {
		t.Run(algorithm, func(t *testing.T) {
			s := newServer(t)
			a, clock := s.agent(t, func(c *Config) { c.Client = client })
			if _, err := a.Token(t.Context(), notes); err != nil {
				t.Fatal(err)
			}
			form := s.last(t).form
			assertion := form.Get("client_assertion")
			header, claims := part(t, assertion, 0), part(t, assertion, 1)
			if header["typ"] != "client-authentication+jwt" || header["kid"] != "k1" || header["alg"] != algorithm {
				t.Errorf("%v", header)
			}
			if claims["aud"] != s.url || claims["iss"] != "svc" || claims["sub"] != "svc" || claims["exp"] != float64(noon.Add(time.Minute).Unix()) {
				t.Errorf("%v", claims)
			}
			message, err := jose.Parse(assertion)
			if err != nil {
				t.Fatal(err)
			}
			key, err := jose.FromPublic(client.key.open().Public())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := message.Verify(key, []string{algorithm}); err != nil {
				t.Error(err)
			}
			// Each request has an assertion of its own.
			clock.add(time.Hour)
			if _, err := a.Token(t.Context(), notes); err != nil {
				t.Fatal(err)
			}
			if again := part(t, s.last(t).form.Get("client_assertion"), 1); again["jti"] == claims["jti"] {
				t.Error("an assertion was sent twice")
			}
		})
	}
}

func TestWorkloadFromFile(t *testing.T) {
	s := newServer(t)
	file := filepath.Join(t.TempDir(), "token")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	a, clock := s.agent(t, func(c *Config) { c.Client, c.Assertions = NoClient(), File(file) })
	for _, content := range []string{"first", "second"} {
		write(content + "\n")
		if _, err := a.Token(t.Context(), notes); err != nil {
			t.Fatal(err)
		}
		if got := s.last(t); got.form.Get("assertion") != content || got.form.Has("client_id") || got.header.Get("Authorization") != "" {
			t.Errorf("%v", got.form)
		}
		clock.add(time.Hour)
	}
	for _, content := range []string{"", " \n", strings.Repeat("a", maxToken+1)} {
		write(content)
		if _, err := a.Token(t.Context(), notes); err == nil {
			t.Errorf("%d bytes were sent", len(content))
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Token(t.Context(), notes); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestIdP(t *testing.T) {
	for _, subject := range []Subject{IDToken("the-id-token"), RefreshToken("the-refresh-token")} {
		idp, s := newServer(t), newServer(t)
		idp.answer = map[string]any{"access_token": "id-jag", "issued_token_type": TypeIDJAG, "token_type": "N_A", "expires_in": 300, "scope": "notes:read"}
		leg1, err := NewIdP(IdPConfig{Issuer: idp.url, Client: PublicClient("agent-at-acme"), Subject: Static(subject)})
		if err != nil {
			t.Fatal(err)
		}
		var legs []Leg
		s.header.Set("Chancery-Trace", "trc_1")
		a, _ := s.agent(t, func(c *Config) { c.Assertions, c.Observe = leg1, func(l Leg) { legs = append(legs, l) } })
		if _, err := a.Token(t.Context(), notes, "notes:read", "notes:write"); err != nil {
			t.Fatal(err)
		}
		want := url.Values{
			"grant_type": {grantTokenExchange}, "requested_token_type": {TypeIDJAG}, "audience": {s.url}, "resource": {notes},
			"scope": {"notes:read notes:write"}, "subject_token": {subject.token.open()}, "subject_token_type": {subject.kind}, "client_id": {"agent-at-acme"},
		}
		if got := idp.last(t).form; !reflect.DeepEqual(got, want) {
			t.Errorf("%v", got)
		}
		if got := s.last(t).form.Get("assertion"); got != "id-jag" {
			t.Errorf("redeemed %q", got)
		}
		for i := range legs {
			legs[i].Took = 0
		}
		if want := []Leg{
			{Number: 1, Issuer: idp.url, Grant: grantTokenExchange, Resource: notes, Scopes: []string{"notes:read"}, Lifetime: 5 * time.Minute},
			{Number: 2, Issuer: s.url, Grant: grantJWTBearer, Resource: notes, Scopes: []string{"notes:read"}, Lifetime: 10 * time.Minute, Trace: "trc_1"},
		}; !reflect.DeepEqual(legs, want) {
			t.Errorf("%+v", legs)
		}
	}
}

func TestIdPRefused(t *testing.T) {
	valid := map[string]any{"access_token": "id-jag", "issued_token_type": TypeIDJAG, "token_type": "N_A"}
	for name, change := range map[string]func(map[string]any){
		"an access token":   func(m map[string]any) { m["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token" },
		"no type":           func(m map[string]any) { delete(m, "issued_token_type") },
		"a bearer token":    func(m map[string]any) { m["token_type"] = "Bearer" },
		"no token type":     func(m map[string]any) { delete(m, "token_type") },
		"no assertion":      func(m map[string]any) { delete(m, "access_token") },
		"assertion number":  func(m map[string]any) { m["access_token"] = 1 },
		"assertion too big": func(m map[string]any) { m["access_token"] = strings.Repeat("a", maxToken+1) },
	} {
		t.Run(name, func(t *testing.T) {
			idp, s := newServer(t), newServer(t)
			idp.answer = maps.Clone(valid)
			change(idp.answer)
			leg1, err := NewIdP(IdPConfig{Issuer: idp.url, Client: PublicClient("a"), Subject: Static(IDToken("x"))})
			if err != nil {
				t.Fatal(err)
			}
			a, _ := s.agent(t, func(c *Config) { c.Assertions = leg1 })
			if _, err := a.Token(t.Context(), notes); err == nil || s.count() != 0 {
				t.Errorf("%v, %d redemptions", err, s.count())
			}
		})
	}
}

// Each answer is a valid one with one thing broken.
func TestAnswersRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*server)
		want   string
	}{
		"no token":                {func(s *server) { delete(s.answer, "access_token") }, "access_token"},
		"token number":            {func(s *server) { s.answer["access_token"] = 1 }, "access_token"},
		"token for a shell":       {func(s *server) { s.answer["access_token"] = "a;$(id)" }, "access_token"},
		"token of padding":        {func(s *server) { s.answer["access_token"] = "==" }, "access_token"},
		"token padded within":     {func(s *server) { s.answer["access_token"] = "a=b" }, "access_token"},
		"token with newline":      {func(s *server) { s.answer["access_token"] = "a\nb" }, "access_token"},
		"no type":                 {func(s *server) { delete(s.answer, "token_type") }, "token_type"},
		"DPoP nobody asked for":   {func(s *server) { s.answer["token_type"] = "DPoP" }, "token_type"},
		"type mac":                {func(s *server) { s.answer["token_type"] = "mac" }, "token_type"},
		"more scopes":             {func(s *server) { s.answer["scope"] = "notes:read admin" }, "not asked for"},
		"empty scope":             {func(s *server) { s.answer["scope"] = "" }, "no scope"},
		"scope list":              {func(s *server) { s.answer["scope"] = []string{"notes:read"} }, "no scope"},
		"another resource":        {func(s *server) { s.answer["resource"] = "https://mail.acme.com" }, "another resource"},
		"two resources":           {func(s *server) { s.answer["resource"] = []string{notes, "https://mail.acme.com"} }, "another resource"},
		"no resource":             {func(s *server) { s.answer["resource"] = []string{} }, "no resource"},
		"duplicate member":        {func(s *server) { s.raw = `{"access_token":"a","access_token":"b","token_type":"Bearer"}` }, "not JSON"},
		"member in capitals":      {func(s *server) { s.raw = `{"access_token":"a","Access_Token":"b","token_type":"Bearer"}` }, "not JSON"},
		"not JSON":                {func(s *server) { s.raw = `<html>` }, "not JSON"},
		"not said to be JSON":     {func(s *server) { s.header.Set("Content-Type", "text/html") }, "not JSON"},
		"too large":               {func(s *server) { s.raw = `{"a":"` + strings.Repeat("a", maxAnswer) + `"}` }, "not JSON"},
		"redirect":                {func(s *server) { s.status = 307; s.header.Set("Location", s.url+"/elsewhere") }, "307"},
		"metadata of another":     {func(s *server) { s.metadata["issuer"] = "https://evil.example" }, "says that its issuer"},
		"metadata with slash":     {func(s *server) { s.metadata["issuer"] = s.url + "/" }, "says that its issuer"},
		"metadata with http":      {func(s *server) { s.metadata["token_endpoint"] = "http://evil.example/token" }, "not https"},
		"metadata without it":     {func(s *server) { delete(s.metadata, "token_endpoint") }, "no token_endpoint"},
		"metadata with user":      {func(s *server) { s.metadata["token_endpoint"] = "https://a:b@evil.example/token" }, "without user"},
		"metadata in another way": {func(s *server) { s.metadata["ISSUER"] = s.url }, "ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c.change(s)
			a, _ := s.agent(t, nil)
			token, err := a.Token(t.Context(), notes, "notes:read")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v", token, err)
			}
			if name[:3] == "met" && s.count() != 0 {
				t.Error("something was sent there")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	s := newServer(t)
	s.status = 400
	s.answer = map[string]any{
		"error": "insufficient_user_authentication", "error_description": "step_up_required: a stronger sign-in is needed",
		"error_uri": s.url + "/errors/step_up_required?trace=trc_1", "acr_values": "phr phrh", "max_age": 300, "interaction_uri": s.url + "/interact/x",
	}
	a, _ := s.agent(t, nil)
	_, err := a.Token(t.Context(), notes)
	got, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatal(err)
	}
	want := &Error{
		Issuer: s.url, Status: 400, OAuth: "insufficient_user_authentication", Code: "step_up_required", Description: "step_up_required: a stronger sign-in is needed",
		URI: s.url + "/errors/step_up_required?trace=trc_1", Trace: "trc_1", ACRValues: []string{"phr", "phrh"}, MaxAge: 5 * time.Minute, InteractionURI: s.url + "/interact/x",
	}
	if !reflect.DeepEqual(got, want) || !got.NeedsStepUp() || got.NeedsInteraction() || got.Temporary() {
		t.Errorf("%+v", got)
	}
	s.change(func() {
		s.answer = map[string]any{"error": "interaction_required", "error_description": "approval_required: x", "approval_id": "apr_1", "interval": 5, "expires_in": 600}
	})
	_, err = a.Token(t.Context(), notes)
	if got, ok = errors.AsType[*Error](err); !ok || !got.NeedsInteraction() || got.ApprovalID != "apr_1" || got.Interval != 5*time.Second || got.ExpiresIn != 10*time.Minute || got.MaxAge >= 0 {
		t.Errorf("%+v", got)
	}
	s.change(func() { s.status, s.raw = 503, "<html>"; s.header.Set("Retry-After", "7") })
	_, err = a.Token(t.Context(), notes)
	if got, ok = errors.AsType[*Error](err); !ok || !got.Temporary() || got.RetryAfter != 7*time.Second || got.OAuth != "" {
		t.Errorf("%+v", got)
	}
	s.change(func() { // what is hostile to a terminal
		s.status, s.raw = 400, `{"error":"invalid_grant\u001b[2J","error_description":"a\nb"}`
	})
	if _, err = a.Token(t.Context(), notes); strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%q", err)
	}
}

func TestTokensAreRemembered(t *testing.T) {
	s := newServer(t)
	a, clock := s.agent(t, nil)
	get := func(want int, resource string, scopes ...string) {
		t.Helper()
		if _, err := a.Token(t.Context(), resource, scopes...); err != nil {
			t.Fatal(err)
		}
		if got := s.count(); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	}
	s.answer["expires_in"] = 600
	delete(s.answer, "scope")
	get(1, notes, "a", "b")
	get(1, notes, "b", "a", "a") // the same set
	get(2, notes, "a")
	get(3, notes+"2", "a")
	clock.add(10*time.Minute - 31*time.Second)
	get(3, notes, "a")
	clock.add(time.Second)
	get(4, notes, "a") // 30 s before its end
	token, err := a.Token(t.Context(), notes, "a")
	if err != nil {
		t.Fatal(err)
	}
	held := token.AccessToken
	token.AccessToken = "changed by a caller"
	if again, err := a.Token(t.Context(), notes, "a"); err != nil || again.AccessToken != held || again.Extra("resource") != notes {
		t.Errorf("%v %v", again, err)
	}
	token.AccessToken = held
	a.Forget(token)
	a.Forget(nil)
	get(5, notes, "a")
	s.change(func() { delete(s.answer, "expires_in") })
	get(6, notes, "c") // nobody knows for how long
	get(7, notes, "c")
	s.change(func() { s.status = 400 })
	for n := range 2 { // a refusal is not remembered
		if _, err := a.Token(t.Context(), notes, "d"); err == nil || s.count() != 8+n {
			t.Errorf("%v after %d", err, s.count())
		}
	}
	for n := range maxTokens + 10 {
		a.cache[fmt.Sprint(n)] = &entry{token: token, usable: clock.now().Add(time.Hour)}
		a.makeRoom()
	}
	if len(a.cache) > maxTokens {
		t.Errorf("%d tokens are remembered", len(a.cache))
	}
}

// Callers at the same time share one request, and each may leave.
func TestRequestsAreShared(t *testing.T) {
	s := newServer(t)
	s.wait = make(chan struct{})
	a, _ := s.agent(t, nil)
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := a.Token(impatient, notes, "notes:read")
		left <- err
	}()
	for s.count() == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("nobody asks")
		case <-time.After(time.Millisecond):
		}
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if token, err := a.Token(t.Context(), notes, "notes:read"); err != nil || token.AccessToken != "tok-1" {
				t.Errorf("%v %v", token, err)
			}
		})
	}
	leave() // who began it leaves; the others still get their token
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(s.wait)
	wg.Wait()
	if got := s.count(); got != 1 {
		t.Errorf("%d requests", got)
	}
	if _, err := a.Token(impatient, notes, "notes:read"); !errors.Is(err, context.Canceled) {
		t.Errorf("somebody who left: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	valid := func() Config {
		return Config{Issuer: "https://auth.acme.com", Client: ClientSecretBasic("a", "b"), Assertions: assertions(t)}
	}
	if _, err := New(valid()); err != nil {
		t.Fatal(err)
	}
	small, _ := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // what must be refused
	for name, change := range map[string]func(*Config){
		"no issuer":              func(c *Config) { c.Issuer = "" },
		"issuer with slash":      func(c *Config) { c.Issuer += "/" },
		"issuer http":            func(c *Config) { c.Issuer = "http://auth.acme.com" },
		"no client":              func(c *Config) { c.Client = Authentication{} },
		"no id":                  func(c *Config) { c.Client = PublicClient("") },
		"no secret":              func(c *Config) { c.Client = ClientSecretPost("a", "") },
		"no key":                 func(c *Config) { c.Client = PrivateKeyJWT("a", nil, "") },
		"small key":              func(c *Config) { c.Client = PrivateKeyJWT("a", small, "") },
		"no grant":               func(c *Config) { c.Assertions = nil },
		"two grants":             func(c *Config) { c.ClientCredentials = true },
		"public with its secret": func(c *Config) { c.Assertions, c.ClientCredentials, c.Client = nil, true, PublicClient("a") },
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			change(&c)
			if small == nil && name == "small key" {
				return // this Go makes no such key
			}
			if _, err := New(c); err == nil {
				t.Error("made")
			}
		})
	}
	a, err := New(valid())
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"", "/mcp", "mcp", notes + "#x"} {
		if _, err := a.Token(t.Context(), resource); err == nil {
			t.Errorf("a token for %q", resource)
		}
	}
	for _, scope := range []string{"", "a b", `a"`, "a\n"} {
		if _, err := a.Token(t.Context(), notes, scope); err == nil {
			t.Errorf("a token for scope %q", scope)
		}
	}
	if _, err := NewIdP(IdPConfig{Issuer: "https://idp.example", Client: PublicClient("a")}); err == nil {
		t.Error("an IdP without subject")
	}
	if _, err := NewIdP(IdPConfig{Issuer: "https://idp.example", Client: PublicClient("a"), Subject: Static(IDToken("x")), TokenEndpoint: "http://idp.example"}); err == nil {
		t.Error("an IdP over http")
	}
}

// No verb and no encoder shows a secret, and no error does.
func TestSecretsDoNotShow(t *testing.T) {
	const canary = "canary-4711"
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	s.status = 400
	s.answer = map[string]any{"error": "invalid_grant", "error_description": "nothing"}
	a, _ := s.agent(t, func(c *Config) {
		c.Client = ClientSecretPost("svc", canary)
		c.Assertions = AssertionFunc(func(context.Context, AssertionRequest) (string, error) { return canary, nil })
	})
	held, ok := key.signer.open().(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("another kind of key")
	}
	private := fmt.Sprint(held.D) //nolint:staticcheck // to look for it
	_, refusal := a.Token(t.Context(), notes)
	away, _ := s.agent(t, func(c *Config) {
		c.Issuer = "http://127.0.0.1:1"
		c.Client = ClientSecretPost("svc", canary)
	})
	_, unreachable := away.Token(t.Context(), notes)
	for _, value := range []any{
		ClientSecretBasic("a", canary), ClientSecretPost("a", canary), IDToken(canary), RefreshToken(canary), key, a, refusal, unreachable,
		struct{ a Authentication }{ClientSecretBasic("a", canary)},
		struct{ s *Subject }{new(IDToken(canary))},
		struct{ k *Key }{key},
		struct{ A Authentication }{ClientSecretBasic("a", canary)},
		[]Subject{IDToken(canary)},
		Config{Client: ClientSecretBasic("a", canary)}.Client,
	} {
		encoded, _ := json.Marshal(value)
		var logged strings.Builder
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", value)
		for _, text := range []string{
			fmt.Sprint(value), fmt.Sprintf("%+v", value), fmt.Sprintf("%#v", value), fmt.Sprintf("%q", value), fmt.Sprintf("%x", value), string(encoded), logged.String(),
		} {
			if strings.Contains(text, canary) || strings.Contains(text, private) {
				t.Errorf("%T shows it: %s", value, text)
			}
		}
	}
	if refusal == nil || unreachable == nil {
		t.Error("nothing was refused")
	}
	if !slices.Contains([]string{"a (client_secret_basic)"}, ClientSecretBasic("a", canary).String()) {
		t.Error(ClientSecretBasic("a", canary).String())
	}
}

// A trace is shown, and pasted: it is a word or nothing, wherever it comes from.
func TestTraceIsAWord(t *testing.T) {
	for _, header := range []bool{true, false} {
		for given, want := range map[string]string{"trc_01ABC-z": "trc_01ABC-z", "\x1b[2J": "", "x;id": "", "x y": "", strings.Repeat("a", 200): ""} {
			s := newServer(t)
			s.status, s.answer = 400, map[string]any{"error": "invalid_grant"}
			if header {
				if strings.HasPrefix(given, "\x1b") {
					continue // no server of ours can send it
				}
				s.header.Set("Chancery-Trace", given)
			} else {
				s.answer["error_uri"] = "https://docs.example/x?trace=" + url.QueryEscape(given)
			}
			a, _ := s.agent(t, nil)
			_, err := a.Token(t.Context(), notes)
			refusal, ok := errors.AsType[*Error](err)
			if !ok || refusal.Trace != want {
				t.Errorf("%q: %+v", given, err)
			}
		}
	}
}

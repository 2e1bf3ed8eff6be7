package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// An answer of the token endpoint has one meaning, or none.
func TestTokenAnswers(t *testing.T) {
	malformed := federation.CodeTokenAnswerMalformed
	whole := func(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }
	for name, test := range map[string]struct {
		change func([]byte) []byte
		code   federation.Code
	}{
		"no ID token":        {replace(`"id_token"`, `"id_token_x"`), federation.CodeIDTokenMissing},
		"ID token number":    {replace(`"id_token":"`, `"id_token":1,"x":"`), federation.CodeIDTokenMissing},
		"ID token empty":     {replace(`"id_token":"`, `"id_token":"","x":"`), federation.CodeIDTokenMissing},
		"ID token twice":     {replace(`{`, `{"id_token":"e30.e30.AA",`), malformed},
		"ID token folded":    {replace(`{`, `{"ID_token":"e30.e30.AA",`), malformed},
		"no access token":    {replace(`"access_token"`, `"access"`), malformed},
		"access token other": {replace(`"access_token":"`, `"access_token":"x`), federation.CodeAtHashMismatch},
		"folded type":        {replace(`{`, `{"Token_Type":"mac",`), malformed},
		"type mac":           {replace(`"Bearer"`, `"mac"`), malformed},
		"type DPoP":          {replace(`"Bearer"`, `"DPoP"`), malformed},
		"type absent":        {replace(`"token_type"`, `"type"`), malformed},
		"type in lower case": {replace(`"Bearer"`, `"bearer"`), ""},
		"error with 200":     {replace(`{`, `{"error":"invalid_grant",`), federation.CodeIdPCodeRefused},
		"form":               {whole("access_token=a&id_token=b&token_type=Bearer"), malformed},
		"list":               {whole("[]"), malformed},
		"two objects":        {func(b []byte) []byte { return append(b, b...) }, malformed},
		"not UTF-8":          {replace(`{`, "{\"x\":\"\xff\","), malformed},
		"NUL":                {replace(`{`, `{"x":"\u0000",`), malformed},
		"enormous":           {replace(`{`, `{"x":"`+strings.Repeat("x", 1<<20)+`",`), malformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.idp.Tamper(idptest.PathToken, test.change)
			_, err := s.signIn(oidc.Ask{})
			if test.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, test.code)
			if text := err.Error(); strings.Contains(text, "eyJ") || len(text) > 2048 {
				t.Errorf("the error repeats the answer: %.100s", text)
			}
		})
	}
}

func TestTokenEndpointFails(t *testing.T) {
	s := newSite(t)
	for fault, code := range map[idptest.Fault]federation.Code{
		idptest.FaultDown: federation.CodeIdPUnavailable, idptest.FaultCut: federation.CodeIdPUnavailable, idptest.FaultHTML: federation.CodeTokenAnswerMalformed,
		idptest.FaultRedirect: federation.CodeTokenAnswerMalformed, idptest.FaultGarbage: federation.CodeTokenAnswerMalformed, idptest.FaultHuge: federation.CodeTokenAnswerMalformed,
	} {
		s.idp.Fail(idptest.PathToken, fault)
		_, err := s.signIn(oidc.Ask{})
		wantCode(t, err, code)
	}
	s.idp.Fail(idptest.PathToken, "")
	s.entry.Secret = oidc.NewSecret("wrong")
	_, err := s.signIn(oidc.Ask{})
	wantCode(t, err, federation.CodeIdPClientRefused)
}

func TestClientAuthentication(t *testing.T) {
	key, err := idptest.NewKey("client-key", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	byKey := func(o *idptest.Options) { o.Clients[0].Secret, o.Clients[0].Key = "", key }
	signer, err := oidc.NewKeySigner("ES256", "client-key", key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oidc.NewKeySigner("RS256", "", key.Signer); err == nil {
		t.Error("a key signs with another's algorithm")
	}
	t.Run("post", func(t *testing.T) {
		s := newSite(t)
		s.entry.Authentication = oidc.AuthSecretPost
		s.mustSignIn(oidc.Ask{})
	})
	for _, audience := range []oidc.AssertionAudience{oidc.AssertionForIssuer, oidc.AssertionForTokenEndpoint} {
		t.Run("private_key_jwt "+string(audience), func(t *testing.T) {
			s := newSite(t, byKey)
			s.entry.Authentication, s.entry.Secret, s.entry.Signer = oidc.AuthPrivateKey, oidc.Secret{}, signer
			s.entry.Dialect.AssertionAudience = audience
			s.mustSignIn(oidc.Ask{})
			s.mustSignIn(oidc.Ask{}) // with an assertion of its own
		})
	}
	t.Run("another's key", func(t *testing.T) {
		s := newSite(t, byKey)
		other, err := idptest.NewKey("client-key", "ES256")
		if err != nil {
			t.Fatal(err)
		}
		wrong, err := oidc.NewKeySigner("ES256", "client-key", other.Signer)
		if err != nil {
			t.Fatal(err)
		}
		s.entry.Authentication, s.entry.Secret, s.entry.Signer = oidc.AuthPrivateKey, oidc.Secret{}, wrong
		_, err = s.signIn(oidc.Ask{})
		wantCode(t, err, federation.CodeIdPClientRefused)
	})
	t.Run("a signer that fails", func(t *testing.T) {
		s := newSite(t, byKey)
		s.entry.Authentication, s.entry.Secret, s.entry.Signer = oidc.AuthPrivateKey, oidc.Secret{}, failing{}
		if signedIn, err := s.signIn(oidc.Ask{}); signedIn != nil || !errors.Is(err, errSealed) {
			t.Errorf("got %v", err)
		}
	})
}

var errSealed = errors.New("sealed")

type failing struct{}

func (failing) SignAssertion(context.Context, map[string]any) (string, error) { return "", errSealed }

// RFC 9126: where the IdP takes no other request, it is sent ahead.
func TestPushedRequests(t *testing.T) {
	pushed := func(o *idptest.Options) { o.PushedOnly = true }
	s := newSite(t, pushed)
	target, departure := s.depart(oidc.Ask{ACRValues: []string{"phr"}})
	if q := query(t, target); len(q) != 2 || q.Get("client_id") != client || !strings.HasPrefix(q.Get("request_uri"), "urn:") {
		t.Errorf("the browser carries %v", q)
	}
	signedIn, err := s.finish(s.visit(target), departure)
	if err != nil || signedIn.ACR() != "phr" {
		t.Fatal(err)
	}
	s.entry.Authentication = oidc.AuthSecretPost
	s.mustSignIn(oidc.Ask{})
	for name, test := range map[string]struct {
		change func([]byte) []byte
		code   federation.Code
	}{
		"no reference": {replace("request_uri", "uri"), federation.CodeTokenAnswerMalformed},
		"number":       {replace(`"urn:`, `1,"x":"`), federation.CodeTokenAnswerMalformed},
		"error":        {func([]byte) []byte { return []byte(`{"error":"invalid_request"}`) }, federation.CodeIdPRequestRefused},
		"client":       {func([]byte) []byte { return []byte(`{"error":"invalid_client"}`) }, federation.CodeIdPClientRefused},
		"no JSON":      {func([]byte) []byte { return []byte(`ok`) }, federation.CodeTokenAnswerMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, pushed)
			s.idp.Tamper(idptest.PathPushed, test.change)
			_, _, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
			wantCode(t, err, test.code)
		})
	}
	s = newSite(t, pushed)
	s.idp.Fail(idptest.PathPushed, idptest.FaultDown)
	_, _, err = s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
	wantCode(t, err, federation.CodeIdPUnavailable)
}

// OIDC Core §5.3.2: signed by the IdP, for us.
func TestSignedUserinfo(t *testing.T) {
	s := newSite(t)
	var compact string
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = w.Write([]byte(compact))
	}))
	defer endpoint.Close()
	s.publish(map[string]any{"userinfo_endpoint": endpoint.URL})
	s.entry.Userinfo = true
	s.breakWith(func(d *idptest.Draft) { delete(d.Claims, "email") })
	sign := func(more map[string]any) string {
		claims := map[string]any{"iss": s.idp.Issuer(), "aud": client, "sub": "00u1alice", "email": "a@acme.com"}
		for name, value := range more {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		signed, err := s.idp.Sign(map[string]any{"typ": "JWT"}, claims)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	compact = sign(nil)
	if ids := s.mustSignIn(oidc.Ask{}).Identifiers(); ids.Email != "a@acme.com" {
		t.Errorf("%+v", ids)
	}
	for name, test := range map[string]struct {
		compact string
		code    federation.Code
	}{
		"for another":      {sign(map[string]any{"aud": "another"}), federation.CodeUserinfoUnusable},
		"for nobody":       {sign(map[string]any{"aud": nil}), federation.CodeClaimMissing},
		"of another":       {sign(map[string]any{"iss": "https://evil.example"}), federation.CodeUserinfoUnusable},
		"of nobody":        {sign(map[string]any{"iss": nil}), federation.CodeClaimMissing},
		"somebody else's":  {sign(map[string]any{"sub": "00u2bob"}), federation.CodeUserinfoSubMismatch},
		"an ID token":      {s.idp.IDToken(idptest.Alice, client, idptest.WithClaim("nonce", "n")), federation.CodeTypWrong},
		"not signed by it": {compact[:len(compact)-8] + "AAAAAAAA", federation.CodeSignatureInvalid},
		"no token":         {"e30", federation.CodeUserinfoUnusable},
	} {
		compact = test.compact
		_, err := s.signIn(oidc.Ask{})
		t.Run(name, func(t *testing.T) { wantCode(t, err, test.code) })
	}
}

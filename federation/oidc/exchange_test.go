package oidc_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

// change rewrites members of the discovery document; nil takes one away.
func (s *site) publish(members map[string]any) {
	s.idp.Tamper(idptest.PathDiscovery, func(b []byte) []byte {
		document := map[string]any{}
		if err := json.Unmarshal(b, &document); err != nil {
			s.t.Error(err)
		}
		for name, value := range members {
			document[name] = value
			if value == nil {
				delete(document, name)
			}
		}
		changed, err := json.Marshal(document)
		if err != nil {
			s.t.Error(err)
		}
		return changed
	})
}

func TestMetadata(t *testing.T) {
	unusable := federation.CodeIdPMetadataUnusable
	for name, test := range map[string]struct {
		members map[string]any
		code    federation.Code
	}{
		"no PKCE advertised":          {map[string]any{"code_challenge_methods_supported": nil}, ""},
		"authorization with a query":  {map[string]any{"authorization_endpoint": "https://idp.example/authorize?p=policy"}, ""},
		"another issuer":              {map[string]any{"issuer": "https://evil.example"}, unusable},
		"no issuer":                   {map[string]any{"issuer": nil}, unusable},
		"no authorization endpoint":   {map[string]any{"authorization_endpoint": nil}, unusable},
		"no token endpoint":           {map[string]any{"token_endpoint": nil}, unusable},
		"script":                      {map[string]any{"authorization_endpoint": "javascript:alert(1)//x"}, unusable},
		"plain http":                  {map[string]any{"authorization_endpoint": "http://idp.example/authorize"}, unusable},
		"user information":            {map[string]any{"authorization_endpoint": "https://a@idp.example/authorize"}, unusable},
		"fragment":                    {map[string]any{"authorization_endpoint": "https://idp.example/authorize#x"}, unusable},
		"our parameters in it":        {map[string]any{"authorization_endpoint": "https://idp.example/authorize?client_id=evil"}, unusable},
		"redirect in it":              {map[string]any{"authorization_endpoint": "https://idp.example/authorize?redirect_uri=x"}, unusable},
		"line break":                  {map[string]any{"authorization_endpoint": "https://idp.example/\r\nx"}, unusable},
		"endpoint as a list":          {map[string]any{"token_endpoint": []string{"https://idp.example/token"}}, unusable},
		"userinfo as a number":        {map[string]any{"userinfo_endpoint": 1}, unusable},
		"logout as a script":          {map[string]any{"end_session_endpoint": "javascript:x"}, unusable},
		"names itself, as text":       {map[string]any{"authorization_response_iss_parameter_supported": "true"}, unusable},
		"pushed only, and nowhere to": {map[string]any{"require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": nil}, unusable},
		"folded endpoint":             {map[string]any{"Token_Endpoint": "https://evil.example/token"}, unusable},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.publish(test.members)
			target, _, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
			if test.code == "" {
				if err != nil || query(t, target).Get("client_id") != client {
					t.Fatalf("%s, %v", target, err)
				}
				return
			}
			wantCode(t, err, test.code)
		})
	}
}

func TestMetadataOfAFailingIdP(t *testing.T) {
	for fault, code := range map[idptest.Fault]federation.Code{
		idptest.FaultDown: federation.CodeIdPUnavailable, idptest.FaultCut: federation.CodeIdPUnavailable, idptest.FaultHTML: federation.CodeIdPMetadataUnusable,
		idptest.FaultRedirect: federation.CodeIdPMetadataUnusable, idptest.FaultGarbage: federation.CodeIdPMetadataUnusable, idptest.FaultHuge: federation.CodeIdPMetadataUnusable,
	} {
		t.Run(string(fault), func(t *testing.T) {
			s := newSite(t)
			s.idp.Fail(idptest.PathDiscovery, fault)
			begin := func() error {
				_, _, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
				return err
			}
			for range 3 {
				wantCode(t, begin(), code)
			}
			if n := s.idp.Requests(idptest.PathDiscovery); n != 1 { // M10
				t.Errorf("asked %d times", n)
			}
			s.idp.Fail(idptest.PathDiscovery, "")
			s.pass(29 * time.Second)
			wantCode(t, begin(), code)
			s.pass(time.Second)
			if err := begin(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestMetadataIsKept(t *testing.T) {
	s := newSite(t)
	for range 3 {
		s.mustSignIn(oidc.Ask{})
	}
	asked := s.idp.Requests(idptest.PathDiscovery)
	if asked > 2 { // ours, and that of the keys
		t.Errorf("asked %d times", asked)
	}
	s.pass(11 * time.Minute)
	s.idp.Fail(idptest.PathDiscovery, idptest.FaultDown)
	s.mustSignIn(oidc.Ask{}) // as it was, for a day
	s.pass(24 * time.Hour)
	_, _, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
	wantCode(t, err, federation.CodeIdPUnavailable)
	if _, _, err := s.rp.Begin(t.Context(), "ten_2", s.entry, oidc.Ask{}); err == nil {
		t.Error("one tenant's metadata is another's")
	}
}

// F12: an endpoint that moves to another host gets neither people nor secrets before
// somebody has said so.
func TestEndpointMoves(t *testing.T) {
	for _, endpoint := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} {
		s := newSite(t)
		s.mustSignIn(oidc.Ask{})
		s.publish(map[string]any{endpoint: "https://elsewhere.example/x"})
		s.pass(11 * time.Minute)
		_, _, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{})
		wantCode(t, err, federation.CodeIdPMoved)
		s.rp.Forget(owner, s.idp.Issuer())
		if _, _, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{}); err != nil {
			t.Errorf("%s: accepted and refused: %v", endpoint, err)
		}
	}
}

// Whether the IdP names itself is remembered from the departure: an answer without iss
// is not believed because the metadata says something else now.
func TestIssuerIsExpectedFromTheDeparture(t *testing.T) {
	s := newSite(t)
	target, departure := s.depart(oidc.Ask{})
	answer := s.visit(target)
	answer.Del("iss")
	s.publish(map[string]any{"authorization_response_iss_parameter_supported": nil})
	s.rp.Forget(owner, s.idp.Issuer())
	_, err := s.finish(answer, departure)
	wantCode(t, err, federation.CodeIssParameterMissing)
	target, departure = s.depart(oidc.Ask{}) // an IdP that does not, need not
	answer = s.visit(target)
	answer.Del("iss")
	if _, err := s.finish(answer, departure); err != nil {
		t.Error(err)
	}
	target, departure = s.depart(oidc.Ask{}) // and is compared where it does
	answer = s.visit(target)
	answer.Set("iss", "https://evil.example")
	_, err = s.finish(answer, departure)
	wantCode(t, err, federation.CodeIdPMixUp)
	target, departure = s.depart(oidc.Ask{}) // one that says so meanwhile, must
	answer = s.visit(target)
	answer.Del("iss")
	s.idp.Tamper(idptest.PathDiscovery, nil)
	s.rp.Forget(owner, s.idp.Issuer())
	_, err = s.finish(answer, departure)
	wantCode(t, err, federation.CodeIssParameterMissing)
}

// Somebody who goes away while the metadata is under way leaves no failure behind.
func TestDiscoveryOutlivesItsCaller(t *testing.T) {
	s := newSite(t)
	ctx, leave := context.WithCancel(t.Context())
	s.idp.Tamper(idptest.PathDiscovery, func(b []byte) []byte {
		leave()
		return b
	})
	_, _, _ = s.rp.Begin(ctx, owner, s.entry, oidc.Ask{})
	if ctx.Err() == nil {
		t.Fatal("nobody asked for the metadata")
	}
	s.depart(oidc.Ask{})
	if n := s.idp.Requests(idptest.PathDiscovery); n != 1 {
		t.Errorf("asked %d times", n)
	}
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

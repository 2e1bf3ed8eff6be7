package oidc_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// publish rewrites members of the discovery document; nil takes one away.
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

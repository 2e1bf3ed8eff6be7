package oidc_test

import (
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

func failed(checks []federation.Check) []federation.Code {
	var codes []federation.Code
	for _, check := range checks {
		if !check.OK {
			codes = append(codes, check.Code)
		}
	}
	return codes
}

func TestSurvey(t *testing.T) {
	for name, test := range map[string]struct {
		members map[string]any
		entry   func(*oidc.Entry)
		codes   []federation.Code
	}{
		"good":                  {},
		"nothing advertised":    {members: map[string]any{"scopes_supported": nil, "code_challenge_methods_supported": nil, "response_types_supported": nil, "token_endpoint_auth_methods_supported": nil}},
		"another issuer":        {members: map[string]any{"issuer": "https://evil.example"}, codes: []federation.Code{federation.CodeIdPMetadataUnusable}},
		"two faults":            {members: map[string]any{"issuer": "https://evil.example", "token_endpoint": "http://x.example"}, codes: []federation.Code{federation.CodeIdPMetadataUnusable, federation.CodeIdPMetadataUnusable}},
		"no code flow":          {members: map[string]any{"response_types_supported": []string{"id_token"}}, codes: []federation.Code{federation.CodeIdPRequestRefused}},
		"plain challenges only": {members: map[string]any{"code_challenge_methods_supported": []string{"plain"}}, codes: []federation.Code{federation.CodeIdPRequestRefused}},
		"unknown scope":         {entry: func(e *oidc.Entry) { e.Scopes = append(e.Scopes, "x") }, codes: []federation.Code{federation.CodeIdPRequestRefused}},
		"no such authentication": {
			members: map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}, codes: []federation.Code{federation.CodeIdPClientRefused},
		},
		"basic is implied": {
			members: map[string]any{"token_endpoint_auth_methods_supported": nil}, entry: func(e *oidc.Entry) { e.Authentication = oidc.AuthSecretPost },
			codes: []federation.Code{federation.CodeIdPClientRefused},
		},
		"other algorithms": {entry: func(e *oidc.Entry) { e.Algorithms = []string{"RS256"} }, codes: []federation.Code{federation.CodeAlgorithmNotAllowed}},
		"no userinfo": {
			members: map[string]any{"userinfo_endpoint": nil}, entry: func(e *oidc.Entry) { e.Userinfo = true }, codes: []federation.Code{federation.CodeUserinfoUnusable},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.publish(test.members)
			if test.entry != nil {
				test.entry(s.entry)
			}
			checks, err := s.rp.Survey(t.Context(), owner, s.entry)
			if err != nil || !slices.Equal(failed(checks), test.codes) || len(checks) < 5 {
				t.Errorf("%v: %+v", err, checks)
			}
		})
	}
	s := newSite(t)
	for fault, code := range map[idptest.Fault]federation.Code{
		idptest.FaultDown: federation.CodeIdPUnavailable, idptest.FaultGarbage: federation.CodeIdPMetadataUnusable, idptest.FaultRedirect: federation.CodeIdPMetadataUnusable,
	} {
		s.idp.Fail(idptest.PathDiscovery, fault)
		if checks, err := s.rp.Survey(t.Context(), owner, s.entry); err != nil || !slices.Equal(failed(checks), []federation.Code{code}) {
			t.Errorf("%s: %v %+v", fault, err, checks)
		}
	}
	if _, err := oidc.Examine(nil, &oidc.Entry{}); err == nil {
		t.Error("an empty entry was examined")
	}
	if checks, err := oidc.Examine([]byte("{"), s.entry); err != nil || !slices.Equal(failed(checks), []federation.Code{federation.CodeIdPMetadataUnusable}) {
		t.Errorf("%v %+v", err, checks)
	}
}

// Every mutation that is not about one departure is told without one.
func TestInspectIDToken(t *testing.T) {
	s := newSite(t)
	checks, err := s.rp.InspectIDToken(t.Context(), owner, s.entry, s.idp.IDToken(idptest.Alice, client))
	if err != nil || len(failed(checks)) > 0 || len(checks) < 6 {
		t.Fatalf("%v %+v", err, checks)
	}
	ofDepartures := []federation.Code{federation.CodeNonceMismatch, federation.CodeAtHashMismatch}
	for _, m := range idptest.IDTokenMutations() {
		if slices.Contains(ofDepartures, m.Code) || m.Name == "nonce_array" {
			continue
		}
		token := s.idp.IDToken(idptest.Alice, client, idptest.WithClaim("nonce", "n-1"), idptest.WithMutation(m, s.idp.IdP))
		checks, err := s.rp.InspectIDToken(t.Context(), owner, s.entry, token)
		if err != nil || !slices.Equal(failed(checks), []federation.Code{m.Code}) {
			t.Errorf("%s: %v %+v", m.Name, err, failed(checks))
		}
	}
	if _, err := s.rp.InspectIDToken(t.Context(), "", s.entry, ""); !isIncomplete(err) {
		t.Errorf("got %v", err)
	}
}

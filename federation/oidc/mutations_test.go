package oidc_test

import (
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// One good sign-in, one thing changed, one code.
func TestIDTokenMutations(t *testing.T) {
	s := newSite(t)
	mutations := idptest.IDTokenMutations()
	if len(mutations) < 150 {
		t.Fatalf("%d mutations", len(mutations))
	}
	seen := map[string]bool{}
	for _, m := range mutations {
		if seen[m.Name] {
			t.Errorf("%s is there twice", m.Name)
		}
		seen[m.Name] = true
		t.Run(m.Name, func(t *testing.T) {
			s.idp.BreakIDTokens(&m)
			defer s.idp.BreakIDTokens(nil)
			signedIn, err := s.signIn(oidc.Ask{})
			if signedIn != nil {
				t.Fatal("signed in")
			}
			wantCode(t, err, m.Code)
		})
	}
	s.mustSignIn(oidc.Ask{}) // and nothing of it stayed
}

func TestAnswerMutations(t *testing.T) {
	s := newSite(t)
	for _, m := range idptest.AnswerMutations() {
		t.Run(m.Name, func(t *testing.T) {
			s.idp.BreakAnswers(&m)
			defer s.idp.BreakAnswers(nil)
			signedIn, err := s.signIn(oidc.Ask{})
			if signedIn != nil {
				t.Fatal("signed in")
			}
			wantCode(t, err, m.Code)
		})
	}
	s.mustSignIn(oidc.Ask{})
}

func TestLogoutMutations(t *testing.T) {
	s := newSite(t)
	for _, m := range idptest.LogoutMutations() {
		t.Run(m.Name, func(t *testing.T) {
			compact, err := s.idp.LogoutToken(idptest.Alice, client, idptest.WithMutation(m, s.idp.IdP))
			if err != nil {
				t.Fatal(err)
			}
			notice, err := s.rp.VerifyLogout(t.Context(), owner, s.entry, compact)
			if notice != nil {
				t.Fatal("accepted")
			}
			wantCode(t, err, m.Code)
		})
	}
}

// Tokens of one kind are no tokens of the other, whoever signed them.
func TestKindsAreApart(t *testing.T) {
	s := newSite(t)
	logout, err := s.idp.LogoutToken(idptest.Alice, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.rp.VerifyLogout(t.Context(), owner, s.entry, logout); err != nil {
		t.Fatal(err)
	}
	for name, compact := range map[string]string{
		"ID token": s.idp.IDToken(idptest.Alice, client), "ID-JAG": s.idp.IDJAG(idptest.Alice),
	} {
		if _, err := s.rp.VerifyLogout(t.Context(), owner, s.entry, compact); err == nil {
			t.Errorf("an %s ends sessions", name)
		}
	}
	swap := idptest.Mutation{Name: "logout token in place of an ID token", Break: func(d *idptest.Draft, _ *idptest.IdP) {
		d.Compact = func(string) string { return logout }
	}}
	s.idp.BreakIDTokens(&swap)
	_, err = s.signIn(oidc.Ask{})
	wantCode(t, err, federation.CodeTypWrong)
}

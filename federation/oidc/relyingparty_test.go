package oidc_test

import (
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation/idptest"
)

const (
	clientID = "0oa1claude"
	secret   = "s+cr/t %"
	callback = "http://127.0.0.1/callback"
)

func TestRelyingParty(t *testing.T) {
	idp := idptest.Start(t, idptest.Options{
		Clients: []idptest.Client{{ID: clientID, Secret: secret, RedirectURIs: []string{callback}}},
	})
	provider, err := oidc.NewProvider(t.Context(), idp.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: clientID, ClientSecret: secret, RedirectURL: callback,
		Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email"},
	}
	verifier := oauth2.GenerateVerifier()
	for _, user := range idptest.People() {
		code := authorize(t, config.AuthCodeURL("s", oidc.Nonce("n-1"),
			oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", user.Email)))
		token, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := token.Extra("id_token").(string)
		idToken, err := provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
		if err != nil {
			t.Fatal(err)
		}
		if idToken.Subject != user.Subject || idToken.Nonce != "n-1" || info.Subject != user.Subject || info.Email != user.Email || !info.EmailVerified {
			t.Errorf("%s became %s %+v", user.Name, idToken.Subject, info)
		}
		if _, err := idp.Rotate(true); err != nil { // the next token has a key that the relying party has not seen
			t.Fatal(err)
		}
	}
}

// authorize takes the authorization URL as a browser does, up to the redirect.
func authorize(t *testing.T, target string) (code string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	return location.Query().Get("code")
}

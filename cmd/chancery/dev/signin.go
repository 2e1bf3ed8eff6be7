package dev

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// SignIn says who signs in, and how.
type SignIn struct {
	IdP      string // issuer
	ClientID string
	User     string
	ACR      string       // that is asked for, "" for none
	HTTP     *http.Client // that follows no redirect: the code is in it
}

// Do is the code flow with PKCE (RFC 6749 §4.1, RFC 7636) at the fake IdP, which asks for no password: login_hint is enough.
func (s SignIn) Do(ctx context.Context) (*oauth2.Token, error) {
	config := oauth2.Config{
		ClientID:    s.ClientID,
		RedirectURL: RedirectURI,
		Scopes:      []string{"openid", "email", "groups"},
		Endpoint:    oauth2.Endpoint{AuthURL: s.IdP + "/authorize", TokenURL: s.IdP + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier, state, nonce := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", s.User), oauth2.SetAuthURLParam("nonce", nonce),
	}
	if s.ACR != "" {
		options = append(options, oauth2.SetAuthURLParam("acr_values", s.ACR), oauth2.SetAuthURLParam("max_age", "300"))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.AuthCodeURL(state, options...), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := s.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	back, err := url.Parse(response.Header.Get("Location"))
	if err != nil {
		return nil, fmt.Errorf("the IdP's redirect: %w", err)
	}
	answer := back.Query()
	switch {
	case answer.Get("error") == "login_required":
		return nil, fmt.Errorf("the IdP knows nobody called %s: alice, bob or eve", s.User)
	case answer.Get("state") != state || answer.Get("iss") != s.IdP || answer.Get("code") == "": // RFC 9207 §2.4
		return nil, fmt.Errorf("the IdP did not sign %s in: %s", s.User, response.Status)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.HTTP)
	token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	idToken, _ := token.Extra("id_token").(string)
	if claims := ClaimsOf(idToken); claims["nonce"] != nonce || claims["iss"] != s.IdP { // OIDC Core §3.1.3.7
		return nil, errors.New("the IdP sent no ID token of this sign-in")
	}
	return token, nil
}

// NoRedirects is a client that reads redirects instead of following them.
func NoRedirects(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ClaimsOf reads a token's claims, for showing: nothing is verified.
func ClaimsOf(token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims map[string]any
	if json.Unmarshal(raw, &claims) != nil {
		return nil
	}
	return claims
}

package idp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/federation/idptest"
)

const (
	notes    = "https://mcp.acme.example/notes"
	callback = "http://127.0.0.1/callback"
	secret   = "s+cr/t %"
)

func start(t *testing.T, audience string) *idptest.Running {
	t.Helper()
	return idptest.Start(t, idptest.Options{
		Clients: []idptest.Client{
			{ID: "0oa1claude", Secret: secret, RedirectURIs: []string{callback}, IDs: map[string]string{audience: "claude"}},
			{ID: "0oa2public", RedirectURIs: []string{callback}},
		},
		Audiences: []idptest.Audience{{Issuer: audience, Resources: []string{notes}, Scopes: []string{"notes:read", "notes:write"}}},
	})
}

// browser follows an authorization URL up to the redirect and reads it.
func browser(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		return nil, err
	}
	query := location.Query()
	if query.Get("error") != "" {
		return nil, errors.New(query.Get("error"))
	}
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state")}, nil
}

func credentials(id, secret string) *oauthex.ClientCredentials {
	c := &oauthex.ClientCredentials{ClientID: id}
	if secret != "" {
		c.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: secret}
	}
	return c
}

func TestSDKSignsInAndExchanges(t *testing.T) {
	const audience = "https://auth.acme.example"
	for name, client := range map[string]*oauthex.ClientCredentials{
		"confidential": credentials("0oa1claude", secret), "public": credentials("0oa2public", ""),
	} {
		t.Run(name, func(t *testing.T) {
			idp := start(t, audience)
			signedIn, err := extauth.PerformOIDCLogin(t.Context(), &extauth.OIDCLoginConfig{
				IssuerURL: idp.Issuer(), Credentials: client, RedirectURL: callback, Scopes: []string{"openid", "email"}, LoginHint: "alice",
			}, browser)
			if err != nil {
				t.Fatal(err)
			}
			idToken, _ := signedIn.Extra("id_token").(string)
			request := &oauthex.TokenExchangeRequest{
				RequestedTokenType: oauthex.TokenTypeIDJAG, Audience: audience, Resource: notes, Scope: []string{"notes:read"},
				SubjectToken: idToken, SubjectTokenType: oauthex.TokenTypeIDToken,
			}
			token, err := oauthex.ExchangeToken(t.Context(), idp.TokenEndpoint(), request, client, nil)
			if err != nil {
				t.Fatal(err)
			}
			if token.TokenType != "N_A" || token.Extra("issued_token_type") != oauthex.TokenTypeIDJAG || token.RefreshToken != "" {
				t.Errorf("got %+v", token)
			}
			request.Audience = audience + "/"
			if _, err := oauthex.ExchangeToken(t.Context(), idp.TokenEndpoint(), request, client, nil); err == nil || !strings.Contains(err.Error(), "invalid_target") {
				t.Errorf("another audience: %v", err)
			}
		})
	}
}

// authorizationServer stands where the product will: it takes what the SDK sends
// on leg 2 and keeps it.
func authorizationServer(t *testing.T, received *http.Request) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": server.URL, "token_endpoint": server.URL + "/token", "authorization_endpoint": server.URL + "/authorize",
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		*received = *r
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"at","token_type":"Bearer","expires_in":600}`))
	})
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestSDKEnterpriseHandler(t *testing.T) {
	var received http.Request
	server := authorizationServer(t, &received)
	idp := start(t, server.URL)
	handler, err := extauth.NewEnterpriseHandler(&extauth.EnterpriseHandlerConfig{
		IdPIssuerURL: idp.Issuer(), IdPCredentials: credentials("0oa1claude", secret),
		MCPAuthServerURL: server.URL, MCPResourceURI: notes, MCPCredentials: credentials("claude", "x"), MCPScopes: []string{"notes:read"},
		IDTokenFetcher: func(ctx context.Context) (*oauth2.Token, error) {
			return extauth.PerformOIDCLogin(ctx, &extauth.OIDCLoginConfig{
				IssuerURL: idp.Issuer(), Credentials: credentials("0oa1claude", secret), RedirectURL: callback, Scopes: []string{"openid"}, LoginHint: "alice",
			}, browser)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	challenge := httptest.NewRequest(http.MethodPost, notes, nil)
	if err := handler.Authorize(t.Context(), challenge, &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(received.PostForm.Get("assertion"), ".")
	if len(parts) != 3 {
		t.Fatalf("leg 2 sent %v", received.PostForm)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims["aud"] != server.URL || claims["client_id"] != "claude" || claims["resource"] != notes || claims["scope"] != "notes:read" || claims["sub"] != "00u1alice" {
		t.Errorf("ID-JAG says %v", claims)
	}
}

package demo

import (
	"context"
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
	sdk "github.com/chancery-dev/chancery/sdk/go/agent"
)

// agent is the MCP host: registered at the IdP, where people sign in, and at Chancery, where it redeems assertions.
type agent struct {
	world *world
	tape  *tape
	http  *http.Client
}

func newAgent(w *world) *agent {
	t := &tape{next: dev.Direct(), world: w}
	return &agent{world: w, tape: t, http: dev.NoRedirects(t)}
}

// signIn is the code flow with PKCE at the company's IdP.
func (a *agent) signIn(ctx context.Context, who, acr string) (*oauth2.Token, error) {
	return dev.SignIn{IdP: a.world.IdP.Issuer(), ClientID: dev.IdPAgentID, User: who, ACR: acr, HTTP: a.http}.Do(ctx)
}

// connect opens an MCP session with the official SDK, whose enterprise handler does both legs when the server asks for a token.
func (a *agent) connect(ctx context.Context, signedIn *oauth2.Token, scopes ...string) (*mcp.ClientSession, error) {
	handler, err := extauth.NewEnterpriseHandler(&extauth.EnterpriseHandlerConfig{
		IdPIssuerURL:     a.world.IdP.Issuer(),
		IdPCredentials:   &oauthex.ClientCredentials{ClientID: dev.IdPAgentID},
		MCPAuthServerURL: a.world.Issuer,
		MCPResourceURI:   a.world.Resource,
		MCPCredentials:   a.credentials(),
		MCPScopes:        scopes,
		IDTokenFetcher:   func(context.Context) (*oauth2.Token, error) { return signedIn, nil },
		HTTPClient:       a.http,
	})
	if err != nil {
		return nil, err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: dev.AgentID, Version: "1.0.0"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: a.world.Resource, HTTPClient: a.http, OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
}

var _ auth.OAuthHandler = (*extauth.EnterpriseHandler)(nil)

func (a *agent) credentials() *oauthex.ClientCredentials {
	return &oauthex.ClientCredentials{ClientID: dev.AgentID, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: a.world.ClientSecret.Reveal()}}
}

// exchange is leg 1: the ID token becomes an ID-JAG for Chancery and the notes server.
func (a *agent) exchange(ctx context.Context, signedIn *oauth2.Token, scopes ...string) (string, error) {
	idToken, ok := signedIn.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the IdP sent no ID token")
	}
	idp, err := sdk.NewIdP(sdk.IdPConfig{
		Issuer: a.world.IdP.Issuer(), Client: sdk.PublicClient(dev.IdPAgentID), Subject: sdk.Static(sdk.IDToken(idToken)), HTTPClient: a.http,
	})
	if err != nil {
		return "", err
	}
	return idp.Assertion(ctx, sdk.AssertionRequest{Audience: a.world.Issuer, Resource: a.world.Resource, Scopes: scopes})
}

// redeem is leg 2. What Chancery refuses is a *sdk.Error.
func (a *agent) redeem(ctx context.Context, assertion string) (*oauth2.Token, error) {
	redeemer, err := sdk.New(sdk.Config{
		Issuer:     a.world.Issuer,
		Client:     sdk.ClientSecretPost(dev.AgentID, a.world.ClientSecret.Reveal()),
		Assertions: sdk.AssertionFunc(func(context.Context, sdk.AssertionRequest) (string, error) { return assertion, nil }),
		HTTPClient: a.http,
	})
	if err != nil {
		return nil, err
	}
	return redeemer.Token(ctx, a.world.Resource)
}

// fixed sends a token that was obtained before.
type fixed struct {
	token secret.Text
	next  http.RoundTripper
}

func (f fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+f.token.Reveal())
	return f.next.RoundTrip(r)
}

// connectWith opens an MCP session with a token in hand.
func (a *agent) connectWith(ctx context.Context, token string) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: dev.AgentID, Version: "1.0.0"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: a.world.Resource, HTTPClient: &http.Client{Transport: fixed{token: secret.New(token), next: dev.Direct()}}, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/broker/secret"
	sdk "github.com/chancery-dev/chancery/sdk/go/agent"
)

// agent is the MCP host: registered at the IdP, where people sign in, and at Chancery, where it redeems assertions.
type agent struct {
	world *world
	tape  *tape
	http  *http.Client
}

// loopback dials without a proxy: everything that the agent speaks to is on this machine.
func loopback() http.RoundTripper { return &http.Transport{} }

func newAgent(w *world) *agent {
	t := &tape{next: loopback(), world: w}
	return &agent{world: w, tape: t, http: &http.Client{
		Transport: t,
		// The IdP's redirect carries the code: it is read here, not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signIn is the code flow with PKCE at the company's IdP. The fake IdP asks for no password: login_hint is enough.
func (a *agent) signIn(ctx context.Context, who, acr string) (*oauth2.Token, error) {
	config := oauth2.Config{
		ClientID:    idpAgentID,
		RedirectURL: redirectURI,
		Scopes:      []string{"openid", "email", "groups"},
		Endpoint:    oauth2.Endpoint{AuthURL: a.world.idp.Issuer() + "/authorize", TokenURL: a.world.idp.TokenEndpoint(), AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	state := oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", who)}
	if acr != "" {
		options = append(options, oauth2.SetAuthURLParam("acr_values", acr), oauth2.SetAuthURLParam("max_age", "300"))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.AuthCodeURL(state, options...), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	back, err := url.Parse(response.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != state || back.Query().Get("code") == "" {
		return nil, fmt.Errorf("the IdP did not sign %s in: %s", who, response.Status)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, a.http)
	return config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
}

// connect opens an MCP session with the official SDK, whose enterprise handler does both legs when the server asks for a token.
func (a *agent) connect(ctx context.Context, signedIn *oauth2.Token, scopes ...string) (*mcp.ClientSession, error) {
	handler, err := extauth.NewEnterpriseHandler(&extauth.EnterpriseHandlerConfig{
		IdPIssuerURL:     a.world.idp.Issuer(),
		IdPCredentials:   &oauthex.ClientCredentials{ClientID: idpAgentID},
		MCPAuthServerURL: a.world.issuer,
		MCPResourceURI:   a.world.resource,
		MCPCredentials:   a.credentials(),
		MCPScopes:        scopes,
		IDTokenFetcher:   func(context.Context) (*oauth2.Token, error) { return signedIn, nil },
		HTTPClient:       a.http,
	})
	if err != nil {
		return nil, err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: agentID, Version: "1.0.0"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: a.world.resource, HTTPClient: a.http, OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
}

var _ auth.OAuthHandler = (*extauth.EnterpriseHandler)(nil)

func (a *agent) credentials() *oauthex.ClientCredentials {
	return &oauthex.ClientCredentials{ClientID: agentID, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: a.world.clientSecret.Reveal()}}
}

// exchange is leg 1: the ID token becomes an ID-JAG for Chancery and the notes server.
func (a *agent) exchange(ctx context.Context, signedIn *oauth2.Token, scopes ...string) (string, error) {
	idToken, ok := signedIn.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the IdP sent no ID token")
	}
	idp, err := sdk.NewIdP(sdk.IdPConfig{
		Issuer: a.world.idp.Issuer(), Client: sdk.PublicClient(idpAgentID), Subject: sdk.Static(sdk.IDToken(idToken)), HTTPClient: a.http,
	})
	if err != nil {
		return "", err
	}
	return idp.Assertion(ctx, sdk.AssertionRequest{Audience: a.world.issuer, Resource: a.world.resource, Scopes: scopes})
}

// redeem is leg 2. What Chancery refuses is a *sdk.Error.
func (a *agent) redeem(ctx context.Context, assertion string) (*oauth2.Token, error) {
	redeemer, err := sdk.New(sdk.Config{
		Issuer:     a.world.issuer,
		Client:     sdk.ClientSecretPost(agentID, a.world.clientSecret.Reveal()),
		Assertions: sdk.AssertionFunc(func(context.Context, sdk.AssertionRequest) (string, error) { return assertion, nil }),
		HTTPClient: a.http,
	})
	if err != nil {
		return nil, err
	}
	return redeemer.Token(ctx, a.world.resource)
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
	client := mcp.NewClient(&mcp.Implementation{Name: agentID, Version: "1.0.0"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: a.world.resource, HTTPClient: &http.Client{Transport: fixed{token: secret.New(token), next: loopback()}}, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
}

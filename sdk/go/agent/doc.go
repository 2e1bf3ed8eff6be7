// Package agent gets access tokens from Chancery for programs that act for people, or
// for themselves.
//
// An [Agent] does both legs: it has the company's IdP turn the person's sign-in into an
// assertion for Chancery (leg 1, [IdP], an ID-JAG), and redeems that for an access token
// (leg 2, RFC 7523). Leg 1 may be anything that gives an assertion ([AssertionFunc],
// [File]); with ClientCredentials there is none.
//
//	a, err := agent.New(agent.Config{
//		Issuer:     "https://auth.acme.com",
//		Client:     agent.ClientSecretBasic("notes-agent", secret),
//		Assertions: idp,
//	})
//	client, err := a.Client("https://notes.acme.com/mcp", "notes:read")
//
// Tokens are remembered for each resource and set of scopes until shortly before they
// end, and callers that want the same one at the same time share one request. Refusals
// are [*Error], with what a program needs to go on: code, trace, step-up. No secret,
// assertion or token is in any error, and types that hold one print as nothing.
//
// What is not checked: signatures of assertions and tokens. They are for others to read;
// here they are opaque.
//
// The package needs go-jose, x/oauth2 and the standard library.
package agent

// Package oidc signs people in at an OpenID provider: the relying party of OpenID
// Connect Core 1.0, code flow with PKCE, and what ends such a sign-in (Back-Channel
// and RP-Initiated Logout 1.0). docs/sign-in.md has what is checked, in order.
//
// Begin gives the URL to send the browser to, and a [Departure] that the caller
// keeps; Finish takes what the browser brings back, and the departure, and gives a
// [SignIn] that nothing else can build. Whom it speaks of is federation.Resolve's to
// say, by its Identifiers.
//
// It is the home of github.com/coreos/go-oidc and uses it for discovery only, as it
// uses x/oauth2 for the exchange: go-oidc's token decoder takes the last of two equal
// names and does not tell case apart, and its key set asks the network as often as a
// stranger likes. Tokens go through federation/jws, keys through federation/jwks, and
// every byte through federation/fetch.
//
// What it does not do: remember that a departure or a logout token was used before,
// tie a departure to a browser, hold a session, know a user. Those are the broker's.
//
// It depends on federation and the packages below it, and must not know sessions,
// pages, policies or tokens of ours.
package oidc

// Package idp holds identity providers against those who use them: the fake
// enterprise IdP against the client of the official MCP SDK, unmodified, so that
// what it accepts the demo may rely on; and a real Keycloak against our own server,
// which redeems what Keycloak signs. An OpenID Connect relying party is held against
// the fake one in federation/oidc.
package idp

// Package idp holds the fake enterprise IdP against the client of the official
// MCP SDK, unmodified. What it accepts, the demo may rely on. An OpenID Connect
// relying party is held against it in federation/oidc.
package idp

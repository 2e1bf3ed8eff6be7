// Package idp holds identity providers against those who use them: the fake
// enterprise IdP against the client of the official MCP SDK, unmodified, so that
// what it accepts the demo may rely on; a real Keycloak against our own server, which
// redeems what Keycloak signs; federation/oidc, our relying party, against Keycloak
// and panva's oidc-provider, and federation/saml, our service provider, against
// Keycloak and SimpleSAMLphp, where a person fills in their forms; and all four of
// those through the whole product, from a host's request to its token and to logout.
// Another's relying party is held against the fake IdP in federation/oidc.
package idp

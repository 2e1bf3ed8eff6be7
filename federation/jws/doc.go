// Package jws reads, verifies and makes signed tokens in the compact form of
// RFC 7515, and reads the claims of RFC 7519 inside them.
//
// The steps cannot be taken out of order: Parse gives a Message whose payload
// nobody can read; Message.Verify needs the issuer's keys and the algorithms
// that are allowed for it, and returns the payload; ParseClaims turns it into
// Claims. Before Verify only the header and the names that lead to the keys
// (iss, sub) are open.
//
// What it does not check: what any claim means. exp, aud, jti and the rest are
// typed here and judged by the caller. Encrypted tokens and the JSON
// serialisation are refused.
//
// It depends on federation/strict and federation/jwks, and must not know
// issuers, tenants or grants.
package jws

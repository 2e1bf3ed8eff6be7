// Package token mints our access tokens (RFC 9068) and verifies them again.
//
// Mint writes what it is told: who may have what is settled before. Verify gives
// a Token, a type that only it can build, for the endpoints that take our own
// tokens; whether a token was revoked, and whether its holder proved the key it
// is bound to, are the caller's to check.
//
// It depends on federation/jws and broker/keys, and must not know grants,
// clients or stores.
package token

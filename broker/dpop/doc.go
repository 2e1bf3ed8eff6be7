// Package dpop verifies DPoP proofs (RFC 9449): that the sender of this very
// request holds a private key, and which.
//
// Verify gives a Proof, a type that only it can build, with the redemption that
// makes the proof good for one use; whoever answers the request commits it. The
// URL that a proof must name is the configured public one, never what the
// request's Host says. Whether a proof is required, and whether its key is the
// one that a token or an assertion names, is the caller's to check.
//
// Nonces makes and recognises the nonces that a server may ask for (§8), without
// keeping any; whether they are asked for is configuration's.
//
// It depends on federation/{jws,jwks}, and must not know clients or grants.
package dpop

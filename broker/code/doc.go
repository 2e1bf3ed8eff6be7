// Package code makes and takes authorization codes (RFC 6749 §4.1.2, OAuth 2.1
// §4.1). A code is a sealed value and no row: it carries everything that it is bound
// to, under a key that all replicas derive from the keyring, tied to its tenant.
//
// Open checks the seal, the minute for which a code is good, and every binding:
// client, redirect URI, PKCE verifier and key. What it gives, a Redeemable, can only
// be built here.
//
// What it does not check: that the code was not used before. That is the ledger's,
// in the transaction that records the token, by Redeemable.Redemption; and whether
// what the code stands for is still so (user, session, client, resources, policy) is
// the grant's.
//
// It depends on the broker's vocabulary and the ledger's; keys come through an
// interface, and it knows no HTTP and no SQL.
package code

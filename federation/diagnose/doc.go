// Package diagnose says why an IdP cannot be used, before it is, and what an
// assertion is, without trusting it.
//
// Connection walks the way that the server itself takes to an IdP's keys, with
// that entry's own network settings, and gives one row for each check: what was
// seen, what was expected, what to change. A check that could not be made because
// an earlier one failed is skipped, never passed. Inspect takes an assertion apart
// and needs no network.
//
// What it does not check: anything that depends on a tenant's users, clients,
// resources or policies; the broker rehearses those. Nothing here decides whether
// an assertion is accepted: federation/assertion does.
//
// It depends on federation, federation/fetch, jwks, jws and strict, keeps nothing
// and logs nothing.
package diagnose

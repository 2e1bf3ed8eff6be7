// Package jwks reads, keeps and refreshes the key sets (RFC 7517) of others.
//
// Parse turns bytes into keys that may verify signatures, and drops every key
// that may not, with a warning that says why. Cache keeps one set per owner and
// issuer: loaded when first asked for, refreshed behind the requests, fetched
// again for an unknown kid at most every thirty seconds.
//
// What it does not check: whether an issuer is trusted. The caller has looked
// it up by exact match before it asks for keys. A jwks_uri that moves to
// another host is refused only while the process remembers the former one.
//
// It depends on federation/strict and federation/fetch; never on what is done
// with a key.
package jwks

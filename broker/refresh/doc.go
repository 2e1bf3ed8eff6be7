// Package refresh makes and reads refresh tokens (RFC 6749 §1.5, OAuth 2.1 §4.3).
// A token is the name of its family, its generation and a MAC: only the family is
// a row, and the token that follows is computed, as often as it is needed, by
// whichever replica (docs/decisions/0019).
//
// Parse gives a Presented, a type that only it can build: the text is one of ours,
// of this tenant. What it does not check: whether its family is alive, at that
// generation and the caller's. That is the grant's, and in the end the ledger's,
// in the transaction that records what was given for it.
//
// It depends on the broker's vocabulary and the ledger's; keys come through an
// interface, and it knows no HTTP and no SQL.
package refresh

// Package keys holds the keys that sign: for each tenant a ring of its own, one
// line of succession for each algorithm in use, and for the installation the key
// that signs audit checkpoints.
//
// A key is prepared (published, not used), then active, then retiring (published,
// no longer used), then gone; revoked ends it at once. A successor is published
// for twice the JWKS's max-age before its first signature, and a predecessor for
// as long as any token that it signed may live. When a successor takes over is
// fixed when it is prepared, so that all replicas change at one time without
// asking each other; exactly one of them writes each step (compare-and-swap).
//
// A public key is published only if its private half opens out of the vault for
// that very row: who can write to the table cannot make us publish a key of his.
//
// What it does not do: read claims, or decide what is signed. It speaks to its
// store by interface and knows no SQL and no HTTP.
package keys

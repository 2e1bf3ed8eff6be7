// Package vault is about secrets that must be kept and given back: private keys,
// and later the credentials that people connected. It fixes how a secret looks at
// rest: one blob format for every table, bound to the row that it belongs to.
//
// What it does not do: choose or hold keys. A Sealer does; vault/keyring is the
// local one.
//
// It returns values, and must import neither broker, federation nor policy.
package vault

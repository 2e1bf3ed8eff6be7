// Package transit is the Sealer whose keys never leave Vault: each secret has a
// data key of its own, made here, and the Transit engine of Vault or OpenBao wraps
// it, under a key derived for the place where the secret rests. One call seals,
// one opens.
//
// It is the home of github.com/hashicorp/vault/api. It reads nothing from the
// environment, follows no proxy that was not configured, and prints no token.
//
// What it does not do: choose what is a secret, or keep one. What went wrong at
// Vault is told apart (Outage), so that a caller can say whose turn it is.
package transit

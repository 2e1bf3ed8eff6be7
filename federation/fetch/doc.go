// Package fetch is the one door through which the product reaches the network:
// key sets, metadata, client documents and providers are all fetched by its
// Client.
//
// An address is checked where it counts, on the address that is dialled, after
// resolution and before the first packet, so that no name and no rebinding gets
// around it. Redirects are not followed, nothing is taken from the environment,
// bodies and times are bounded, and compressed bodies are not accepted.
//
// What it does not check: where a configured proxy goes once it was asked for a
// name. Vault and the database have connections of their own, fixed by
// configuration.
//
// It depends on the standard library only, and must not know what is fetched.
package fetch

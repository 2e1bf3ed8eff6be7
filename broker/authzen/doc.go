// Package authzen reads and writes the messages of the OpenID AuthZEN Authorization API 1.0: a resource, or the gateway in
// front of it, asks whether a request may go forward (docs/authzen.md).
//
// It knows the words and their bounds. It knows no HTTP, no policy and no tenant: who asks, and what is answered, is for
// broker/grant. What a message says of its subject is no evidence; only names are read, and of context only what is listed
// with Context.
package authzen

// Package way walks a browser's whole way through the built program, on both
// engines: to the IdP and back, consent, a code, tokens, the account page, and out
// again. It is for tests, and holds nothing else.
package way

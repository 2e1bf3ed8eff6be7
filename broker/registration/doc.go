// Package registration is about clients that nobody here made: those that
// register themselves (RFC 7591, RFC 7592) and those whose client_id is the URL of
// their metadata document (broker/cimd).
//
// Registry finds every client by its client_id: a Client object first, so that an
// administrator's word on a client_id counts before anybody else's, `disabled`
// among it; then a document, then a registration, each under the tenant's rules of
// the moment and with no more than these give. Desk is the registration endpoint
// without HTTP, and the initial access tokens that let one come to it.
//
// What a client says of itself is its own word. It is never fetched when it is
// said: neither keys, nor a logo, nor a page.
//
// It depends on broker/{client,cimd,snapshot,ledger,audit,oauth} and the
// federation's strict JSON; it knows no HTTP and no SQL.
package registration

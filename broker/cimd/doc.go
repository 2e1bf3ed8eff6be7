// Package cimd reads client ID metadata documents: clients whose client_id is
// the https URL of a JSON document that says who they are
// (draft-ietf-oauth-client-id-metadata-document-03).
//
// ParseURL tells whether a client_id can be such a URL, Parse reads a document,
// Rules are what a tenant allows, and a Source brings them together: it fetches
// through federation/fetch, remembers within bounds, and hands out a client that
// has no more than the tenant's ceilings. What a document says is the claim of
// whoever controls its host, and of nobody else.
//
// What it does not check: that a name or a logo belongs to whom it seems to; the
// page of consent shows hosts for that reason. Nor does it fetch what a document
// points to: keys behind a jwks_uri are fetched by federation/jwks, through the
// same door, when a client authenticates; logos are never fetched.
//
// It depends on broker/client, broker/oauth, broker/tenant and
// federation/{fetch,jwks,strict}; it knows no HTTP server and no SQL.
package cimd

// Package assertion decides whether a document that an IdP signed may be
// exchanged for a token of ours: identity assertion grants (ID-JAG-04, as MCP's
// Enterprise-Managed Authorization pins it), plain assertions, and the tokens of
// workloads (SEP-1933), all under RFC 7521 §5.2 and RFC 7523 §3.
// docs/assertions.md has the rules of each profile in one table.
//
// Verify is one straight line: shape, typ, issuer, signature, claims. Its result
// is a type that nothing else can build, so that no later step can run on an
// assertion that was not verified.
//
// What it does not check: that the assertion was not redeemed before, that its
// resources and scopes may be granted, that its subject is a user here, that the
// client is who it says, which workload it is. Those are the broker's, with what is
// verified here.
//
// It depends on federation, federation/jws and federation/jwks, and must not
// know users, policies or tokens of ours.
package assertion

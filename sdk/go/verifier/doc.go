// Package verifier lets a resource server take Chancery's access tokens, and
// nothing else: RFC 9068 tokens as bearer tokens (RFC 6750) or bound to a key
// (RFC 9449), for exactly one resource of exactly one issuer.
//
//	v, err := verifier.New("https://auth.acme.com", "https://notes.acme.com/mcp",
//		verifier.WithScopes("notes:read"))
//	mux.Handle("/mcp", v.Require(verifier.RequirePlan("pro"))(handler))
//	mux.Handle(v.MetadataPath(), v.MetadataHandler())
//
// A handler finds the token with [FromContext]. Every refusal is an [*Error] whose
// status and WWW-Authenticate say what the client can do about it (RFC 6750 §3,
// RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1).
//
// What is not checked: whether the token was revoked since it was issued. Tokens are
// short-lived for that reason; who needs to know at once asks the issuer (RFC 7662).
// Memory of DPoP proofs is per process unless [WithReplayStore] says otherwise.
//
// The package needs go-jose and the standard library. Middleware for gin and for the
// MCP Go SDK lives in modules of their own, ginverifier and mcpverifier, so that
// nobody needs them who does not use them.
package verifier

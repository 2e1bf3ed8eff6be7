// Package saml is the service provider's side of SAML 2.0: it sends people to an
// IdP, verifies what comes back, and verifies assertions that are presented for
// a token (RFC 7522). docs/saml.md lists what is checked, in its order.
//
// The path of verification is ours. crewjam/saml lends its types for what we
// write and for metadata; none of its verification runs. Bytes pass the gate
// before any XML library sees them, one parser reads them, a signature is verified
// with a pinned certificate over one element, and only the element which that
// verification returned is read afterwards. The results are types that nothing
// else can build.
//
// What it does not check: that a response or an assertion was not used before
// (the caller redeems the names it is given), that the session which left is the
// one that comes back, that the subject is a user here.
//
// It depends on federation, federation/assertion (for what is said of groups)
// and federation/fetch, and must not know users, sessions, policies or tokens.
package saml

// Package conformance is the negative assertion suite behind `chancery
// conformance`: it plays an identity provider and a client against any resource
// authorization server, from outside, and tells what the server accepts that the
// standards say it must not.
//
// Positive controls come first, in between and last: where a valid assertion is
// refused, the refusal of an invalid one proves nothing, and the suite says so
// instead of a result. Every case is one change of a valid request, with a jti of
// its own and the section of the standard that forbids it.
//
// It knows nothing of the server that it asks. It must not depend on how the
// product decides: of broker it takes the redacting secret only, nothing of admin,
// policy or vault, and no configuration. Broken assertions come from
// federation/idptest, where the product's own tests take them.
package conformance

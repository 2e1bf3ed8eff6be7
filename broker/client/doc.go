// Package client is about OAuth clients: what is known of each, and how a request
// proves that it comes from one.
//
// Authenticate takes one request through one method (RFC 6749 §2.3). Whatever is
// wrong with a client or its credential, the answer is the same
// client_authentication_failed after the same work; the reason is the refusal's
// private cause. The verified thing, an Authentication, can only be built here.
//
// What it does not check: whether the client may use the grant, or whether a
// public client may come without proof; the grant decides. Rate limits are the
// listener's.
//
// It depends on federation/{jws,jwks} and the broker's vocabulary; clients come
// through the Registry interface, and it knows no HTTP and no SQL.
package client

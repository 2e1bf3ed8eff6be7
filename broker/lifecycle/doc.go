// Package lifecycle is what ends things: the administrator's revocation of a
// token, or of everything that a client, a user or an IdP was given; and what is
// known of a token that was issued, dead or alive.
//
// A revocation of many is a mark at the tenant's next version. A token carries
// the version at which it was committed, so what is over is decided by the order
// of commits, and no clock takes part in it (docs/decisions/0016). It does not
// disable its object: a client that is not disabled gets new tokens.
//
// Families of refresh tokens carry a version as tokens do, and end by the same
// marks. So do sessions (broker/session).
//
// The package knows no HTTP and no SQL. What the status of objects means for a
// token is broker/introspect's matter.
package lifecycle

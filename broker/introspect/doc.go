// Package introspect answers what is asked about a token that somebody holds: is
// it active (RFC 7662), and let it end (RFC 7009).
//
// Nothing is called active on an old picture. Before an answer the database is
// asked for the tenant's version and the token's record, once for all who wait
// (Gatherer); whoever was decided on an older version begins again. So a token is
// never called active once its revocation, or the end of its client, user, IdP,
// resource or key, was answered on whatever replica (docs/decisions/0016).
//
// What is not active is not active and nothing more: not unknown, not revoked,
// not another's. The package knows no HTTP and no SQL. It does not ask whether
// the key in cnf is proved: that is for the resource server, which gets cnf.
package introspect

// Package snapshot is the immutable picture of a tenant that every request
// travels with: its trusted issuers, workloads, resources, policies and the version at which
// they were read. A picture is never changed; a newer one replaces it, and the
// ledger refuses what was decided on an older one. Clients and users, of which
// there may be a million, are not in the picture but read through caches. The
// package reads through the stores it is given and knows no SQL and no HTTP.
//
// # Why an older client never meets a newer version
//
// Let a change of a client commit with version x of its tenant. A request takes
// its picture first, of version p, and reads the client afterwards.
//
//   - p < x: the ledger compares p with the version in the database under a lock
//     that the change excludes, and refuses what commits after it (ErrStale).
//   - p ≥ x: a picture is published only after the caches have dropped everything
//     that versions up to its own have changed. So the drop came before the
//     picture, the picture before the read; and what was being loaded during the
//     drop is neither kept nor shared with whoever comes after it, because every
//     drop begins a new generation of its tenant. The read sees x.
//
// For the picture itself: its version is read before its rows. It may hold more
// than its version says, which is refused needlessly once, but never less.
//
// What cannot be built fails closed: there is then no picture at all, since the
// one before could allow what was taken away.
//
// What is not there is remembered for at most UnknownFor. A new client or user
// need not raise the version; this replica knows of it at once (Changed), the
// others a second later.
package snapshot

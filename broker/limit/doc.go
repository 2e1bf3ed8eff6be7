// Package limit bounds how fast somebody may ask: a token bucket for each key, in
// bounded memory, of one process. Who the key is, and what he is told, is the
// caller's matter.
//
// A key must be something that its owner alone can spend: a network address that
// cannot be claimed, a client that has proved itself. A limit by a name that
// anybody can send would be a way to lock its owner out.
//
// What it does not do: replicas do not count together, a restart forgets, and who
// owns more keys than are remembered is not bounded.
//
// It knows no other room.
package limit

// Package connection keeps what people and clients connected at other services: whose it is, the credential sealed to
// exactly its row, and its refresh, which happens once however many ask and which no crash loses without a word.
//
// A [Store] keeps rows and lets one of many begin; a [Keeper] hands out credentials with enough life left; a [Rewrapper]
// moves rows to the newest key. Tables are not known here, nor is who may use what: the caller has verified whose
// connection it asks for, and policy has been asked.
//
// What the seal does not hold: a whole row that is put back together with its version, as from a backup, opens.
//
// It must import neither broker, federation nor policy.
package connection

// Package device keeps the requests of devices that have no browser, while a
// person answers them at another one (RFC 8628).
//
// A device gets two codes. The device code is a secret of 256 bits, of which a
// digest rests. The user code is short, for somebody types it: what rests of it is
// made under a key, so that who reads the database cannot find it by trying, and
// whoever tries here is slowed down, by session and by address.
//
// What it does not do: judge what is asked for (broker/authorization), ask policy
// (broker/grant), show a page (broker/authorize), or see that an approval is used
// once: that is the ledger's, by Asked.Redemption.
//
// It knows no HTML, no HTTP and no SQL.
package device

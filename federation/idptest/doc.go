// Package idptest is a whole enterprise IdP in one handler: discovery, keys that
// rotate, sign-in with the code flow, ID tokens, and the exchange of one for an
// identity assertion grant (ID-JAG-04, leg 1). It knows alice, bob and eve, and
// breaks one thing at a time when told to.
//
// It is for tests and the demo and trusts everybody who asks: no password, no
// page worth the name, no storage. It shares with the product the code that
// signs and reads tokens, and nothing that judges them, so that what it lets
// pass says nothing about what the product lets pass.
//
// It depends on federation, federation/jws and federation/jwks, not on testing:
// a command may import it.
package idptest

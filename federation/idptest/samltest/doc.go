// Package samltest is a SAML IdP in one line of a test, which signs and encrypts
// properly, and what an attacker makes of what it signed: every document begins
// valid, one thing in it is broken, and the exact code is known.
//
// It must not be imported by the service, and uses nothing of federation/saml: what
// is held against that package must not be made by it.
package samltest

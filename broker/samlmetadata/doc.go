// Package samlmetadata keeps what SAML IdPs say of themselves at an address: their
// certificates and endpoints.
//
// The first document of an address is taken as it is, because an administrator
// named the address. From then on it is read daily, by one replica at a time. What
// it takes away counts at once; a certificate that comes, or an endpoint that
// moves, waits until an administrator has looked and said which document he saw.
//
// What is kept is not the IdP's own text but what was read in it, written anew:
// nothing else of the text can ever count.
//
// It knows no SQL, no HTTP handler and no sign-in; the network is fetch's.
package samlmetadata

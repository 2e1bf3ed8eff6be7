// Package authorize is the browser's way: /authorize and what a person passes on
// the way to a code (the chooser, the IdP, consent, a stronger proof), the device
// page, the account page and signing out. It decodes requests, asks the rooms
// that decide, and shows pages; it decides nothing about a grant itself.
//
// *gin.Context stays in the files that register routes.
package authorize

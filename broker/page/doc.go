// Package page renders what people see in a browser while they sign in: the
// chooser of IdPs, consent, device codes, step-up, errors, the account page. Each
// page is a typed model with a Render method: model in, bytes and headers out, and
// nothing else decides what is shown.
//
// Pages are plain HTML with one style sheet in the page itself, pinned by its hash.
// There is no script, with two exceptions, pinned by their hashes too: an answer by
// form sends itself off by a script of one line, and has a button where scripts are
// off; and the page that asks for a passkey, which a browser gives to scripts alone.
// Whatever a client, an IdP or a person called himself is untrusted text:
// it is bounded, freed of invisible characters, isolated from the text around it,
// and escaped by html/template.
//
// It knows no router, no store, no session and no clock. What it is given it
// believes: that a client's host was verified, a redirect URI registered, a token
// bound to the browser, is established before. It depends on broker/oauth, for the
// rows of the error catalogue, and on no other room.
package page

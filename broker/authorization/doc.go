// Package authorization is about what a client sends a browser for (RFC 6749
// §4.1.1, OAuth 2.1): the request, where its answer may go, and the answer.
//
// Parse takes one request down one page: who asks, where the answer goes, then
// everything else. A refusal is of one of two types. Shown: it is not known that
// the redirect URI is the client's, so the person sees it and nothing is
// redirected. Returned: the client hears of it at its redirect URI. Only Parse
// makes a Request or a Return.
//
// A Request rests as its own parameters (Request.Parameters), in a row or pushed
// (RFC 9126), and is parsed again with the tenant's picture of the moment: what a
// client lost meanwhile it does not get.
//
// What it does not check: who the person is, what he consents to, what policy says,
// and how a client that pushes authenticates. Whom an
// id_token_hint means its caller finds out (Ask.Hint); the token goes no further.
//
// It depends on the broker's vocabulary, clients and pictures; it knows no HTTP and
// no SQL, and pushed requests rest behind an interface of its own.
package authorization

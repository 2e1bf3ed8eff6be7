// Package oidc is the home of github.com/coreos/go-oidc, which no other package
// may import: its token decoder takes the last of two equal names and does not
// tell case apart. Sign-in as a relying party lives here once it is served; until
// then its test holds the fake IdP of federation/idptest against that library,
// as a relying party that is not ours.
//
// It must not hand tokens to go-oidc whose claims anything of ours then trusts.
package oidc

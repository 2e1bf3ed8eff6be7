package main

import (
	"testing"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestIdPTestOfSignIn: an entry at which nobody can sign in says why; the reason is no secret.
func TestIdPTestOfSignIn(t *testing.T) {
	s := serving(t)
	idp := idptest.Start(t, idptest.Options{})
	file := s.file("people.yaml", "apiVersion: chancery/v1\nkind: IdentityProvider\nmetadata: {name: people}\nspec: {issuer: \""+idp.Issuer()+
		"\", network: {allow_private_addresses: true}, oidc: {client_id: chancery, client_secret: {env: NOT_ON_THE_LIST}}, assertions: {profiles: [id-jag], algorithms: [ES256]}}\n")
	s.run(exitDone, "apply", "-f", file)
	has(t, s.run(exitDiffers, "idp", "test", "people").stdout, "sign-in metadata", "idp_config_invalid", "admin.secret_references")
}

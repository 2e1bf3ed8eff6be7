package registration_test

import (
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/registration"
)

// FuzzRegister: whatever comes, it is refused with a code of the catalogue, or the client that it makes can do no more than
// such clients do.
func FuzzRegister(f *testing.F) {
	f.Add([]byte(`{"redirect_uris":["http://localhost/cb"]}`))
	f.Add([]byte(`{"redirect_uris":["https://claude.ai/cb"],"grant_types":["authorization_code","client_credentials"],"token_endpoint_auth_method":"none"}`))
	f.Add([]byte(`{"grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"jwks_uri":"https://claude.ai/keys","token_endpoint_auth_method":"private_key_jwt"}`))
	f.Add([]byte(`{"redirect_uris":["javascript:alert(1)"],"client_name":"\u202e"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o := newOffice(t)
		_, err := o.Register(t.Context(), registration.Request{Tenant: o.tenant, Trace: "trc_1", Remote: "192.0.2.7", Body: body})
		if err != nil {
			if refusal := oauth.AsError(err); refusal.Code == oauth.CodeInternal || len(o.shelf.clients) != 0 {
				t.Errorf("%v", err)
			}
			return
		}
		for _, c := range o.shelf.clients {
			for _, grant := range c.Metadata.GrantTypes {
				if !slices.Contains([]string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}, grant) {
					t.Errorf("was given %s", grant)
				}
			}
			for _, uri := range c.Metadata.RedirectURIs {
				if cimd.RedirectProblem(uri) != "" || cimd.IsWebRedirect(uri) && !cimd.Lists(o.tenant.Registration.Dynamic.Hosts, cimd.RedirectHost(uri)) {
					t.Errorf("may be sent to %s", uri)
				}
			}
		}
	})
}

package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const otherTenant = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: other}
spec: {}
---
apiVersion: chancery/v1
kind: User
metadata: {name: mallory, tenant: other}
spec: {email: mallory@other.example, status: active, groups: [notes-editors]}
---`

// TestAnotherTenant: its people are nobody here, its gateways cannot ask here, and ours not there.
func TestAnotherTenant(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		d := newDoor(t, e)
		d.Apply(d.Server(), otherTenant)
		var user struct{ Metadata struct{ UID string } }
		if err := json.Unmarshal([]byte(d.AdminRequest(http.MethodGet, "/admin/v1/tenants/other/users/mallory", nil).Body), &user); err != nil || user.Metadata.UID == "" {
			t.Fatal(err)
		}
		named := map[string]any{"client_id": harness.ClientID}
		there := d.ask(t, one, "notes-server", question(user.Metadata.UID, "notes:read", harness.Notes, named))
		nowhere := d.ask(t, one, "notes-server", question("usr_01KAK6Z5G00000000000000000", "notes:read", harness.Notes, named))
		if there.code() != "evaluation_subject_unknown" || nowhere.code() != there.code() || len(there.Context) != len(nowhere.Context) {
			t.Errorf("%s\n%s", there.Body, nowhere.Body)
		}
		if got := d.ask(t, "/t/other"+one, "notes-server", question(user.Metadata.UID, "notes:read", harness.Notes, named)); got.Status != http.StatusUnauthorized {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
}

// TestRevokedToken: the next question after a revocation is answered with no.
func TestRevokedToken(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		d := newDoor(t, e)
		token, alice := d.token(t, idptest.Alice)
		asked := question(alice, "notes:read", harness.Notes, map[string]any{"access_token": token})
		if got := d.ask(t, one, "notes-server", asked); !got.Decision {
			t.Fatalf("%s", got.Body)
		}
		gone := d.Send(d.Server(), &harness.Call{
			Path: "/revoke", Header: http.Header{}, Form: url.Values{"token": {token}, "client_id": {harness.ClientID}, "client_secret": {d.Secret}},
		})
		if got := d.ask(t, one, "notes-server", asked); gone.Status != http.StatusOK || got.Decision || got.code() != "evaluation_token_invalid" {
			t.Errorf("%d; %s", gone.Status, got.Body)
		}
	})
}

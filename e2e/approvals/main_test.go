package approvals_test

import (
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func TestMain(m *testing.M) { harness.Main(m) }

const notesPolicy = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes]}
  modules:
    notes.rego: |
      package chancery.authz

      # What reads is granted, and what writes waits for the approvers.
      writes if "notes:write" in input.requested.scopes

      decision := {"allow": true, "scopes": ["notes:read"], "reasons": [{"code": "reads"}]} if not writes

      decision := {
        "allow": true,
        "scopes": input.requested.scopes,
        "approval": {"group": "approvers", "within": 600},
        "lifetime": 300,
        "reasons": [{"code": "writes"}],
      } if writes
---`

const objects = harness.SignInIdP + harness.DefaultClient + harness.DefaultResource + harness.DefaultPeople + notesPolicy

// world has alice and bob among the approvers, and eve elsewhere.
func world(t *testing.T, e harness.Engine, config map[string]any, more string) *harness.World {
	t.Helper()
	users := idptest.People()
	for i := range users {
		if users[i].Name != idptest.Eve {
			users[i].Groups = append(users[i].Groups, "approvers")
		}
	}
	replicas := 1
	if e == harness.Postgres && config == nil {
		replicas = 2
	}
	return harness.Start(t, harness.Options{Engine: e, Replicas: replicas, Objects: objects + more, Config: config, IdP: idptest.Options{Users: users}})
}

// signedIn is a person with a session.
func signedIn(t *testing.T, w *harness.World, name string) *harness.Person {
	t.Helper()
	p := harness.NewPerson(t, name)
	if _, page, err := p.Try(t.Context(), w.Issuer+"/account", "nowhere:"); err != nil || page.Status != 200 {
		t.Fatalf("%v %+v", err, page)
	}
	return p
}

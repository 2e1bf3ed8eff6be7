package policy_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/chancery-dev/chancery/policy"
)

// recorded is the input of a decision as it was recorded before there were workloads, agents and clients that ask for
// themselves.
const recorded = `{"version":1,"action":"issue","tenant":{"id":"ten_1","plan":"pro"},"grant_type":"urn:ietf:params:oauth:grant-type:jwt-bearer",` +
	`"issuer":{"id":"https://acme.okta.com","name":"okta","preset":"okta"},"assertion":{"profile":"id-jag","typ":"oauth-id-jag+jwt","iat":1,"exp":2,"claims":{"x":"y"}},` +
	`"user":{"id":"usr_1","sub":"00u1","email":"alice@acme.com","guest":false,"groups":["00g1ab"],"group_names":["notes-editors"],"groups_state":"complete",` +
	`"groups_source":"claim","status":"active"},"actor":{"chain":[{"sub":"bot","client_id":"claude"}],"depth":1},` +
	`"client":{"id":"claude","name":"claude","type":"confidential","auth_method":"private_key_jwt","dpop":false,"scopes":["notes:write"]},` +
	`"resource":{"name":"notes","uri":"https://mcp.acme.com/notes","scopes":["notes:read","notes:write"],"risk":{}},"requested":{"scopes":["notes:write"]},` +
	`"asserted":{"scopes":["notes:write"]},"available_scopes":["notes:write"],"network":{"ip":"192.0.2.7"},` +
	`"time":{"unix":1788177600,"rfc3339":"2026-08-31T12:00:00Z","weekday":"Monday","hour":12}}`

// What was recorded fits the schema of today, reads back as it was, and is decided as it was.
func TestRecordedInputStays(t *testing.T) {
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(recorded)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schemaOf(t, policy.InputSchema).Validate(instance); err != nil {
		t.Error(err)
	}
	var in policy.Input
	if err := json.Unmarshal([]byte(recorded), &in); err != nil {
		t.Fatal(err)
	}
	again, err := in.JSON()
	if err != nil || string(again) != recorded {
		t.Errorf("%s, %v", again, err)
	}
	src := policy.Source{Name: "notes", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{
		"grants": []any{map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}}},
	}}
	if d := decide(t, &in, src); !d.Allow || len(d.Scopes) != 1 || d.Reasons[0].Code != "group_grants_scope" {
		t.Errorf("%+v", d)
	}
}

package dev

import (
	"strings"
	"text/template"
)

// Names that objects, agents and the demo's steps share.
const (
	ScopeRead  = "notes:read"
	ScopeWrite = "notes:write"

	AgentID      = "notes-agent"   // the agent's client_id at Chancery
	IdPAgentID   = "agent-at-acme" // and at the IdP
	IdPName      = "acme"
	StrongSignIn = "phr" // phishing-resistant (EAP ACR values)
)

type objectValues struct {
	IdP, Resource string
}

// objects is what an administrator would write: whom to trust, for whom and for what; who the agent is; what it may reach;
// who the people are; and who gets what.
var objects = template.Must(template.New("objects").Parse(strings.TrimLeft(`
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  preset: generic
  issuer: {{.IdP}}
  network: {allow_private_addresses: true}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256, RS256]
    clients: [notes-agent]
    resources: [notes]
    scopes: [notes:read, notes:write]
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-agent}
spec:
  display_name: Notes agent
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: {{.Resource}}
  scopes:
    "notes:read": {risk: low, description: Read your notes}
    "notes:write": {risk: high, description: Change your notes, implies: ["notes:read"]}
  default_scopes: [notes:read]
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, identities: [{idp: acme, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: bob}
spec: {email: bob@acme.com, status: active, identities: [{idp: acme, sub: 00u2bob}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: eve}
spec: {email: eve@contractor.example, status: active, identities: [{idp: acme, sub: 00u3eve}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors], resource: notes, scopes: ["notes:write"]}
      - {groups: [notes-readers], resource: notes, scopes: ["notes:read"]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: strong-sign-in-to-write}
spec:
  role: guard
  applies_to: {resources: [notes], actions: [issue]}
  modules:
    guard.rego: |
      package chancery.authz

      # Whoever may only read needs no more than an ordinary sign-in.
      decision := {"allow": true} if not wants_to_write

      # Writing wants a phishing-resistant sign-in of the last five minutes, of those who may write at all.
      decision := {
      	"allow": true,
      	"step_up": {"acr_values": ["phr"], "max_age": 300},
      	"reasons": [{"code": "strong_sign_in", "detail": "notes:write needs acr phr"}],
      } if {
      	wants_to_write
      }

      wants_to_write if {
      	"notes:write" in input.requested.scopes
      	"notes-editors" in input.user.groups
      }
`, "\n")))

package harness

// DefaultObjects are one IdP, one client, one resource, the IdP's people and who gets what.
const DefaultObjects = DefaultIdP + DefaultClient + DefaultResource + DefaultPeople + DefaultPolicy

// The parts of DefaultObjects, to be put together with others.
const (
	DefaultIdP = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec:
  preset: generic
  issuer: {{idp}}
  network: {allow_private_addresses: true}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256, RS256]
    max_lifetime: 5m
    clock_skew: 30s
    clients: [claude]
    resources: [notes]
    scopes: [notes:read, notes:write]
  claims: {groups: groups, groups_from: [claim, directory]}
---`
	DefaultClient = `
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read, notes:write]
  resources: [notes]
---`
	DefaultResource = `
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes:
    "notes:read": {risk: low, description: Read your notes}
    "notes:write": {risk: high, description: Change your notes, implies: ["notes:read"]}
  default_scopes: [notes:read]
---`
	DefaultPeople = `
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, identities: [{idp: okta, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: bob}
spec: {email: bob@acme.com, status: active, identities: [{idp: okta, sub: 00u2bob}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: eve}
spec: {email: eve@contractor.example, status: active, identities: [{idp: okta, sub: 00u3eve}]}
---`
	DefaultPolicy = `
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
---`
)

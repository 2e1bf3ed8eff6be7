package main

import "text/template"

// configuration leaves every default as it is: what is measured is what people run.
var configuration = template.Must(template.New("configuration").Parse(`profile: dev
server: {public_url: "{{.Issuer}}", listen: "{{.Public}}"}
admin: {listen: "{{.Admin}}", token: {file: "{{.TokenFile}}"}}
database: {url: "{{.Database}}"{{if .Owner}}, owner_url: "{{.Owner}}"{{end}}}
vault: {keyring: {file: "{{.Keyring}}"}}
{{if .Objects}}objects: ["{{.Objects}}"]
{{end}}`))

// trust is one IdP whose key is written inline, one client with a secret, one resource.
var trust = template.Must(template.New("trust").Parse(`apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: bench}
spec:
  preset: generic
  issuer: {{.Issuer}}
  jwks:
    inline:
      keys: [{kty: EC, crv: P-256, use: sig, alg: ES256, kid: {{.KeyID}}, x: "{{.X}}", y: "{{.Y}}"}]
  assertions:
    profiles: [id-jag]
    algorithms: [ES256]
    max_lifetime: 5m
    clients: [{{.Client}}]
    resources: [notes]
    scopes: ["notes:read", "notes:write"]
  claims: {groups_from: [directory]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: {{.Client}}}
spec:
  display_name: Bench agent
  auth: {method: client_secret_post, secret: {file: {{.SecretFile}}}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write"]
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
  default_scopes: ["notes:read"]
`))

const policyHead = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [issue]}
  template: group-scopes
  data:
    grants:
`

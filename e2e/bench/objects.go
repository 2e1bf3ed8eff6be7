package main

import "text/template"

// configuration leaves every default as it is: what is measured is what people run.
var configuration = template.Must(template.New("configuration").Parse(`profile: dev
server: {public_url: "{{.Issuer}}", listen: "{{.Public}}"}
admin: {listen: "{{.Admin}}", token: {file: "{{.TokenFile}}"}, secret_references: ["file:{{.SecretFile}}"]}
database: {url: "{{.Database}}"{{if .Owner}}, owner_url: "{{.Owner}}"{{end}}}
vault: {{"{"}}{{.Vault}}{{"}"}}
{{if .Objects}}objects: ["{{.Objects}}"]
{{end}}`))

// trust is an IdP for each profile, with its key written inline; clients with a secret, and one of a workload; a resource
// for each algorithm. What ends in "copy" is copied where there are to be a great many (scale.go).
var trust = template.Must(template.New("trust").Parse(`apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: bench}
spec:
  preset: generic
  issuer: {{.Issuer}}
  jwks: {inline: {keys: [{kty: EC, crv: P-256, use: sig, alg: ES256, kid: {{.KeyID}}, x: "{{.X}}", y: "{{.Y}}"}]}}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256]
    max_lifetime: 5m
    clients: [{{.Client}}]
    resources: [notes, notes-rs256, notes-eddsa]
    scopes: ["notes:read", "notes:write"]
  claims: {groups_from: [directory]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: bench-plain}
spec:
  preset: generic
  issuer: {{.Plain}}
  jwks: {inline: {keys: [{kty: EC, crv: P-256, use: sig, alg: ES256, kid: {{.KeyID}}, x: "{{.X}}", y: "{{.Y}}"}]}}
  assertions:
    profiles: [jwt-bearer]
    algorithms: [ES256]
    max_lifetime: 5m
    clients: [{{.Client}}]
    resources: [notes]
    scopes: ["notes:read"]
  claims: {groups_from: [directory]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: bench-platform}
spec:
  preset: generic
  issuer: {{.Platform}}
  jwks: {inline: {keys: [{kty: EC, crv: P-256, use: sig, alg: ES256, kid: {{.KeyID}}, x: "{{.X}}", y: "{{.Y}}"}]}}
  assertions:
    profiles: [workload]
    algorithms: [ES256]
    max_lifetime: 5m
    clients: [bench-job]
    resources: [notes]
    scopes: ["notes:read"]
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: bench-people}
spec:
  preset: generic
  issuer: {{.People}}
  network: {allow_private_addresses: true}
  oidc: {client_id: {{.AtTheIdP}}, client_secret: {file: {{.SecretFile}}}}
  domains: [acme.com]
  claims: {groups_from: [directory]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: bench-others}
spec:
  preset: generic
  issuer: https://others.bench.example
  oidc: {client_id: {{.AtTheIdP}}, client_secret: {file: {{.SecretFile}}}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, groups: [g00000, everyone], identities: [{idp: bench-people, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: {{.Host}}}
spec:
  auth: {method: client_secret_post, secret: {file: {{.SecretFile}}}}
  redirect_uris: ["{{.Redirect}}"]
  consent: admin
  grant_types: [authorization_code]
  scopes: ["notes:read"]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: {{.Keeper}}}
spec:
  auth: {method: client_secret_post, secret: {file: {{.SecretFile}}}}
  redirect_uris: ["{{.Redirect}}"]
  consent: admin
  grant_types: [authorization_code, refresh_token]
  scopes: ["notes:read"]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: build}
spec:
  idp: bench-platform
  match: {sub: "job:build", claims.project: "74"}
  client: bench-job
  resources: [notes]
  scopes: ["notes:read"]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: bench-job}
spec:
  auth: {method: workload}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read"]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: {{.Client}}}
spec:
  display_name: Bench agent
  auth: {method: client_secret_post, secret: {file: {{.SecretFile}}}}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
  scopes: ["notes:read", "notes:write"]
  resources: [notes, notes-rs256, notes-eddsa]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: {{.Server}}}
spec:
  auth: {method: client_secret_post, secret: {file: {{.SecretFile}}}}
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
  server: {client: {{.Server}}}
---
apiVersion: chancery/v1
kind: Provider
metadata: {name: tracker}
spec:
  own_manifest: {extends: static, name: tracker}
  scope_map: {"notes:read": []}
  allow: {clients: [{{.Client}}], resources: [notes]}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes-rs256}
spec:
  uri: {{.Resource}}-rs256
  scopes: {"notes:read": {}}
  token: {algorithm: RS256}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes-eddsa}
spec:
  uri: {{.Resource}}-eddsa
  scopes: {"notes:read": {}}
  token: {algorithm: EdDSA}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: idp-copy}
spec:
  preset: generic
  issuer: https://idp-copy.bench.example
  jwks: {inline: {keys: [{kty: EC, crv: P-256, use: sig, alg: ES256, kid: {{.KeyID}}, x: "{{.X}}", y: "{{.Y}}"}]}}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256]
    max_lifetime: 5m
    clients: [{{.Client}}]
    resources: [notes]
    scopes: ["notes:read"]
  claims: {groups_from: [directory]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: user-copy}
spec: {email: user-copy@bench.example, status: active, groups: [g00000, everyone], identities: [{idp: idp-copy, sub: {{.CopySubject}}}]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: client-copy}
spec:
  auth: {method: client_secret_post, secret: {file: {{.SecretFile}}}}
  grant_types: [client_credentials]
  scopes: ["open:read"]
  resources: [open]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: open}
spec:
  uri: {{.Resource}}-open
  scopes: {"open:read": {}}
  default_scopes: ["open:read"]
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: open}
spec:
  role: grant
  applies_to: {resources: [open], actions: [issue]}
  modules:
    open.rego: |
      package chancery.authz

      decision := {"allow": true, "scopes": ["open:read"]} if input.actor.kind == "client"
`))

const policyHead = `apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes, notes-rs256, notes-eddsa]}
  template: group-scopes
  data:
` + policyPrograms + `    grants:
`

const policyPrograms = `    clients:
      - {clients: [bench-agent, bench-job], resource: notes, scopes: ["notes:read"]}
`

// policyGlass is an emergency of each kind: one that is over, and one of others.
const policyGlass = `    lifetime: 600
    glass:
      - {groups: [everyone], resource: notes, scopes: ["notes:write"], until: "2026-01-01T00:00:00Z", because: over}
      - {groups: [others], resource: notes, scopes: ["notes:write"], until: "2099-01-01T00:00:00Z", because: others}
`

package browser

import "github.com/chancery-dev/chancery/e2e/harness"

const (
	objectsOfTown = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  display_name: Acme
  passkeys: allowed
  branding: {colour: "#7a1f5c"}
  registration:
    dcr: open
    dcr_limits: {scopes: ["notes:read", "notes:write"], resources: [notes], hosts: ["app.example"]}
    cimd: {mode: hosts, hosts: [clients.example, wallet.example], resources: [notes], scopes: ["notes:read", "notes:write"]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec:
  display_name: Acme Okta
  preset: generic
  issuer: {{idp}}
  network: {allow_private_addresses: true}
  oidc: {client_id: chancery, client_secret: {file: {{folder}}/idp-secret}, scopes: [openid, profile, email, groups], return_after_logout: true}
  domains: [acme.com]
  subject: {provision: just_in_time}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256, RS256]
    max_lifetime: 5m
    clock_skew: 30s
    clients: [claude]
    resources: [notes, vault]
    scopes: ["notes:read", "notes:write", "vault:open"]
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: works}
spec:
  display_name: Acme Works
  preset: saml
  domains: [works.example]
  saml:
    idp_initiated: true
    attributes: {email: email}
    metadata: |
      WORKS
  subject: {provision: just_in_time}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: dan}
spec: {status: disabled, identities: [{idp: okta, sub: 00udan}]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  display_name: Claude
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: ["notes:read", "notes:write", "vault:open"]
  resources: [notes, vault]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: tv}
spec:
  display_name: Television
  type: public
  grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
  scopes: ["notes:read", "notes:write", profile, email]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: approved}
spec:
  display_name: Company portal
  type: public
  consent: admin
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code]
  scopes: ["notes:read"]
  resources: [notes]
---` + hostOfTown + resourcesOfTown

	// The second tenant has one IdP, which cannot be asked for more, and no passkeys.
	objectsOfBare = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: bare}
spec: {display_name: Bare}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {tenant: bare, name: works}
spec:
  display_name: Other Works
  preset: saml
  saml:
    metadata: |
      OTHER
  subject: {provision: just_in_time}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: Client
metadata: {tenant: bare, name: host}
spec:
  display_name: Notes host
  type: public
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code, refresh_token]
  scopes: ["notes:read", "bank:pay"]
  resources: [notes, bank]
---
apiVersion: chancery/v1
kind: Resource
metadata: {tenant: bare, name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes: {"notes:read": {risk: low, description: Read your notes}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {tenant: bare, name: bank}
spec:
  uri: https://mcp.acme.example/bank
  scopes: {"bank:pay": {risk: high, description: Pay bills from the company account}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {tenant: bare, name: who}
spec:
  role: grant
  applies_to: {resources: [notes, bank]}
  template: group-scopes
  data: {grants: [{groups: [notes-editors], resource: notes, scopes: ["notes:read"]}, {groups: [notes-editors], resource: bank, scopes: ["bank:pay"]}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {tenant: bare, name: careful}
spec:
  role: guard
  applies_to: {resources: [bank]}
  modules:
    careful.rego: |
      package chancery.authz

      decision := {"allow": true, "step_up": {"acr_values": ["phr"]}}
---`

	hostOfTown = `
apiVersion: chancery/v1
kind: Client
metadata: {name: ` + harness.Host + `}
spec:
  display_name: Notes host
  type: public
  redirect_uris: ["http://127.0.0.1/callback", "https://app.example/callback", "` + program + `"]
  post_logout_redirect_uris: ["https://app.example/bye"]
  grant_types: [authorization_code, refresh_token]
  scopes: ["notes:read", "notes:write", "vault:open", "bank:pay", profile, email]
  resources: [notes, vault, bank]
---`

	resourcesOfTown = `
apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec:
  uri: https://mcp.acme.example/notes
  scopes:
    "notes:read": {risk: low, description: Read your notes}
    "notes:write": {risk: high, description: Change your notes, implies: ["notes:read"]}
  default_scopes: ["notes:read"]
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: vault}
spec:
  uri: https://mcp.acme.example/vault
  scopes: {"vault:open": {risk: high, description: Open the vault}}
---
apiVersion: chancery/v1
kind: Resource
metadata: {name: bank}
spec:
  uri: https://mcp.acme.example/bank
  scopes: {"bank:pay": {risk: high, description: Pay bills from the company account}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: who}
spec:
  role: grant
  applies_to: {resources: [notes, vault, bank]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors], resource: notes, scopes: ["notes:write"]}
      - {groups: [notes-editors], resource: vault, scopes: ["vault:open"]}
      - {groups: [notes-editors], resource: bank, scopes: ["bank:pay"]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: careful-vault}
spec:
  role: guard
  applies_to: {resources: [vault]}
  modules:
    careful.rego: |
      package chancery.authz

      decision := {"allow": true, "step_up": {"acr_values": ["phr", "urn:chancery:acr:passkey"], "max_age": 300}}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: careful-bank}
spec:
  role: guard
  applies_to: {resources: [bank]}
  modules:
    careful.rego: |
      package chancery.authz

      decision := {"allow": true, "step_up": {"acr_values": ["phr"]}}
---`
)

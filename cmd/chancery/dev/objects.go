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
	HostID       = "mcp-host"      // an MCP host's, in whose browser people sign in
	IdPName      = "acme"
	SAMLName     = "acme-saml" // the same company, by its other protocol
	SignInID     = "chancery"  // what Chancery is called at the IdP where people sign in
	StrongSignIn = "phr"       // phishing-resistant (EAP ACR values)
)

// CompanyName is whose pages they are.
const CompanyName = "Acme (development)"

type objectValues struct {
	Company       string
	IdP, Resource string
	Secret        string // file of Chancery's secret at the IdP
	Certificate   string // PEM, by which the IdP signs SAML
}

// objects is what an administrator would write: whom to trust, for whom and for what; who the agent is; what it may reach;
// who the people are; and who gets what.
var objects = template.Must(template.New("objects").Parse(strings.TrimLeft(`
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  display_name: {{.Company}}
  passkeys: allowed
  registration:
    dcr: open
    dcr_limits: {hosts: [vscode.dev, insiders.vscode.dev], scopes: ["notes:read", "notes:write"], resources: [notes]}
    cimd: {mode: open, scopes: ["notes:read", "notes:write"], resources: [notes]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme}
spec:
  display_name: Acme
  preset: generic
  issuer: {{.IdP}}
  network: {allow_private_addresses: true}
  domains: [acme.com]
  oidc: {client_id: chancery, client_secret: {file: {{printf "%q" .Secret}}}, scopes: [openid, profile, email, groups]}
  assertions:
    profiles: [id-jag]
    algorithms: [ES256, RS256]
    clients: [notes-agent]
    resources: [notes]
    scopes: [notes:read, notes:write]
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: acme-saml}
spec:
  display_name: Acme by SAML
  preset: saml
  network: {allow_private_addresses: true}
  saml: {idp_entity_id: {{.IdP}}/metadata, sso_url: {{.IdP}}/sso, certificates: [{{printf "%q" .Certificate}}], attributes: {email: email}}
  claims: {groups: groups, groups_from: [claim]}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: mcp-host}
spec:
  display_name: MCP host
  type: public
  auth: {method: none}
  redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback", "http://localhost/oauth/callback", "http://localhost/oauth/callback/debug"]
  grant_types: [authorization_code, refresh_token]
  scopes: [notes:read, notes:write]
  resources: [notes]
---
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-agent}
spec:
  display_name: Notes agent
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"]
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
  token: {claims: [groups]} # what is lent for such a token is decided by them too
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, identities: [{idp: acme, sub: 00u1alice}, {idp: acme-saml, sub: alice}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: bob}
spec: {email: bob@acme.com, status: active, identities: [{idp: acme, sub: 00u2bob}, {idp: acme-saml, sub: bob}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: eve}
spec: {email: eve@contractor.example, status: active, identities: [{idp: acme, sub: 00u3eve}, {idp: acme-saml, sub: eve}]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [authorize, issue, refresh]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors], resource: notes, scopes: ["notes:write"]}
      - {groups: [notes-readers], resource: notes, scopes: ["notes:read"]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: github-for-readers}
spec:
  role: grant
  applies_to: {resources: [notes], actions: [vend]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors, notes-readers], resource: notes, scopes: ["profile:read"]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: strong-sign-in-to-write}
spec:
  role: guard
  applies_to: {resources: [notes], actions: [authorize, issue]}
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

package harness

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// What people sign in with, and for.
const (
	// SignInSecret is that of our client at the fake IdP, whose client_id is SignInClientID; SecretFile holds it.
	SignInClientID = "chancery"
	SignInSecret   = "chancery-at-the-idp"
	secretFile     = "idp-secret"

	// ProviderSecret is the variable that objects may refer to for our secret at a downstream service (Options.Env).
	ProviderSecret = "CHANCERY_E2E_PROVIDER_SECRET"

	// Host is a public client of the code flow, of which an answer goes to a port of loopback.
	Host         = "host"
	HostRedirect = "http://127.0.0.1/callback"
)

// SignInObjects are DefaultObjects where people sign in, and an MCP host that they use.
const SignInObjects = SignInIdP + DefaultClient + SignInHost + DefaultResource + DefaultPeople + SignInPolicy

// The parts of SignInObjects that differ.
const (
	SignInIdP = `
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec:
  preset: generic
  issuer: {{idp}}
  network: {allow_private_addresses: true}
  oidc: {client_id: chancery, client_secret: {file: {{folder}}/idp-secret}, scopes: [openid, profile, email, groups]}
  domains: [acme.com]
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
	SignInHost = `
apiVersion: chancery/v1
kind: Client
metadata: {name: host}
spec:
  display_name: Notes host
  type: public
  redirect_uris: ["http://127.0.0.1/callback"]
  grant_types: [authorization_code, refresh_token]
  scopes: [notes:read, notes:write]
  resources: [notes]
---`
	SignInPolicy = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: notes}
spec:
  role: grant
  applies_to: {resources: [notes]}
  template: group-scopes
  data:
    grants:
      - {groups: [notes-editors], resource: notes, scopes: ["notes:write"]}
      - {groups: [notes-readers], resource: notes, scopes: ["notes:read"]}
---`
)

// signInClient is ours at the fake IdP.
func (w *World) signInClient() idptest.Client {
	return idptest.Client{ID: SignInClientID, Secret: SignInSecret, RedirectURIs: []string{w.Issuer + "/federation/oidc/" + IdPName + "/callback"}}
}

// CodeRequest is an authorization request of the code flow with PKCE.
type CodeRequest struct {
	Verifier string
	State    string
	Form     url.Values
}

// NewCodeRequest asks for the notes with scope, for client Host; change what is to be otherwise.
func NewCodeRequest(scope string) CodeRequest {
	r := CodeRequest{Verifier: rand.Text() + rand.Text(), State: rand.Text()}
	challenge := sha256.Sum256([]byte(r.Verifier))
	r.Form = url.Values{
		"response_type": {"code"}, "client_id": {Host}, "redirect_uri": {HostRedirect}, "resource": {Notes}, "state": {r.State},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if scope != "" {
		r.Form.Set("scope", scope)
	}
	return r
}

// URL is the request as a browser opens it.
func (r CodeRequest) URL(issuer string) string { return issuer + "/authorize?" + r.Form.Encode() }

// Exchange is the token request for a code that came of it.
func (r CodeRequest) Exchange(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {r.Form.Get("client_id")}, "redirect_uri": {r.Form.Get("redirect_uri")},
		"code_verifier": {r.Verifier},
	}
}

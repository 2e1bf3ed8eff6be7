package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Setups are the forms that WriteSetup knows.
func Setups() []string { return []string{"chancery", "keycloak", "generic"} }

// setup is what a target must know of the suite.
type setup struct {
	Settings

	Issuer string
	Keys   string // as JSON
	Inline bool   // nothing is served: the keys go into the configuration
}

// WriteSetup writes what the target must be told before the suite can ask it
// anything. Keys that are made afresh in every run cannot be entered by hand: then
// they must be served, or kept in a file.
func WriteSetup(ctx context.Context, w io.Writer, form string, s Settings, now func() time.Time) error {
	if !slices.Contains(Setups(), form) {
		return fmt.Errorf("--print-setup: %q: one of %s is expected", form, strings.Join(Setups(), ", "))
	}
	provider, stop, err := listen(ctx, s, now)
	if err != nil {
		return err
	}
	defer stop()
	inline := s.IdP.Listen == Nothing
	if inline && s.IdP.KeyFile == "" {
		return fmt.Errorf("idp.key_file: nothing is served, so that the key must be the same in every run")
	}
	if !inline && s.IdP.URL == "" && strings.HasSuffix(s.IdP.Listen, ":0") {
		return fmt.Errorf("idp.listen: a fixed port is needed, or idp.url: the issuer must be the same in every run")
	}
	text, err := template.New(form).Funcs(template.FuncMap{"json": quoted, "join": strings.Join}).Parse(forms[form])
	if err != nil {
		return err
	}
	return text.Execute(w, setup{Settings: s, Issuer: provider.Issuer(), Keys: string(provider.Keys()), Inline: inline})
}

// quoted is a JSON value, which is a YAML value.
func quoted(value any) (string, error) {
	encoded, err := json.Marshal(value)
	return string(encoded), err
}

//nolint:gochecknoglobals // texts
var forms = map[string]string{
	"generic": `issuer             {{.Issuer}}
key set            {{if .Inline}}{{.Keys}}{{else}}{{.Issuer}}/keys{{end}}
algorithm          {{.IdP.Algorithm}}
profile            {{.Profile}}
subject            {{.Subject}}{{if .Email}}, email {{.Email}}{{end}}
audience           {{.Target}}
client             {{.Client.ID}}{{if .OtherClient.ID}} and {{.OtherClient.ID}}{{end}}, confidential, may use urn:ietf:params:oauth:grant-type:jwt-bearer
resource           {{if .Resource}}{{.Resource}}{{else}}none{{end}}
scopes             {{if .Scopes}}{{join .Scopes " "}}{{else}}none{{end}}
`,
	"chancery": `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: conformance}
spec:
  preset: generic
  issuer: {{json .Issuer}}
{{- if .Inline}}
  jwks: {inline: {{.Keys}}}
{{- else}}
  network: {allow_private_addresses: true}
{{- end}}
  assertions:
    profiles: [{{.Profile}}]
    algorithms: [{{.IdP.Algorithm}}]
    max_lifetime: 5m
    clients: [conformance{{if .OtherClient.ID}}, conformance-other{{end}}]
    resources: [conformance]
    scopes: {{json .Scopes}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: conformance}
spec:
  client_id: {{json .Client.ID}}
  auth: {method: client_secret_basic}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: {{json .Scopes}}
  resources: [conformance]
---
{{- if .OtherClient.ID}}
apiVersion: chancery/v1
kind: Client
metadata: {name: conformance-other}
spec:
  client_id: {{json .OtherClient.ID}}
  auth: {method: client_secret_basic}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: {{json .Scopes}}
  resources: [conformance]
---
{{- end}}
apiVersion: chancery/v1
kind: Resource
metadata: {name: conformance}
spec:
  uri: {{json .Resource}}
  scopes: { {{- range $i, $scope := .Scopes}}{{if $i}}, {{end}}{{json $scope}}: {}{{end -}} }
---
apiVersion: chancery/v1
kind: User
metadata: {name: conformance}
spec: {status: active, identities: [{idp: conformance, sub: {{json .Subject}}}]{{if .Email}}, email: {{json .Email}}{{end}}, groups: [conformance]}
---
apiVersion: chancery/v1
kind: Policy
metadata: {name: conformance}
spec:
  role: grant
  applies_to: {resources: [conformance], actions: [issue]}
  template: group-scopes
  data: {grants: [{groups: [conformance], resource: conformance, scopes: {{json .Scopes}}}]}
`,
	"keycloak": `{
  "identityProviders": [{
    "alias": "conformance", "providerId": "jwt-authorization-grant", "enabled": true,
    "config": {
      "issuer": {{json .Issuer}},
      "useJwksUrl": "{{not .Inline}}",
{{- if .Inline}}
      "publicKeySignatureVerifier": {{json .Keys}},
{{- else}}
      "jwksUrl": {{json (print .Issuer "/keys")}},
{{- end}}
      "jwtAuthorizationGrantEnabled": "true",
      "jwtAuthorizationGrantAssertionSignatureAlg": {{json .IdP.Algorithm}},
      "jwtAuthorizationGrantAssertionReuseAllowed": "false",
      "jwtAuthorizationGrantMaxAllowedAssertionExpiration": "300"
    }
  }],
  "clients": [
    {"clientId": {{json .Client.ID}}, "publicClient": false, "attributes": {"oauth2.jwt.authorization.grant.enabled": "true", "oauth2.jwt.authorization.grant.idp": "conformance"}}
{{- if .OtherClient.ID}},
    {"clientId": {{json .OtherClient.ID}}, "publicClient": false, "attributes": {"oauth2.jwt.authorization.grant.enabled": "true", "oauth2.jwt.authorization.grant.idp": "conformance"}}
{{- end}}
  ],
  "users": [
    {"username": "conformance", "enabled": true, {{if .Email}}"email": {{json .Email}}, {{end}}"federatedIdentities": [{"identityProvider": "conformance", "userId": {{json .Subject}}, "userName": "conformance"}]}
  ]
}
`,
}

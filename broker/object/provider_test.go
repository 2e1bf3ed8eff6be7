package object_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/vault/provider"
)

const providerDoc = `apiVersion: chancery/v1
kind: Provider
metadata: {name: github}
spec:
  manifest: github
  client_id: Iv1.acme
  client_secret: {env: GITHUB_SECRET}
  scope_map: {"repo:read": [repo], "org:read": [read:org]}
  default_scopes: ["repo:read"]
  allow: {clients: [claude], resources: [notes]}
  min_ttl: 5m
`

const ownProviderDoc = `apiVersion: chancery/v1
kind: Provider
metadata: {name: tracker}
spec:
  own_manifest:
    extends: oauth2
    authorization_url: https://{instance}.tracker.example/authorize
    token_url: https://{instance}.tracker.example/token
    connection_config: {instance: {pattern: "[a-z]+"}}
    revoke: {url: "https://{instance}.tracker.example/revoke", format: form}
  client_id: chancery
  client_secret: {env: TRACKER_SECRET}
  connection_config: {instance: acme}
  scope_map: {read: [tracker.read]}
  allow: {clients: [claude], resources: [notes]}
`

const serviceProviderDoc = `apiVersion: chancery/v1
kind: Provider
metadata: {name: drive}
spec:
  own_manifest: {extends: jwt-bearer, token_url: "https://oauth2.googleapis.com/token"}
  client_id: robot@acme.iam.gserviceaccount.com
  private_key: {file: /run/secrets/drive}
  key_id: k1
  act_as: email
  scope_map: {read: ["https://www.googleapis.com/auth/drive.readonly"]}
  allow: {clients: [claude], resources: [notes]}
`

const staticProviderDoc = `apiVersion: chancery/v1
kind: Provider
metadata: {name: billing}
spec:
  manifest: static
  scope_map: {use: []}
  allow: {clients: [claude], resources: [notes]}
`

const installedProviderDoc = `apiVersion: chancery/v1
kind: Provider
metadata: {name: robots}
spec:
  manifest: github-app
  client_id: Iv1.acme
  client_secret: {env: GITHUB_SECRET}
  private_key: {env: GITHUB_KEY}
  app_id: "12345"
  installation_id: "678"
  scope_map: {"contents:read": ["contents:read"]}
  allow: {clients: [claude], resources: [notes]}
`

func TestProvidersRefuse(t *testing.T) {
	for name, test := range map[string]struct{ doc, from, to, path, text string }{
		"no manifest":                {providerDoc, "  manifest: github\n", "", "spec.manifest", "is required: expected"},
		"an unknown manifest":        {providerDoc, "manifest: github", "manifest: githab", "spec.manifest", `did you mean "github"?`},
		"a generic manifest":         {providerDoc, "manifest: github", "manifest: oauth2", "spec.manifest", "needs authorization_url and token_url"},
		"two manifests":              {ownProviderDoc, "  client_id:", "  manifest: github\n  client_id:", "spec.own_manifest", "says extends: github"},
		"an unknown key of its own":  {ownProviderDoc, "token_url:", "token_uri:", "spec.own_manifest", `did you mean "token_url"?`},
		"an address without https":   {ownProviderDoc, "token_url: https:", "token_url: http:", "spec.own_manifest", "an address is https"},
		"a parameter of the flow":    {ownProviderDoc, "    revoke:", "    token_params: {code: x}\n    revoke:", "spec.own_manifest", "is set by the flow"},
		"an unknown base":            {ownProviderDoc, "extends: oauth2", "extends: oauth3", "spec.own_manifest", "extends"},
		"null in a manifest":         {ownProviderDoc, "format: form", "format: null", "spec.own_manifest.revoke.format", "has no value"},
		"no client id":               {providerDoc, "  client_id: Iv1.acme\n", "", "spec.client_id", "is required"},
		"no client secret":           {providerDoc, "  client_secret: {env: GITHUB_SECRET}\n", "", "spec.client_secret", "is required with client_secret_post"},
		"a secret inline":            {providerDoc, "{env: GITHUB_SECRET}", "s3cret", "spec.client_secret", "never written inline"},
		"a secret in two places":     {providerDoc, "{env: GITHUB_SECRET}", "{env: A, file: /b}", "spec.client_secret", "more than one place"},
		"no private key":             {serviceProviderDoc, "  private_key: {file: /run/secrets/drive}\n", "", "spec.private_key", "is required"},
		"an installation without it": {installedProviderDoc, "  private_key: {env: GITHUB_KEY}\n", "", "spec.private_key", "is required"},
		"an installation of none":    {installedProviderDoc, "manifest: github-app", "manifest: github", "spec.installation_id", "knows no installations"},
		"an installation's name":     {installedProviderDoc, `"678"`, `"acme/app"`, "spec.installation_id", "is no number"},
		"act as a person":            {providerDoc, "  min_ttl:", "  act_as: email\n  min_ttl:", "spec.act_as", "service accounts"},
		"act as somebody":            {serviceProviderDoc, "act_as: email", "act_as: root", "spec.act_as", "expected itself or email"},
		"an unknown config":          {ownProviderDoc, "{instance: acme}", "{instence: acme}", "spec.connection_config", `did you mean "instance"?`},
		"no config":                  {ownProviderDoc, "  connection_config: {instance: acme}\n", "", "spec.connection_config", "does not match"},
		"a config that leads away":   {ownProviderDoc, "{instance: acme}", "{instance: evil.example/x}", "spec.connection_config", "does not match"},
		"a key that is no scope":     {providerDoc, `"org:read"`, `"org read"`, "spec.scope_map", "is no scope"},
		"scopes in one text":         {providerDoc, "[repo]", `["repo user"]`, "spec.scope_map.repo:read[0]", "separates scopes"},
		"a scope twice":              {providerDoc, "[repo]", "[repo, repo]", "spec.scope_map.repo:read[1]", "listed twice"},
		"a default that is no key":   {providerDoc, `default_scopes: ["repo:read"]`, `default_scopes: ["repo:raed"]`, "spec.default_scopes[0]", `did you mean "repo:read"?`},
		"a client of no name":        {providerDoc, "[claude]", "[Claude]", "spec.allow.clients[0]", "neither a client's name"},
		"a resource of no name":      {providerDoc, "[notes]", "[https://a]", "spec.allow.resources[0]", "is no name"},
		"everyone by a star":         {providerDoc, "[claude]", `["*"]`, "spec.allow.clients[0]", "neither a client's name"},
		"life too long":              {providerDoc, "min_ttl: 5m", "min_ttl: 13h", "spec.min_ttl", "out of bounds"},
		"a domain":                   {providerDoc, "  min_ttl: 5m", "  accounts: {email_domains: [ACME.com]}", "spec.accounts.email_domains[0]", "no lower-case"},
		"a proxy with a password":    {providerDoc, "  min_ttl: 5m", "  network: {proxy: 'http://a:b@proxy'}", "spec.network.proxy", "holds a credential"},
		"an unknown member":          {providerDoc, "  min_ttl", "  minttl", "spec", `unknown field "minttl"`},
	} {
		t.Run(name, func(t *testing.T) {
			decode(t, test.doc)
			problems := problemsOf(t, decodeError(t, mutate(t, test.doc, test.from, test.to)))
			if !slices.ContainsFunc(problems, func(p object.Problem) bool {
				return p.Path == test.path && strings.Contains(p.Text, test.text)
			}) {
				t.Fatalf("nothing at %s says %q: %v", test.path, test.text, problems)
			}
		})
	}
}

func TestProviderManifests(t *testing.T) {
	for name, test := range map[string]struct {
		doc  string
		kind provider.Kind
		says string
	}{
		"one that comes with it": {providerDoc, provider.OAuth2, "github"},
		"its own":                {ownProviderDoc, provider.OAuth2, "tracker"},
		"its own, with a name":   {mutate(t, ownProviderDoc, "extends: oauth2", "name: jira\n    extends: oauth2"), provider.OAuth2, "jira"},
		"a service account":      {serviceProviderDoc, provider.JWTBearer, "drive"},
		"by hand":                {staticProviderDoc, provider.Static, "static"},
		"an installation":        {installedProviderDoc, provider.OAuth2, "github-app"},
	} {
		t.Run(name, func(t *testing.T) {
			o := decode(t, test.doc)[0]
			spec, ok := o.Spec.(*object.ProviderSpec)
			if !ok {
				t.Fatal("no Provider")
			}
			m, err := spec.ReadManifest(o.Metadata.Name)
			if err != nil || m.Kind != test.kind || m.Name != test.says {
				t.Fatalf("%s %s %v", m.Kind, m.Name, err)
			}
		})
	}
	if _, err := (&object.ProviderSpec{}).ReadManifest("x"); err == nil {
		t.Error("a provider without a manifest has one")
	}
}

func TestProviderWarnings(t *testing.T) {
	for name, test := range map[string]struct{ doc, from, to, code, path string }{
		"nobody":             {ownProviderDoc, "clients: [claude], ", "", "absent_denies", "spec.allow.clients"},
		"nowhere":            {ownProviderDoc, ", resources: [notes]", "", "absent_denies", "spec.allow.resources"},
		"nothing to ask for": {ownProviderDoc, "  scope_map: {read: [tracker.read]}\n", "", "absent_denies", "spec.scope_map"},
		"a whole credential": {ownProviderDoc, "{read: [tracker.read]}", "{read: []}", "scope_is_whole", "spec.scope_map.read"},
		"never narrowed":     {ownProviderDoc, "  scope_map", "  require_narrowed: true\n  scope_map", "never_narrowed", "spec.require_narrowed"},
		"not revocable":      {ownProviderDoc, `    revoke: {url: "https://{instance}.tracker.example/revoke", format: form}` + "\n", "", "not_revocable", "spec.manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := decode(t, test.doc)[0]
			if warnings := whole.Warnings(); len(warnings) > 0 {
				t.Fatalf("the valid one warns: %v", warnings)
			}
			o := decode(t, mutate(t, test.doc, test.from, test.to))[0]
			if warnings := o.Warnings(); !hasWarning(warnings, test.code, test.path) {
				t.Fatalf("no %s at %s: %v", test.code, test.path, warnings)
			}
		})
	}
}

// TestProvidersApply: a provider is a part of its tenant's picture, and its names are looked up as everybody's are.
func TestProvidersApply(t *testing.T) {
	h := newHouse(t)
	plan := h.apply(t, providerDoc, by("ci"))
	if actionsOf(plan) != "create Provider/github" {
		t.Fatal(actionsOf(plan))
	}
	for _, path := range []string{"spec.allow.clients", "spec.allow.resources"} {
		if !hasWarning(plan.Warnings, "reference_unknown", path) {
			t.Errorf("nobody is told that %s leads nowhere: %v", path, plan.Warnings)
		}
	}
	if !hasWarning(plan.Warnings, "secret_reference", "spec.client_secret") {
		t.Errorf("nobody is told that the secret is not read: %v", plan.Warnings)
	}
	if plan := newHouse(t).apply(t, providerDoc, by(object.ManagerConfig)); hasWarning(plan.Warnings, "secret_reference", "") {
		t.Errorf("the configuration's own reference is warned of: %v", plan.Warnings)
	}
	h.apply(t, mutate(t, providerDoc, "  manifest", "  disabled: true\n  manifest"), by("ci"))
	if last := h.store.Changes[len(h.store.Changes)-1]; !last.Narrows {
		t.Error("disabling a provider raises no version")
	}
	plan = h.apply(t, resourceDoc+"---\n"+clientDoc+"---\n"+providerDoc, by("ci"))
	if hasWarning(plan.Warnings, "reference_unknown", "") {
		t.Error(plan.Warnings)
	}
}

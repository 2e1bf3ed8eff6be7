package object_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

func TestSpecsRefuse(t *testing.T) {
	public := mutate(t, mutate(t, clientDoc, "type: confidential", "type: public"), "client_secret_basic", "none")
	private := mutate(t, mutate(t, clientDoc, "client_secret_basic", "private_key_jwt"), "jwks: {}", "jwks: "+keySet)
	for name, test := range map[string]struct{ doc, from, to, path string }{
		"idp: no issuer":                  {idpDoc, "  issuer: https://acme.okta.com\n", "", "spec.issuer"},
		"idp: http":                       {idpDoc, "https://acme.okta.com", "http://acme.okta.com", "spec.issuer"},
		"idp: query":                      {idpDoc, "https://acme.okta.com", "https://acme.okta.com?a=b", "spec.issuer"},
		"idp: empty query":                {idpDoc, "https://acme.okta.com", "https://acme.okta.com?", "spec.issuer"},
		"idp: fragment":                   {idpDoc, "https://acme.okta.com", "https://acme.okta.com#a", "spec.issuer"},
		"idp: user":                       {idpDoc, "https://acme.okta.com", "https://a@acme.okta.com", "spec.issuer"},
		"idp: upper-case host":            {idpDoc, "https://acme.okta.com", "https://Acme.okta.com", "spec.issuer"},
		"idp: every tenant of Entra":      {idpDoc, "https://acme.okta.com", "https://login.microsoftonline.com/common/v2.0", "spec.issuer"},
		"idp: placeholder":                {idpDoc, "https://acme.okta.com", "https://login.microsoftonline.com/{tenantid}/v2.0", "spec.issuer"},
		"idp: tokens of preset saml":      {idpDoc, "preset: okta", "preset: saml", "spec.assertions.profiles"},
		"idp: unknown preset":             {idpDoc, "preset: okta", "preset: octa", "spec.preset"},
		"idp: symmetric algorithm":        {idpDoc, "[RS256, ES256]", "[RS256, HS256]", "spec.assertions.algorithms[1]"},
		"idp: no algorithm":               {idpDoc, "[RS256, ES256]", "[none]", "spec.assertions.algorithms[0]"},
		"idp: algorithms emptied":         {idpDoc, "[RS256, ES256]", "[]", "spec.assertions.algorithms"},
		"idp: match emptied":              {idpDoc, "[sub_id, aud_sub, sub]", "[]", "spec.subject.match"},
		"idp: groups from nowhere":        {idpDoc, "groups_from: [claim, directory]", "groups_from: []", "spec.claims.groups_from"},
		"idp: skew above 60 s":            {idpDoc, "clock_skew: 30s", "clock_skew: 61s", "spec.assertions.clock_skew"},
		"idp: lifetime above an hour":     {idpDoc, "max_lifetime: 5m", "max_lifetime: 61m", "spec.assertions.max_lifetime"},
		"idp: lifetime of a second":       {idpDoc, "max_lifetime: 5m", "max_lifetime: 1s", "spec.assertions.max_lifetime"},
		"idp: two meanings":               {idpDoc, "[id-jag]", "[jwt-bearer, workload]", "spec.assertions.profiles"},
		"idp: unknown profile":            {idpDoc, "[id-jag]", "[idjag]", "spec.assertions.profiles[0]"},
		"idp: client twice":               {idpDoc, "clients: [claude]", "clients: [claude, claude]", "spec.assertions.clients[1]"},
		"idp: client of no name":          {idpDoc, "clients: [claude]", `clients: ["*"]`, "spec.assertions.clients[0]"},
		"idp: scope with a space":         {idpDoc, "[notes:read, notes:write]", `["notes:read notes:write"]`, "spec.assertions.scopes[0]"},
		"idp: email without domains":      {idpDoc, "[sub_id, aud_sub, sub]", "[sub, email]", "spec.subject.email_domains"},
		"idp: unknown match":              {idpDoc, "[sub_id, aud_sub, sub]", "[sub, upn]", "spec.subject.match[1]"},
		"idp: domain in upper case":       {idpDoc, "email_domains: []", "email_domains: [Acme.com]", "spec.subject.email_domains[0]"},
		"idp: inline keys without a key":  {idpDoc, "{keys: []}", "{keys: [{kty: oct, k: c2VjcmV0}]}", "spec.jwks.inline"},
		"idp: inline keys of no list":     {idpDoc, "{keys: []}", "{keys: x}", "spec.jwks.inline"},
		"idp: both keys":                  {idpDoc, `uri: "", inline: {keys: []}`, "uri: https://a.com/jwks, inline: " + keySet, "spec.jwks"},
		"idp: end of no keys":             {idpDoc, `not_after: ""`, "not_after: 2030-01-01T00:00:00Z", "spec.jwks.not_after"},
		"idp: end of no time":             {idpDoc, `not_after: ""`, "not_after: soon", "spec.jwks.not_after"},
		"idp: bundle by relative path":    {idpDoc, `ca_bundle: ""`, "ca_bundle: ca.pem", "spec.network.ca_bundle"},
		"idp: bundle that is none":        {idpDoc, `ca_bundle: ""`, `ca_bundle: "-----BEGIN CERTIFICATE-----"`, "spec.network.ca_bundle"},
		"idp: proxy of no URL":            {idpDoc, `proxy: ""`, "proxy: proxy.acme.com", "spec.network.proxy"},
		"idp: proxy with a credential":    {idpDoc, `proxy: ""`, "proxy: http://u:p@proxy.acme.com", "spec.network.proxy"},
		"idp: reuse":                      {idpDoc, "single_use", "always", "spec.assertions.reuse"},
		"idp: error profile":              {idpDoc, "ema-04", "ema-05", "spec.assertions.error_profile"},
		"idp: IdP-side tenant with break": {idpDoc, "tenants: []", `tenants: ["a\nb"]`, "spec.assertions.tenants[0]"},

		"client: no method":               {clientDoc, "method: client_secret_basic, ", "", "spec.auth.method"},
		"client: unknown method":          {clientDoc, "client_secret_basic", "client_secret_jwt", "spec.auth.method"},
		"client: none, and confidential":  {clientDoc, "client_secret_basic", "none", "spec.auth.method"},
		"client: private_key_jwt, no key": {clientDoc, "client_secret_basic", "private_key_jwt", "spec.auth"},
		"client: both keys":               {private, `jwks_uri: ""`, "jwks_uri: https://a.com/jwks", "spec.auth"},
		"client: jwks_uri by http":        {clientDoc, `jwks_uri: ""`, "jwks_uri: http://a.com/jwks", "spec.auth.jwks_uri"},
		"client: secret of a key client":  {private, "secret: {}", "secret: {env: A}", "spec.auth.secret"},
		"client: public with a secret":    {public, "secret: {}", "secret: {env: A}", "spec.auth.secret"},
		"client: public with a method":    {public, "method: none", "method: client_secret_basic", "spec.auth.method"},
		"client: secret by relative path": {clientDoc, "secret: {}", "secret: {file: secret}", "spec.auth.secret.file"},
		"client: secret of no variable":   {clientDoc, "secret: {}", `secret: {env: "A B"}`, "spec.auth.secret.env"},
		"client: wildcard redirect":       {clientDoc, "redirect_uris: []", `redirect_uris: ["https://*.acme.com/cb"]`, "spec.redirect_uris[0]"},
		"client: unknown grant":           {clientDoc, "grant-type:jwt-bearer", "grant-type:jwt", "spec.grant_types[0]"},
		"client: id with a space":         {clientDoc, "display_name: Claude", `client_id: "a b"`, "spec.client_id"},
		"client: id by http":              {clientDoc, "display_name: Claude", "client_id: http://a.com/c", "spec.client_id"},
		"client: dpop":                    {clientDoc, "dpop: optional", "dpop: always", "spec.dpop"},
		"client: expiry":                  {clientDoc, "display_name: Claude", "expires_at: tomorrow", "spec.expires_at"},
		"client: depth":                   {clientDoc, "display_name: Claude", "exchange: {max_depth: 5}", "spec.exchange.max_depth"},

		"client: id of a user":           {clientDoc, "display_name: Claude", "client_id: usr_01J", "spec.client_id"},
		"client: id of a user, folded":   {clientDoc, "display_name: Claude", "client_id: Usr_01J", "spec.client_id"},
		"client: public, for itself":     {public, `"urn:ietf:params:oauth:grant-type:jwt-bearer"`, "client_credentials", "spec.grant_types"},
		"client: workload with keys":     {workloadClientDoc, "{method: workload}", "{method: workload, jwks_uri: https://a.com/jwks}", "spec.auth"},
		"client: workload, secret":       {workloadClientDoc, "{method: workload}", "{method: workload, secret: {env: A}}", "spec.auth"},
		"client: workload with audience": {workloadClientDoc, "{method: workload}", "{method: workload, audience: issuer}", "spec.auth"},
		"client: workload, public":       {workloadClientDoc, "type: confidential", "type: public", "spec.auth.method"},
		"client: workload, for itself":   {workloadClientDoc, `"urn:ietf:params:oauth:grant-type:jwt-bearer"`, "client_credentials", "spec.grant_types[0]"},

		"resource: no uri":               {resourceDoc, "  uri: https://mcp.acme.com/notes\n", "", "spec.uri"},
		"resource: http":                 {resourceDoc, "https://mcp", "http://mcp", "spec.uri"},
		"resource: fragment":             {resourceDoc, "/notes\n", "/notes#a\n", "spec.uri"},
		"resource: relative":             {resourceDoc, "https://mcp.acme.com/notes", "/notes", "spec.uri"},
		"resource: scope with a quote":   {resourceDoc, `"notes:read": {`, `'notes"read': {`, "spec.scopes"},
		"resource: implies the unknown":  {resourceDoc, `["notes:read"]`, `["notes:raed"]`, "spec.scopes.notes:write.implies[0]"},
		"resource: implies in a ring":    {resourceDoc, "{risk: low,", `{risk: low, implies: ["notes:write"],`, "spec.scopes.notes:read.implies"},
		"resource: default unknown":      {resourceDoc, "default_scopes: [notes:read]", "default_scopes: [notes]", "spec.default_scopes[0]"},
		"resource: lifetime of a week":   {resourceDoc, "lifetime: 10m", "lifetime: 168h", "spec.token.lifetime"},
		"resource: lifetime of a second": {resourceDoc, "lifetime: 10m", "lifetime: 1s", "spec.token.lifetime"},
		"resource: algorithm":            {resourceDoc, "algorithm: ES256", "algorithm: HS256", "spec.token.algorithm"},
		"resource: claim of our own":     {resourceDoc, "claims: []", "claims: [aud]", "spec.token.claims[0]"},

		"user: address":           {userDoc, "alice@acme.com", "alice", "spec.email"},
		"user: status":            {userDoc, "status: active", "status: blocked", "spec.status"},
		"user: identity, no IdP":  {userDoc, "{idp: okta, sub", "{sub", "spec.identities[0].idp"},
		"user: identity, nothing": {userDoc, `sub: 00u1alice`, `sub: ""`, "spec.identities[0]"},
		"user: identity twice":    {userDoc, "identities: [", `identities: [{idp: okta, sub: 00u1alice}, `, "spec.identities[1]"},
		"user: sub_id, no format": {userDoc, "sub_id: {}", "sub_id: {id: x}", "spec.identities[0].sub_id"},

		"policy: no role":           {policyDoc, "  role: grant\n", "", "spec.role"},
		"policy: grant for all":     {policyDoc, "role: grant", "role: grant\n  binds: all", "spec.binds"},
		"policy: nothing":           {policyDoc, "  template: group-scopes\n", "", "spec"},
		"policy: both":              {policyDoc, "template: group-scopes", "template: group-scopes\n  modules: {a.rego: package chancery.authz}", "spec"},
		"policy: asked never":       {policyDoc, "resources: [notes]", "resources: []", "spec.applies_to.resources"},
		"policy: unknown action":    {policyDoc, "actions: [issue]", "actions: [isue]", "spec.applies_to.actions[0]"},
		"policy: file of no Rego":   {policyDoc, "template: group-scopes", "modules: {a.txt: package chancery.authz}", "spec.modules"},
		"policy: package elsewhere": {policyDoc, "template: group-scopes", "modules: {a.rego: package system.authz}", "spec.modules.a.rego"},
		"policy: a test's package":  {policyDoc, "template: group-scopes", "modules: {a.rego: package chancery.authz_test}", "spec.modules.a.rego"},
		"policy: tests elsewhere":   {policyDoc, "template: group-scopes", "template: group-scopes\n  tests: {a_test.rego: package chancery.authz_tests}", "spec.tests.a_test.rego"},
		"policy: package beside":    {policyDoc, "template: group-scopes", "modules: {a.rego: package chancery.authzx}", "spec.modules.a.rego"},

		"tenant: zone":       {tenantDoc, "Europe/Berlin", "Europe/Bärlin", "spec.timezone"},
		"tenant: local zone": {tenantDoc, "Europe/Berlin", "Local", "spec.timezone"},
		"tenant: status":     {tenantDoc, "status: active", "status: on", "spec.status"},
		"tenant: assertions": {tenantDoc, "public_client_assertions: none", "public_client_assertions: all", "spec.public_client_assertions"},
		"tenant: dcr":        {tenantDoc, `dcr: "off"`, "dcr: always", "spec.registration.dcr"},
		"tenant: cimd":       {tenantDoc, "mode: registered", "mode: any", "spec.registration.cimd.mode"},
		"tenant: of another": {tenantDoc, "{name: acme}", "{name: acme, tenant: default}", "metadata.tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			decode(t, test.doc) // valid before
			err := decodeError(t, mutate(t, test.doc, test.from, test.to))
			if !strings.Contains(err.Error(), ": "+test.path+": ") {
				t.Fatalf("it says %q, not where: %s", err, test.path)
			}
		})
	}
}

func TestGuardForAllIsForTheDefaultTenantOnly(t *testing.T) {
	guard := mutate(t, policyDoc, "role: grant", "role: guard\n  binds: all")
	decode(t, guard)
	if err := decodeError(t, mutate(t, guard, "{name: notes}", "{name: notes, tenant: acme}")); !strings.Contains(err.Error(), "spec.binds") {
		t.Fatal(err)
	}
}

func TestSpecsWarn(t *testing.T) {
	for name, test := range map[string]struct{ doc, from, to, code, path string }{
		"okta's custom server":   {idpDoc, "acme.okta.com", "acme.okta.com/oauth2/default", "okta_custom_as", "spec.issuer"},
		"keycloak without realm": {idpDoc, "preset: okta", "preset: keycloak", "keycloak_realm", "spec.issuer"},
		"a trailing slash":       {idpDoc, "acme.okta.com", "acme.okta.com/", "iss_mismatch", "spec.issuer"},
		"no clients":             {idpDoc, "clients: [claude]", "clients: []", "absent_denies", "spec.assertions.clients"},
		"no resources":           {idpDoc, "resources: [notes]", "resources: []", "absent_denies", "spec.assertions.resources"},
		"fetching groups":        {idpDoc, "groups_overage: deny", "groups_overage: fetch", "not_served", "spec.claims.groups_overage"},
		"TLS authentication":     {clientDoc, "client_secret_basic", "tls_client_auth", "not_served", "spec.auth.method"},
		"a client of no scope":   {clientDoc, "scopes: [notes:read, notes:write]", "scopes: []", "absent_denies", "spec.scopes"},
	} {
		t.Run(name, func(t *testing.T) {
			o := decode(t, mutate(t, test.doc, test.from, test.to))[0]
			if !hasWarning(o.Warnings(), test.code, test.path) {
				t.Fatalf("no warning %s at %s: %v", test.code, test.path, o.Warnings())
			}
		})
	}
	for _, o := range decode(t, allDocs()+"---\n"+tenantDoc) {
		if w := o.Warnings(); len(w) > 0 {
			t.Errorf("%s: %v", o.Label(), w)
		}
	}
}

func TestKeysAreUnambiguous(t *testing.T) {
	pairs := [][2]string{
		{object.IdentityKey("a", "b", "c"), object.IdentityKey("a", "", "bc")},
		{object.IdentityKey("a", "b|c", ""), object.IdentityKey("a", "b", "c")},
		{object.IdentityKey("a", `","`, ""), object.IdentityKey("a", "", `","`)},
	}
	for _, p := range pairs {
		if p[0] == p[1] {
			t.Errorf("%s is two things", p[0])
		}
	}
	keys := func(doc string) []object.Key { return decode(t, doc)[0].Spec.Keys() }
	same := keys(mutate(t, resourceDoc, "https://mcp.acme.com/", "https://MCP.acme.com:443/"))
	if same[0] != keys(resourceDoc)[0] {
		t.Errorf("one resource, two keys: %v", same)
	}
	upper := keys(mutate(t, userDoc, "alice@acme.com", "Alice@ACME.com"))
	if len(upper) != 1 || upper[0] != keys(userDoc)[0] || upper[0].Exclusive {
		t.Errorf("addresses: %v", upper)
	}
	links := func(doc string) []object.Key {
		u, ok := decode(t, doc)[0].Spec.(*object.UserSpec)
		if !ok {
			t.Fatal("no user")
		}
		return u.Links(func(idp string) (string, bool) { return object.Link("idp_1", "https://"+idp), true })
	}
	old := links(mutate(t, userDoc, "sub_id: {}", "sub_id: {format: saml_nameid, issuer: a, nameid: b}"))
	now := links(mutate(t, userDoc, "sub_id: {}", "sub_id: {nameid: b, format: saml-nameid, issuer: a}"))
	if len(now) != 2 || old[1] != now[1] {
		t.Errorf("both spellings are one: %v %v", old, now)
	}
}

func TestLinks(t *testing.T) {
	link := object.Link("idp_1", "https://a.com")
	for name, other := range map[string]string{
		"another IdP":    object.Link("idp_2", "https://a.com"),
		"another issuer": object.Link("idp_1", "https://b.com"),
	} {
		if other == link {
			t.Errorf("%s: the same link", name)
		}
	}
	for _, k := range []object.Key{
		{Space: object.SpaceIdentity, Value: object.IdentityKey(link, "", "00u1")}, {Space: object.SpaceSubID, Value: object.SubIDKey(link, "t", "{}")},
	} {
		if got, ok := object.LinkOf(k); !ok || got != link {
			t.Errorf("%v: %q %v", k, got, ok)
		}
	}
	for _, k := range []object.Key{
		{Space: object.SpaceEmail, Value: object.IdentityKey(link, "", "00u1")}, {Space: object.SpaceIdentity, Value: "x"}, {Space: object.SpaceIdentity, Value: `["a"]`}, {},
	} {
		if got, ok := object.LinkOf(k); ok {
			t.Errorf("%v links to %q", k, got)
		}
	}
	user := &object.UserSpec{Identities: []object.Identity{{IdP: "okta", Sub: "00u1"}}}
	if keys := user.Links(func(string) (string, bool) { return "", false }); len(keys) != 0 {
		t.Errorf("an IdP that is not there gives %v", keys)
	}
}

func TestPresetsFillWhatIsAbsent(t *testing.T) {
	spec := &object.IdentityProviderSpec{Issuer: "https://a.com"}
	filled := spec.WithDefaults()
	if filled.Preset != "generic" || filled.Assertions.MaxLifetime.String() != "5m" || filled.Assertions.ClockSkew.String() != "30s" ||
		filled.Subject.Provision != "never" || filled.Claims.Groups != "groups" || filled.Assertions.Reuse != "single_use" {
		t.Fatalf("%+v", filled)
	}
	if filled.Assertions.Clients != nil || filled.Assertions.Resources != nil || filled.Assertions.Scopes != nil || filled.Assertions.Profiles != nil {
		t.Fatal("a default allows something")
	}
}

// TestPolicyTestsBesideThePolicy: Rego's tests customarily live in the package with _test behind its name.
func TestPolicyTestsBesideThePolicy(t *testing.T) {
	for _, name := range []string{"chancery.authz", "chancery.authz_test", "chancery.authz.tests"} {
		text := strings.Replace(policyDoc, "template: group-scopes", "template: group-scopes\n  tests: {a_test.rego: package "+name+"}", 1)
		if _, err := object.Decode(strings.NewReader(text), object.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPerson: what the product reads of a user's attributes has one form; another one never reads as absent.
func TestPerson(t *testing.T) {
	user := &object.UserSpec{Attributes: map[string]any{"guest": true, "kind": "service", "home_tenant": "partner", "roles": []any{"admin"}, "team": 7}}
	p, err := user.Person()
	if err != nil || !p.Guest || p.Kind != "service" || p.HomeTenant != "partner" || len(p.Roles) != 1 || p.Roles[0] != "admin" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, attributes := range []string{"guest: yes please", "guest: 1", `guest: "true"`, "kind: 7", "home_tenant: [a]", "roles: admin", "roles: [1]"} {
		text := strings.Replace(userDoc, "attributes: {floor: 3, none: null}", "attributes: {"+attributes+"}", 1)
		if _, err := object.Decode(strings.NewReader(text), object.Options{}); err == nil || !strings.Contains(err.Error(), "spec.attributes") {
			t.Errorf("%s: %v", attributes, err)
		}
	}
}

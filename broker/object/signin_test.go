package object_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
)

func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block writes a text as a YAML block, n spaces in.
func block(text string, n int) string {
	var b strings.Builder
	b.WriteString("|\n")
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		b.WriteString(strings.Repeat(" ", n) + line + "\n")
	}
	return b.String()
}

const openIDDoc = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: kc}
spec:
  display_name: Acme
  preset: generic
  issuer: https://sso.acme.com/realms/acme
  oidc:
    client_id: chancery
    client_secret: {env: KC_SECRET}
    auth_method: client_secret_post
    scopes: [openid, email]
    algorithms: [RS256]
    userinfo: true
    return_after_logout: true
  domains: [acme.com]
`

func samlDoc(t *testing.T) string {
	t.Helper()
	return `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: adfs}
spec:
  preset: generic
  saml:
    idp_entity_id: https://idp.acme.example/saml
    metadata: ` + block(file(t, "idp-metadata.xml"), 6) + `    sign_requests: true
    name_id_format: urn:oasis:names:tc:SAML:2.0:nameid-format:persistent
    attributes: {email: mail}
    acr: {"urn:x:mfa": phr}
  domains: [acme.com]
`
}

func pinnedDoc(t *testing.T) string {
	t.Helper()
	return presetDoc(t, "saml")
}

const googleDoc = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: google}
spec:
  preset: google
  issuer: https://accounts.google.com
  oidc: {client_id: chancery, client_secret: {env: G}}
  domains: [acme.com]
`

func TestSignInRefused(t *testing.T) {
	saml, pinned := samlDoc(t), pinnedDoc(t)
	weak := "      - " + block(file(t, "weak.pem"), 8)
	for name, test := range map[string]struct{ doc, from, to, path, text string }{
		"method":                    {openIDDoc, "client_secret_post", "client_secret_jwt", "spec.oidc.auth_method", "unknown value \"client_secret_jwt\": expected client_secret_basic, client_secret_post or private_key_jwt"},
		"no secret":                 {openIDDoc, "    client_secret: {env: KC_SECRET}\n", "", "spec.oidc.client_secret", "is required: expected {env: NAME} or {file: PATH}, or auth_method: private_key_jwt"},
		"key and secret":            {openIDDoc, "client_secret_post", "private_key_jwt", "spec.oidc.client_secret", "with private_key_jwt our key is the proof"},
		"inline secret":             {openIDDoc, "{env: KC_SECRET}", "hunter2", "", "a secret is never written inline"},
		"secret in Vault":           {openIDDoc, "{env: KC_SECRET}", "{vault: a#b}", "spec.oidc.client_secret.vault", "is not MOUNT/PATH#KEY"},
		"two places":                {openIDDoc, "{env: KC_SECRET}", "{env: A, file: /a}", "spec.oidc.client_secret", "names more than one place"},
		"no openid":                 {openIDDoc, "[openid, email]", "[email]", "spec.oidc.scopes", "lacks openid"},
		"no scopes":                 {openIDDoc, "[openid, email]", "[]", "spec.oidc.scopes", "is empty"},
		"scope twice":               {openIDDoc, "[openid, email]", "[openid, openid]", "spec.oidc.scopes[1]", "listed twice"},
		"no algorithms":             {openIDDoc, "[RS256]", "[]", "spec.oidc.algorithms", "is empty"},
		"symmetric":                 {openIDDoc, "[RS256]", "[HS256]", "spec.oidc.algorithms[0]", "is unknown"},
		"hosted domains, no claim":  {openIDDoc, "    userinfo: true", "    hosted_domains: [acme.com]", "spec.oidc.hosted_domains", "does not say in a claim whose account it is"},
		"overage by http":           {openIDDoc, "    userinfo: true", "    overage_endpoint: http://graph.acme.com/x", "spec.oidc.overage_endpoint", "http is for loopback only"},
		"overage nowhere":           {openIDDoc, "  domains:", "  claims: {groups_overage: fetch}\n  domains:", "spec.oidc.overage_endpoint", "is required with groups_overage: fetch"},
		"overage, no claim":         {openIDDoc, "    return_after_logout: true\n", "    overage_endpoint: https://a.com/g\n  claims: {groups_overage: fetch, groups_from: [directory]}\n", "spec.claims.groups_overage", "fetch needs claim among groups_from"},
		"no issuer":                 {openIDDoc, "  issuer: https://sso.acme.com/realms/acme\n", "", "spec.issuer", "is required"},
		"both":                      {openIDDoc, "  domains:", "  saml: {idp_entity_id: a, metadata_url: https://a.com/m}\n  domains:", "spec.saml", "make two IdentityProviders"},
		"platform":                  {openIDDoc, "preset: generic", "preset: kubernetes", "spec.preset", "people do not sign in at kubernetes"},
		"preset saml":               {openIDDoc, "preset: generic", "preset: saml", "spec.oidc", "speaks SAML alone"},
		"domain in upper case":      {openIDDoc, "[acme.com]", "[Acme.com]", "spec.domains[0]", "expected acme.com"},
		"domain of other letters":   {openIDDoc, "[acme.com]", "[bücher.de]", "spec.domains[0]", "expected xn--bcher-kva.de"},
		"domain of wide letters":    {openIDDoc, "[acme.com]", "[ａcme.com]", "spec.domains[0]", "expected acme.com"},
		"domain with a dot behind":  {openIDDoc, "[acme.com]", "[acme.com.]", "spec.domains[0]", "is no lower-case mail domain"},
		"domain of one label":       {openIDDoc, "[acme.com]", "[acme]", "spec.domains[0]", "is no lower-case mail domain"},
		"domain, an address":        {openIDDoc, "[acme.com]", `["a@acme.com"]`, "spec.domains[0]", "is no lower-case mail domain"},
		"domain twice":              {openIDDoc, "[acme.com]", "[acme.com, acme.com]", "spec.domains[1]", "listed twice"},
		"google without domains":    {googleDoc, "  domains: [acme.com]\n", "", "spec.oidc.hosted_domains", "anybody in the world has an account at https://accounts.google.com"},
		"google, domain in capital": {googleDoc, "client_id: chancery,", "client_id: chancery, hosted_domains: [Acme.com],", "spec.oidc.hosted_domains[0]", "is no lower-case mail domain"},

		"metadata of no XML":      {saml, "<EntityDescriptor", "EntityDescriptor", "spec.saml.metadata", "expected one plain XML document"},
		"metadata of another":     {saml, "idp_entity_id: https://idp.acme.example/saml", "idp_entity_id: https://other.example/saml", "spec.saml.metadata", "expected one IdP"},
		"metadata with a DOCTYPE": {saml, "<EntityDescriptor", "<!DOCTYPE a><EntityDescriptor", "spec.saml.metadata", "without comments"},
		"javascript endpoint":     {saml, `Location="https://idp.acme.example/sso"`, `Location="javascript:alert(1)"`, "spec.saml.metadata", "expected an https URL"},
		"http endpoint":           {saml, `Location="https://idp.acme.example/sso"`, `Location="http://idp.acme.example/sso"`, "spec.saml.metadata", "expected an https URL"},
		"metadata twice":          {saml, "    sign_requests: true", "    metadata_url: https://idp.acme.example/m", "spec.saml", "names both metadata and metadata_url"},
		"metadata by http":        {pinned, "    sso_url: https://idp", "    metadata_url: http://idp.acme.example/m\n    sso_url: https://idp", "spec.saml.metadata_url", "http is for loopback only"},
		"endpoint beside it":      {saml, "    sign_requests: true", "    sso_url: https://idp.acme.example/sso", "spec.saml.sso_url", "leave sso_url and slo_url out"},
		"pinned beside it":        {pinned, "    sso_url: https://idp", "    metadata_url: https://idp.acme.example/m\n    sso_url: https://idp", "spec.saml.certificates", "expected one of them"},
		"no entity id":            {pinned, "    idp_entity_id: https://idp.acme.example/saml\n", "", "spec.saml.idp_entity_id", "is required"},
		"entity id with a space":  {pinned, "https://idp.acme.example/saml", `"https://idp.acme.example/sa ml"`, "spec.saml.idp_entity_id", "printable ASCII"},
		"entity id of many":       {pinned, "https://idp.acme.example/saml", "https://sts.windows.net/common/", "spec.saml.idp_entity_id", "every tenant of Entra"},
		"our id is theirs":        {pinned, "    sso_url: https://idp", "    sp_entity_id: https://idp.acme.example/saml\n    sso_url: https://idp", "spec.saml.sp_entity_id", "is the IdP's own"},
		"sso by http":             {pinned, "sso_url: https", "sso_url: http", "spec.saml.sso_url", "http is for loopback only"},
		"sso by http, loopback":   {pinned, "sso_url: https://idp.acme.example", "sso_url: http://127.0.0.1:9000", "spec.saml.sso_url", "network.allow_private_addresses"},
		"slo of no URL":           {pinned, "slo_url: https://idp.acme.example/slo", "slo_url: /slo", "spec.saml.slo_url", "is no absolute URL"},
		"certificate of no PEM":   {pinned, "      - |\n", "      - hello\n      - |\n", "spec.saml.certificates[0]", "is no PEM text of one certificate"},
		"weak certificate":        {pinned, "    certificates:\n", "    certificates:\n" + weak, "spec.saml.certificates", "too weak"},
		"signers of no metadata":  {pinned, "    sso_url: https", "    metadata_certificates:\n      - " + block(file(t, "idp.pem"), 8) + "    sso_url: https", "spec.saml.metadata_certificates", "there is none"},
		"transient":               {saml, "name_id_format: urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "name_id_format: urn:oasis:names:tc:SAML:2.0:nameid-format:transient", "spec.saml.name_id_format", "keys no account"},
		"tenant without a list":   {saml, "{email: mail}", "{tenant: t}", "spec.saml.attributes.tenant", "assertions.tenants lists none"},
		"acr with a space":        {saml, `"urn:x:mfa": phr`, `"urn:x:mfa": phr phrh`, "spec.saml.acr.urn:x:mfa", "is no acr value"},
		"acr of no class":         {saml, `"urn:x:mfa": phr`, `"": phr`, "spec.saml.acr", "is empty"},
		"tokens without issuer":   {pinned, "preset: saml", "preset: generic\n  assertions: {profiles: [id-jag]}\n  x:", "", ""},
		"tokens of preset saml":   {pinned, "profiles: [saml2-bearer]", "profiles: [saml2-bearer, id-jag]", "spec.assertions.profiles", "issues no tokens"},
		"keys of preset saml":     {pinned, "preset: saml", "preset: saml\n  jwks: {uri: https://idp.acme.example/jwks}", "spec.jwks", "issues tokens"},
		"entity id as an issuer":  {saml, "  domains:", "  assertions: {profiles: [id-jag]}\n  domains:", "spec.issuer", "an entity ID is no issuer"},
		"display name of two":     {openIDDoc, "display_name: Acme", `display_name: "A\nB"`, "spec.display_name", "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			decode(t, test.doc)
			problems := problemsOf(t, decodeError(t, mutate(t, test.doc, test.from, test.to)))
			if test.path == "" && test.text == "" {
				return
			}
			if !slices.ContainsFunc(problems, func(p object.Problem) bool {
				return (test.path == "" || p.Path == test.path) && strings.Contains(p.Text, test.text)
			}) {
				t.Fatalf("not %s: %s, but %v", test.path, test.text, problems)
			}
		})
	}
}

func TestSignInWarned(t *testing.T) {
	pinned := pinnedDoc(t)
	for name, test := range map[string]struct{ doc, from, to, code, path string }{
		"no client id":   {openIDDoc, "    client_id: chancery\n", "", "absent_denies", "spec.oidc.client_id"},
		"no metadata":    {openIDDoc, "  domains:", "  saml: {idp_initiated: true}\n  domains:", "absent_denies", "spec.saml"},
		"domains alone":  {openIDDoc, "    client_id: chancery\n", "", "absent_denies", "spec.domains"},
		"no sso url":     {pinned, "    sso_url: https://idp.acme.example/sso\n", "", "absent_denies", "spec.saml.sso_url"},
		"bearer, no key": {idpDoc, "[id-jag]", "[id-jag, saml2-bearer]", "absent_denies", "spec.saml"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := idpOf(t, mutate(t, test.doc, test.from, test.to))
			if !hasWarning(spec.Warnings(), test.code, test.path) {
				t.Fatalf("%v", spec.Warnings())
			}
		})
	}
	for name, doc := range map[string]string{"oidc": openIDDoc, "saml": samlDoc(t), "google": googleDoc} {
		if w := idpOf(t, doc).Warnings(); len(w) > 0 {
			t.Errorf("%s: %v", name, w)
		}
	}
}

// An entry says its entity ID by its metadata, and the entity ID stands for an issuer in links alone.
func TestEntityIDs(t *testing.T) {
	spec := idpOf(t, mutate(t, samlDoc(t), "    idp_entity_id: https://idp.acme.example/saml\n", ""))
	if spec.SAML.IDPEntityID != "https://idp.acme.example/saml" || !spec.SpeaksSAMLAlone() || spec.Issuer != "" {
		t.Fatalf("%+v", spec.SAML)
	}
	if got := spec.WithDefaults().Issuer; got != "https://idp.acme.example/saml" {
		t.Errorf("the link's issuer is %q", got)
	}
	for _, key := range spec.Keys() {
		if key.Space == object.SpaceIssuer {
			t.Errorf("an entity ID is kept as an issuer: %v", key)
		}
	}
	both := idpOf(t, mutate(t, samlDoc(t), "  preset: generic", "  preset: okta\n  issuer: https://acme.okta.com"))
	if both.SpeaksSAMLAlone() || both.WithDefaults().Issuer != "https://acme.okta.com" || both.EntityID() != "https://idp.acme.example/saml" {
		t.Errorf("%+v", both)
	}
	named := idpOf(t, `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: a}, spec: {preset: saml, issuer: "urn:acme:idp", saml: {metadata_url: "https://a.com/m"}}}`)
	if !named.SpeaksSAMLAlone() || named.EntityID() != "urn:acme:idp" {
		t.Errorf("%+v", named)
	}
}

func TestSignInDefaults(t *testing.T) {
	minimal := func(preset, issuer, more string) *object.IdentityProviderSpec {
		return idpOf(t, `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: a}, spec: {preset: `+preset+`, issuer: "`+issuer+
			`", oidc: {client_id: c, client_secret: {env: S}`+more+`}, domains: [acme.com]}}`).WithDefaults()
	}
	okta := minimal("okta", "https://acme.okta.com", "").OIDC
	if strings.Join(okta.Scopes, " ") != "openid profile email groups" || okta.AuthMethod != "client_secret_basic" || !*okta.Userinfo || len(okta.HostedDomains) > 0 {
		t.Errorf("okta: %+v", okta)
	}
	if custom := minimal("okta", "https://acme.okta.com/oauth2/default", "").OIDC; slices.Contains(custom.Scopes, "groups") {
		t.Errorf("a custom server is asked for groups: %v", custom.Scopes)
	}
	if google := minimal("google", "https://accounts.google.com", "").OIDC; strings.Join(google.HostedDomains, " ") != "acme.com" {
		t.Errorf("google: %v", google.HostedDomains)
	}
	if google := minimal("google", "https://accounts.google.com", ", hosted_domains: [acme.de]").OIDC; strings.Join(google.HostedDomains, " ") != "acme.de" {
		t.Errorf("google, said: %v", google.HostedDomains)
	}
	gov := minimal("entra", "https://login.microsoftonline.us/"+directory+"/v2.0", "").OIDC
	if gov.OverageEndpoint != "https://graph.microsoft.us/v1.0/me/getMemberGroups" || strings.Join(gov.Algorithms, " ") != "RS256" {
		t.Errorf("entra: %+v", gov)
	}
	entra := idpOf(t, `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: a}, spec: {preset: entra, saml: {idp_entity_id: "https://sts.windows.net/`+
		directory+`/", metadata_url: "https://login.microsoftonline.com/x"}}}`)
	filled := entra.WithDefaults()
	if filled.SAML.Attributes.Subject != "http://schemas.microsoft.com/identity/claims/objectidentifier" || !*filled.SAML.SignRequests ||
		filled.Claims.Groups != "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups" || filled.Dialect().Tenant != directory {
		t.Errorf("entra by SAML: %+v %+v", filled.SAML, filled.Claims)
	}
}

// What is written, exported and applied again is the same.
func TestSignInRoundTrip(t *testing.T) {
	h := newHouse(t)
	h.ref["env:KC_SECRET"] = "s"
	docs := openIDDoc + "---\n" + strings.Replace(samlDoc(t), "  domains: [acme.com]\n", "", 1) + "---\n" + strings.Replace(pinnedDoc(t), "https://idp.acme.example/saml", "urn:acme:idp", 1) + "---\n" + browserDoc + "---\n" + tenantDocOf(t)
	if plan := h.apply(t, docs, by(object.ManagerConfig)); len(plan.Warnings) > 0 {
		t.Errorf("warnings: %v", plan.Warnings)
	}
	exported, err := h.path.Export(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := object.Encode(&text, exported, false); err != nil {
		t.Fatal(err)
	}
	if again := h.apply(t, text.String(), by(object.ManagerConfig)); again.Differs() {
		t.Errorf("what is exported does not apply unchanged: %s\n%s", actionsOf(again), &text)
	}
	for _, member := range []string{"return_after_logout: true", "name_id_format:", "post_logout_redirect_uris:", "consent: admin", "passkeys: allowed", "idle: 4h", "dcr_limits:"} {
		if !strings.Contains(text.String(), member) {
			t.Errorf("the export lacks %s", member)
		}
	}
}

// One domain, and one entity ID, lead to one IdP.
func TestOneHome(t *testing.T) {
	h := newHouse(t)
	h.apply(t, openIDDoc, by(object.ManagerConfig))
	other := strings.NewReplacer("name: kc", "name: okta", "realms/acme", "realms/other").Replace(openIDDoc)
	if err := h.applyError(t, other, by("ci")); !strings.Contains(err.Error(), `domain "acme.com" belongs to IdentityProvider kc`) {
		t.Error(err)
	}
	h.apply(t, strings.Replace(other, "[acme.com]", "[acme.de]", 1), by("ci"))
	saml := strings.Replace(samlDoc(t), "  domains: [acme.com]\n", "", 1)
	h.apply(t, saml, by("ci"))
	if err := h.applyError(t, strings.Replace(saml, "adfs", "adfs-2", 1), by("ci")); !strings.Contains(err.Error(), `saml_entity_id "https://idp.acme.example/saml" belongs to IdentityProvider adfs`) {
		t.Error(err)
	}
	// Keycloak has one name for both: an entity ID is no issuer.
	h.apply(t, strings.NewReplacer("kc", "by-oidc", "https://sso.acme.com/realms/acme", "https://idp.acme.example/saml", "[acme.com]", "[acme.fr]").Replace(openIDDoc), by("ci"))
}

// A user of a SAML IdP is linked to it and to its entity ID: another one under the name speaks of nobody.
func TestLinksOfSAML(t *testing.T) {
	h := newHouse(t)
	doc := pinnedDoc(t)
	user := `{apiVersion: chancery/v1, kind: User, metadata: {name: alice}, spec: {identities: [{idp: saml, sub: a1}]}}`
	link := func() string {
		t.Helper()
		tenant, err := h.store.Tenant(t.Context(), "default")
		if err != nil {
			t.Fatal(err)
		}
		stored, err := h.store.Get(t.Context(), tenant.Tenant, object.KindUser, "alice")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range stored.Keys {
			if l, ok := object.LinkOf(k); ok {
				return l
			}
		}
		return ""
	}
	h.apply(t, doc+"---\n"+user, by("ci"))
	first := link()
	plan := h.apply(t, strings.Replace(doc, "https://idp.acme.example/saml", "https://evil.example/saml", 1), by("ci"))
	if first == "" || !hasWarning(plan.Warnings, "links_ended", "") {
		t.Fatalf("%q %v", first, plan.Warnings)
	}
	h.apply(t, user, by("ci"))
	if now := link(); now == first || now == "" {
		t.Errorf("%q, then %q", first, now)
	}
}

func TestSecretReferences(t *testing.T) {
	for name, test := range map[string]struct {
		manager string
		may     func(object.SecretRef) bool
		warns   bool
	}{
		"configuration": {object.ManagerConfig, nil, false},
		"over the API":  {object.ManagerAPI, nil, true},
		"allowed":       {object.ManagerAPI, func(r object.SecretRef) bool { return r.String() == "env:KC_SECRET" }, false},
		"another":       {object.ManagerAPI, func(r object.SecretRef) bool { return r.String() == "env:OTHER" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			path, err := object.NewPath(object.Config{
				Store: h.store, Keys: h.store, Secrets: h.store, Checker: checker{}, Now: func() time.Time { return begin }, MayRefer: test.may,
			})
			if err != nil {
				t.Fatal(err)
			}
			h.path = path
			plan := h.apply(t, openIDDoc, by(test.manager))
			if got := hasWarning(plan.Warnings, "secret_reference", "spec.oidc.client_secret"); got != test.warns {
				t.Errorf("%v", plan.Warnings)
			}
		})
	}
}

// Metadata is judged by the clock and by who signed it when it is applied.
func TestMetadataAtApply(t *testing.T) {
	h := newHouse(t)
	doc := samlDoc(t)
	for name, test := range map[string]struct{ from, to, text string }{
		"over":     {"<EntityDescriptor ", `<EntityDescriptor validUntil="2029-01-01T00:00:00Z" `, "validUntil: received"},
		"unsigned": {"    sign_requests: true", "    metadata_certificates:\n      - " + strings.TrimSuffix(block(file(t, "idp.pem"), 8), "\n"), "signature: received"},
	} {
		err := h.applyError(t, mutate(t, doc, test.from, test.to), by("ci"))
		problems := problemsOf(t, err)
		if len(problems) != 1 || problems[0].Path != "spec.saml.metadata" || problems[0].Code != "saml_metadata" || !strings.Contains(problems[0].Text, test.text) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	byURL := `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: a}, spec: {saml: {idp_entity_id: "https://a.com/saml", metadata_url: "https://a.com/m"}}}`
	if plan := h.apply(t, byURL, by("ci")); !hasWarning(plan.Warnings, "metadata_pending", "spec.saml.metadata_url") {
		t.Errorf("%v", plan.Warnings)
	}
	if plan := h.apply(t, strings.Replace(byURL, "saml: {", "domains: [a.com], saml: {", 1), by("ci")); hasWarning(plan.Warnings, "metadata_pending", "") {
		t.Errorf("its URL is the same: %v", plan.Warnings)
	}
	moved := strings.NewReplacer("https://a.com/saml", "https://b.com/saml", "saml: {", `issuer: "https://a.com", saml: {`).Replace(byURL)
	h.apply(t, strings.Replace(moved, "b.com", "a.com", 1), by("ci"))
	if plan := h.apply(t, moved, by("ci")); !hasWarning(plan.Warnings, "entity_changed", "spec.saml.idp_entity_id") {
		t.Errorf("%v", plan.Warnings)
	}
}

func TestCertificates(t *testing.T) {
	one := file(t, "idp.pem")
	if got, err := object.Certificates([]string{one}); err != nil || len(got) != 1 || got[0].Subject.CommonName != "idp.acme.example" {
		t.Errorf("%v, %v", got, err)
	}
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "x", "two": one + one, "more behind": one + "x", "more before": "x\n" + one,
		"another block": strings.ReplaceAll(one, "CERTIFICATE", "PUBLIC KEY"), "cut": one[:60] + one[200:],
	} {
		if got, err := object.Certificates([]string{one, text}); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

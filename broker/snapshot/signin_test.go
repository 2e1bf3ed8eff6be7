package snapshot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

const openIDDoc = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: kc}
spec:
  display_name: Acme
  issuer: https://sso.acme.com/realms/acme
  oidc: {client_id: chancery, client_secret: {env: KC}, return_after_logout: true}
  domains: [acme.com]
`

func samlDoc(t testing.TB) string {
	t.Helper()
	return `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: adfs}
spec:
  saml:
    metadata: '` + strings.TrimSpace(fileOf(t, "../object/testdata/idp-metadata.xml")) + `'
    wants_encrypted: true
    idp_initiated: true
    name_id_format: urn:oasis:names:tc:SAML:2.0:nameid-format:persistent
    attributes: {email: mail}
    acr: {"urn:x:mfa": phr}
  domains: [acme.de]
`
}

const entity = "https://idp.acme.example/saml"

// spKeys are ours for SAML.
type spKeys struct {
	signing    []saml.SigningKey
	decryption []saml.DecryptionKey
	err        error
}

func (k *spKeys) Keys(context.Context, tenant.UID) ([]saml.SigningKey, []saml.DecryptionKey, error) {
	return k.signing, k.decryption, k.err
}

func newSPKeys(t testing.TB) *spKeys {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sp"}, NotAfter: time.Unix(2_000_000_000, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &spKeys{
		signing:    []saml.SigningKey{{Certificate: certificate, Signer: key}},
		decryption: []saml.DecryptionKey{{Certificate: certificate, Decrypter: key}},
	}
}

// documents are those that were fetched.
type documents struct {
	text  string
	err   error
	asked int
	// url and signers are those that were asked for last.
	url     string
	signers []*x509.Certificate
}

func (d *documents) Document(_ context.Context, _ tenant.UID, idp, url string, signers []*x509.Certificate) ([]byte, bool, error) {
	d.asked++
	d.url, d.signers = url, signers
	if idp == "" {
		return nil, false, errors.New("whose?")
	}
	return []byte(d.text), d.text != "", d.err
}

type signers struct{}

func (signers) Signer(tenant.UID) oidc.AssertionSigner { return signers{} }

func (signers) SignAssertion(context.Context, map[string]any) (string, error) { return "a.b.c", nil }

func fileOf(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// desk makes a picture whose log can be read.
func desk(t testing.TB, docs string, options ...func(*snapshot.Config)) (*snapshot.Tenant, *snapshottest.Shelf, *snapshot.Source, *bytes.Buffer, *clock) {
	t.Helper()
	c, log := &clock{}, &bytes.Buffer{}
	options = append([]func(*snapshot.Config){func(c *snapshot.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, nil))
		c.ServiceProviderKeys = newSPKeys(t)
		c.AssertionSigners = signers{}
	}}, options...)
	shelf, source := snapshottest.New(t, publicURL, c.now, docs, options...)
	p, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	return p, shelf, source, log, c
}

func named(list []*federation.IdentityProvider) string {
	var all []string
	for _, idp := range list {
		all = append(all, idp.Name)
	}
	return strings.Join(all, " ")
}

func TestSignInByOpenID(t *testing.T) {
	p, _, _, log, _ := desk(t, openIDDoc)
	d := p.SignIn
	if named(d.IdPs) != "kc" || len(d.OpenID) != 1 || d.SAML != nil {
		t.Fatalf("%s: %+v\n%s", named(d.IdPs), d, log)
	}
	idp := d.IdPs[0]
	e := d.OpenID[idp.UID]
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	switch {
	case e.Provider != idp, e.ClientID != "chancery", e.Secret.Reveal() != snapshottest.Secret, e.Authentication != oidc.AuthSecretBasic:
		t.Errorf("%+v", e)
	case e.CallbackURL != publicURL+"/federation/oidc/kc/callback", e.PostLogoutURL != publicURL+"/end_session":
		t.Errorf("%s %s", e.CallbackURL, e.PostLogoutURL)
	case strings.Join(e.Scopes, " ") != "openid profile email", strings.Join(e.Algorithms, " ") != "RS256 ES256", e.Dialect.StepUp != oidc.StepUpACRValues:
		t.Errorf("%+v", e)
	case d.Titles[idp.UID] != "Acme", d.Domains["acme.com"] != idp.UID:
		t.Errorf("%v %v", d.Titles, d.Domains)
	}
	other, _, source, _, _ := desk(t, strings.Replace(openIDDoc, "{name: kc}", "{name: kc, tenant: acme}", 1)+"---\n{apiVersion: chancery/v1, kind: Tenant, metadata: {name: acme}, spec: {}}")
	if len(other.SignIn.OpenID) > 0 {
		t.Error("an IdP of another tenant takes people in")
	}
	acme, err := source.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if got := acme.SignIn.OpenID[acme.SignIn.IdPs[0].UID].CallbackURL; got != publicURL+"/t/acme/federation/oidc/kc/callback" {
		t.Error(got)
	}
}

func TestSignInBySAML(t *testing.T) {
	p, _, _, log, _ := desk(t, samlDoc(t))
	if named(p.SignIn.IdPs) != "adfs" || p.SignIn.SAML == nil {
		t.Fatalf("%s", log)
	}
	idp := p.SignIn.IdPs[0]
	s, ok := p.SignIn.SAMLProvider(idp.UID)
	byEntity, found := p.SignIn.SAML.Lookup(entity)
	if !ok || !found || s != byEntity {
		t.Fatal("one provider, two answers")
	}
	place := publicURL + "/federation/saml/adfs"
	switch {
	case s.Self.EntityID != place+"/metadata", s.Self.ACS != place+"/acs", s.Self.SLO != place+"/slo", len(s.Self.Signing) != 1, len(s.Self.Decryption) != 1:
		t.Errorf("%+v", s.Self)
	case !s.SignRequests, !s.IdPInitiated, s.ACR["urn:x:mfa"] != "phr", s.Attributes.Email != "mail", len(s.Certificates) != 1, len(s.SignOn) != 1, len(s.Logout) != 1:
		t.Errorf("%+v", s)
	case p.SignIn.NameIDFormats[idp.UID] != saml.NameIDPersistent, p.SignIn.ServiceProviders[idp.UID].ACS != s.Self.ACS:
		t.Errorf("%+v", p.SignIn)
	case !slices.Equal(s.IdP.Assertions.SAMLEntityIDs, []string{entity}):
		t.Errorf("its own names do not count: %v", s.IdP.Assertions.SAMLEntityIDs)
	case idp.Issuer != entity, !idp.SAMLAlone, idp.Keys.Issuer != "":
		t.Errorf("%+v", idp)
	}
	if _, found := p.Registry.Lookup(entity); found {
		t.Error("a token that names an entity ID would be trusted")
	}
	if _, err := s.Document(); err != nil {
		t.Error(err)
	}
}

// An IdP that issues tokens too keeps its issuer, and its SAML names count in nothing else.
func TestSAMLBesideTokens(t *testing.T) {
	p, _, _, _, _ := desk(t, strings.Replace(samlDoc(t), "spec:\n", "spec:\n  preset: okta\n  issuer: https://acme.okta.com\n", 1))
	idp, found := p.Registry.Lookup("https://acme.okta.com")
	if !found || len(idp.Assertions.SAMLEntityIDs) > 0 || idp.SAMLAlone {
		t.Fatalf("%+v", idp)
	}
	s, ok := p.SignIn.SAMLProvider(idp.UID)
	if !ok || !slices.Equal(s.IdP.Assertions.SAMLEntityIDs, []string{entity}) || s.IdP.UID != idp.UID || s.IdP.Issuer != idp.Issuer {
		t.Errorf("%+v", s)
	}
	const tid = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	entra := `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: e}, spec: {preset: entra, issuer: "https://login.microsoftonline.com/` + tid +
		`/v2.0", saml: {idp_entity_id: "https://sts.windows.net/` + tid + `/", sso_url: "https://login.microsoftonline.com/x", certificates: ["` +
		strings.ReplaceAll(fileOf(t, "../object/testdata/idp.pem"), "\n", `\n`) + `"]}}}`
	p, _, _, log, _ := desk(t, entra)
	s, ok = p.SignIn.SAML.Lookup("https://sts.windows.net/" + tid + "/")
	if !ok || !slices.Equal(s.IdP.Assertions.Tenants, []string{tid}) || !strings.HasSuffix(s.IdP.Claims.Groups, "/claims/groups") || s.Attributes.Subject == "" {
		t.Fatalf("%+v\n%s", s, log)
	}
	if own := p.SignIn.IdPs[0]; own.Claims.Groups != "groups" || len(own.Assertions.Tenants) > 0 {
		t.Errorf("its tokens are read as SAML: %+v", own)
	}
}

// What cannot be used takes nobody in, is told, and leaves the rest of the tenant as it is.
func TestSignInUnusable(t *testing.T) {
	failing := func(object.SecretRef) (secret.Text, error) {
		return secret.Text{}, errors.New("there is no such variable")
	}
	byURL := `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: adfs}, spec: {saml: {idp_entity_id: "` + entity + `", metadata_url: "https://idp.acme.example/m"}, domains: [acme.de]}}`
	for name, test := range map[string]struct {
		doc    string
		option func(*snapshot.Config)
		told   string
	}{
		"no secret":   {openIDDoc, func(c *snapshot.Config) { c.ResolveSecret = failing }, "env:KC: there is no such variable"},
		"no resolver": {openIDDoc, func(c *snapshot.Config) { c.ResolveSecret = nil }, "no secrets are resolved here"},
		"empty secret": {openIDDoc, func(c *snapshot.Config) {
			c.ResolveSecret = func(object.SecretRef) (secret.Text, error) { return secret.Text{}, nil }
		}, "needs a secret"},
		"no signer":    {strings.Replace(openIDDoc, "client_secret: {env: KC}", "auth_method: private_key_jwt", 1), func(c *snapshot.Config) { c.AssertionSigners = nil }, "no client assertions are signed here"},
		"no document":  {byURL, func(c *snapshot.Config) { c.SAMLMetadata = &documents{} }, "has not been fetched"},
		"no documents": {byURL, func(*snapshot.Config) {}, "has not been fetched"},
		"another's document": {byURL, func(c *snapshot.Config) {
			c.SAMLMetadata = &documents{text: strings.ReplaceAll(fileOf(t, "../object/testdata/idp-metadata.xml"), entity, "https://evil.example")}
		}, "saml_metadata"},
		"javascript": {byURL, func(c *snapshot.Config) {
			c.SAMLMetadata = &documents{text: strings.ReplaceAll(fileOf(t, "../object/testdata/idp-metadata.xml"), "https://idp.acme.example/sso", "javascript:alert(1)")}
		}, "saml_metadata_endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _, log, _ := desk(t, test.doc, test.option)
			d := p.SignIn
			if len(d.IdPs)+len(d.OpenID)+len(d.Domains) > 0 || d.SAML != nil || len(p.Registry.All()) != 1 {
				t.Errorf("it takes people in: %+v", d)
			}
			if !strings.Contains(log.String(), test.told) || strings.Contains(log.String(), snapshottest.Secret) {
				t.Errorf("not %q: %s", test.told, log)
			}
		})
	}
	// The metadata of ours is had before theirs is: an administrator needs it first.
	p, _, _, _, _ := desk(t, byURL)
	if got := p.SignIn.ServiceProviders[p.Registry.All()[0].UID]; got.ACS != publicURL+"/federation/saml/adfs/acs" || len(got.Signing) != 1 {
		t.Errorf("%+v", got)
	}
}

// Without a key of ours nobody is sent to the IdP, nor comes from it; what it signed for a token still counts.
func TestSAMLWithoutKeys(t *testing.T) {
	for name, option := range map[string]func(*snapshot.Config){
		"nobody keeps any": func(c *snapshot.Config) { c.ServiceProviderKeys = nil },
		"none":             func(c *snapshot.Config) { c.ServiceProviderKeys = &spKeys{} },
		"out of reach":     func(c *snapshot.Config) { c.ServiceProviderKeys = &spKeys{err: errors.New("sealed")} },
	} {
		p, _, _, log, _ := desk(t, samlDoc(t), option)
		s, ok := p.SignIn.SAML.Lookup(entity)
		if !ok || len(s.SignOn)+len(s.Logout) > 0 || s.IdPInitiated || len(p.SignIn.IdPs)+len(p.SignIn.Domains) > 0 {
			t.Errorf("%s: %+v", name, s)
		}
		if !strings.Contains(log.String(), "people cannot sign in") {
			t.Errorf("%s: %s", name, log)
		}
	}
}

// A secret that comes later is found without an object having changed.
func TestSignInComesLater(t *testing.T) {
	there := false
	_, _, source, _, c := desk(t, openIDDoc, func(c *snapshot.Config) {
		c.ResolveSecret = func(object.SecretRef) (secret.Text, error) {
			if !there {
				return secret.Text{}, errors.New("not yet")
			}
			return secret.New("s"), nil
		}
	})
	there = true
	for _, want := range []int{0, 1} {
		p, err := source.Get(t.Context(), tenant.DefaultName)
		if err != nil || len(p.SignIn.IdPs) != want {
			t.Errorf("%d: %v, %v", want, p.SignIn.IdPs, err)
		}
		c.advance(time.Minute)
	}
}

// Metadata is not used from its own end on, though nothing has changed (SAML metadata §2.3.2).
func TestMetadataEnds(t *testing.T) {
	ends := (&clock{}).now().Add(time.Hour).UTC().Format(time.RFC3339)
	_, shelf, source, _, c := desk(t, strings.Replace(samlDoc(t), "<EntityDescriptor", `<EntityDescriptor validUntil="`+ends+`"`, 1))
	for _, want := range []int{1, 1, 0} {
		p, err := source.Get(t.Context(), tenant.DefaultName)
		if err != nil || len(p.SignIn.IdPs) != want {
			t.Errorf("%s: %v, %v", c.now(), p.SignIn.IdPs, err)
		}
		shelf.Newer++
		if p, err = source.Refresh(t.Context(), p); err != nil || len(p.SignIn.IdPs) != want {
			t.Errorf("%s: refreshed to %v, %v", c.now(), p.SignIn.IdPs, err)
		}
		c.advance(30 * time.Minute)
	}
}

// What is asked for is what the entry says now: its address, and who must have signed.
func TestMetadataOfTheEntry(t *testing.T) {
	d := &documents{}
	signer := strings.ReplaceAll(fileOf(t, "../object/testdata/idp.pem"), "\n", `\n`)
	desk(t, `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: adfs}, spec: {saml: {idp_entity_id: "`+entity+
		`", metadata_url: "https://idp.acme.example/m", metadata_certificates: ["`+signer+`"]}}}`, func(c *snapshot.Config) { c.SAMLMetadata = d })
	if d.url != "https://idp.acme.example/m" || len(d.signers) != 1 {
		t.Errorf("asked for %q signed by %d", d.url, len(d.signers))
	}
	desk(t, `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: adfs}, spec: {saml: {idp_entity_id: "`+entity+
		`", metadata_url: "https://idp.acme.example/m"}}}`, func(c *snapshot.Config) { c.SAMLMetadata = d })
	if d.signers != nil {
		t.Error("a signature is asked for")
	}
}

// A database that does not answer fails the picture, as it does for every row: the next request asks again.
func TestDocumentsFail(t *testing.T) {
	byURL := `{apiVersion: chancery/v1, kind: IdentityProvider, metadata: {name: adfs}, spec: {saml: {idp_entity_id: "` + entity + `", metadata_url: "https://idp.acme.example/m"}}}`
	d := &documents{text: fileOf(t, "../object/testdata/idp-metadata.xml"), err: errors.New("no connection")}
	c := &clock{}
	_, source := snapshottest.New(t, publicURL, c.now, byURL, func(config *snapshot.Config) { config.SAMLMetadata, config.ServiceProviderKeys = d, newSPKeys(t) })
	if _, err := source.Get(t.Context(), tenant.DefaultName); err == nil {
		t.Fatal("a picture of what could not be read")
	}
	d.err = nil
	c.advance(time.Second)
	p, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil || named(p.SignIn.IdPs) != "adfs" {
		t.Fatalf("%v", err)
	}
}

func TestDisabledTakesNobodyIn(t *testing.T) {
	docs := strings.Replace(openIDDoc, "spec:\n", "spec:\n  disabled: true\n", 1) + "---\n" + strings.Replace(samlDoc(t), "spec:\n", "spec:\n  disabled: true\n", 1)
	p, _, _, _, _ := desk(t, docs)
	if len(p.SignIn.IdPs)+len(p.SignIn.Domains) > 0 {
		t.Errorf("%+v", p.SignIn)
	}
	if _, ok := p.SignIn.SAML.Lookup(entity); !ok || len(p.SignIn.OpenID) != 1 {
		t.Error("what a disabled IdP says is not told from what nobody says")
	}
}

// Secrets are referred to by the configuration's own objects, or by name.
func TestSecretsOfOthers(t *testing.T) {
	for name, test := range map[string]struct {
		may  func(object.SecretRef) bool
		want string
	}{
		"none":    {nil, ""},
		"named":   {func(r object.SecretRef) bool { return r.String() == "env:KC" }, "kc"},
		"another": {func(r object.SecretRef) bool { return r.String() == "env:ELSE" }, ""},
	} {
		resolved := 0
		_, shelf, _, _, c := desk(t, "")
		path, err := object.NewPath(object.Config{Store: shelf.Memory, Keys: shelf.Memory, Secrets: shelf.Memory, Checker: regocheck.Checker{}, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := object.Decode(strings.NewReader(openIDDoc), object.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := path.Apply(t.Context(), tenant.DefaultName, objects, object.Request{Manager: object.ManagerAPI, By: audit.Principal{Kind: "token"}}); err != nil {
			t.Fatal(err)
		}
		config := snapshot.Config{Store: shelf, Versions: shelf, PublicURL: publicURL, Now: c.now, Log: discard()}
		config.MayRefer = test.may
		config.ResolveSecret = func(object.SecretRef) (secret.Text, error) { resolved++; return secret.New("s"), nil }
		source, err := snapshot.New(config)
		if err != nil {
			t.Fatal(err)
		}
		p, err := source.Get(t.Context(), tenant.DefaultName)
		if err != nil || named(p.SignIn.IdPs) != test.want || test.want == "" && resolved > 0 {
			t.Errorf("%s: %v, %v, %d resolved", name, named(p.SignIn.IdPs), err, resolved)
		}
	}
}

func TestTenantOfSignIn(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black})); err != nil {
		t.Fatal(err)
	}
	doc := `{apiVersion: chancery/v1, kind: Tenant, metadata: {name: default}, spec: {display_name: Acme, sessions: {idle: 1h, absolute: 2h}, passkeys: allowed,
  branding: {logo: {data: "` + base64.StdEncoding.EncodeToString(b.Bytes()) + `"}, colour: "#0a66c2"},
  registration: {dcr: open, dcr_limits: {max_clients: 3, lifetime: 2h, scopes: [a], resources: [r], hosts: [h.example]}, cimd: {mode: hosts, hosts: ["*.b.example"], scopes: [a], resources: [r]}}}}`
	p, _, _, _, _ := desk(t, doc)
	d, r := p.SignIn, p.Registration
	if d.Idle != time.Hour || d.Absolute != 2*time.Hour || !d.Passkeys || d.Branding.Name != "Acme" || d.Branding.Colour != "#0a66c2" {
		t.Errorf("%+v", d)
	}
	if _, err := page.NewBrand(d.Branding.Name, d.Branding.Logo, d.Branding.Colour); err != nil || len(d.Branding.Logo) == 0 {
		t.Errorf("pages do not take what apply takes: %v", err)
	}
	if r.Documents.Mode != cimd.ModeHosts || r.Documents.Validate() != nil || r.Documents.Hosts[0] != "*.b.example" || r.Dynamic.Mode != snapshot.DynamicOpen ||
		r.Dynamic.MaxClients != 3 || r.Dynamic.Lifetime != 2*time.Hour || len(r.Dynamic.Scopes)+len(r.Dynamic.Resources)+len(r.Dynamic.Hosts) != 3 {
		t.Errorf("%+v", r)
	}
	byFile := `{apiVersion: chancery/v1, kind: Tenant, metadata: {name: default}, spec: {branding: {logo: {file: /logo.png}}}}`
	for name, test := range map[string]struct {
		read func(string) ([]byte, error)
		want int
	}{
		"there":     {func(string) ([]byte, error) { return b.Bytes(), nil }, b.Len()},
		"not there": {func(string) ([]byte, error) { return nil, errors.New("no such file") }, 0},
		"no logo":   {func(string) ([]byte, error) { return []byte("root:x:0:0"), nil }, 0},
		"no files":  {nil, 0},
	} {
		p, _, _, log, _ := desk(t, byFile, func(c *snapshot.Config) { c.ReadFile = test.read })
		if len(p.SignIn.Branding.Logo) != test.want || (test.want == 0) != strings.Contains(log.String(), "logo cannot be shown") || strings.Contains(log.String(), "root:") {
			t.Errorf("%s: %d bytes, %s", name, len(p.SignIn.Branding.Logo), log)
		}
	}
	empty, _, _, _, _ := desk(t, "")
	if r := empty.Registration; r.Dynamic.Mode != snapshot.DynamicOff || r.Documents.Mode != cimd.ModeRegistered || empty.SignIn.Passkeys || empty.SignIn.Idle != 8*time.Hour {
		t.Errorf("%+v", r)
	}
}

func TestClientOfSignIn(t *testing.T) {
	doc := `{apiVersion: chancery/v1, kind: Client, metadata: {name: c}, spec: {client_id: "https://c.example/c.json", type: public, redirect_uris: ["http://127.0.0.1/cb"],
  post_logout_redirect_uris: ["https://c.example/bye"], require_pushed_authorization_requests: true, consent: admin, grant_types: [authorization_code]}}`
	_, _, source, _, _ := desk(t, doc)
	p, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	c, err := source.Clients().Lookup(t.Context(), p.UID, "https://c.example/c.json")
	if err != nil || c.Origin != client.OriginCompany || !c.Approved || !c.MustPush || !slices.Equal(c.RedirectURIs, []string{"http://127.0.0.1/cb"}) ||
		!slices.Equal(c.PostLogoutURIs, []string{"https://c.example/bye"}) || c.Host != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

// Two entries that were stored before one domain, or one entity ID, led to one IdP lead to none of them.
func TestAmbiguousIsNobody(t *testing.T) {
	docs := openIDDoc + "---\n" + samlDoc(t)
	_, shelf, _, _, c := desk(t, docs)
	d := mustTenant(t, shelf)
	for _, name := range []string{"kc", "adfs"} {
		stored, err := shelf.Get(t.Context(), d, object.KindIdentityProvider, name)
		if err != nil {
			t.Fatal(err)
		}
		stored.Name, stored.UID, stored.Revision = name+"-2", stored.UID+"2", 1
		stored.Spec = bytes.ReplaceAll(stored.Spec, []byte("realms/acme"), []byte("realms/other"))
		stored.Keys = nil
		if _, err := shelf.Apply(t.Context(), object.Write{Tenant: d, Changes: []object.Change{{Stored: stored}}}); err != nil {
			t.Fatal(err)
		}
	}
	config := snapshot.Config{Store: shelf, Versions: shelf, PublicURL: publicURL, Now: c.now, Log: discard()}
	config.ResolveSecret = func(object.SecretRef) (secret.Text, error) { return secret.New("s"), nil }
	config.ServiceProviderKeys = newSPKeys(t)
	source, err := snapshot.New(config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.SignIn.Domains) > 0 || p.SignIn.SAML != nil || named(p.SignIn.IdPs) != "kc kc-2" {
		t.Errorf("%v %s", p.SignIn.Domains, named(p.SignIn.IdPs))
	}
}

func mustTenant(t testing.TB, shelf *snapshottest.Shelf) tenant.UID {
	t.Helper()
	stored, err := shelf.Tenant(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Tenant
}

// Metadata is read once for as long as it says the same.
func TestMetadataIsReadOnce(t *testing.T) {
	_, shelf, source, _, _ := desk(t, samlDoc(t))
	first, err := source.Get(t.Context(), tenant.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	shelf.Newer++
	second, err := source.Refresh(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := first.SignIn.SAML.Lookup(entity)
	b, _ := second.SignIn.SAML.Lookup(entity)
	if first == second || a.Certificates[0] != b.Certificates[0] {
		t.Error("the metadata was read again")
	}
}

func BenchmarkPictureOfSignIn(b *testing.B) {
	for _, test := range []struct {
		name string
		docs string
	}{{"openid", openIDDoc}, {"saml", samlDoc(b)}, {"both", openIDDoc + "---\n" + samlDoc(b)}} {
		b.Run(test.name, func(b *testing.B) {
			_, shelf, source, _, _ := desk(b, test.docs)
			p, err := source.Get(b.Context(), tenant.DefaultName)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				shelf.Newer++
				if p, err = source.Refresh(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// The first picture, which has no other to take metadata over from.
	b.Run("saml, cold", func(b *testing.B) {
		_, shelf, _, _, c := desk(b, samlDoc(b))
		config := snapshot.Config{Store: shelf, Versions: shelf, PublicURL: publicURL, Now: c.now, Log: discard()}
		config.ServiceProviderKeys = newSPKeys(b)
		b.ReportAllocs()
		for b.Loop() {
			source, err := snapshot.New(config)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := source.Get(b.Context(), tenant.DefaultName); err != nil {
				b.Fatal(err)
			}
		}
	})
}

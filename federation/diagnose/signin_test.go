package diagnose_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// desk is an OpenID provider that knows one secret.
type desk struct {
	*site
	metadata map[string]any
	token    func(w http.ResponseWriter, r *http.Request)
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{site: newSite(t, nil)}
	url := d.server.URL
	d.metadata = map[string]any{
		"issuer": url, "authorization_endpoint": url + "/authorize", "token_endpoint": url + "/token", "jwks_uri": url + "/jwks",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
		"scopes_supported": []string{"openid", "email"}, "end_session_endpoint": url + "/logout", "backchannel_logout_supported": true,
		"acr_values_supported": []string{"phr"},
	}
	d.token = func(w http.ResponseWriter, r *http.Request) {
		code := "invalid_grant"
		if _, secret, _ := r.BasicAuth(); secret != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			code = "invalid_client"
		} else {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
	}
	d.serve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(d.metadata)
		case "/token":
			d.token(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	return d
}

func (d *desk) sign(secret string, try bool) diagnose.Report {
	d.t.Helper()
	door := fetch.New(d.egress)
	cache := jwks.NewCache(door, time.Now)
	d.t.Cleanup(cache.Close)
	entry := &oidc.Entry{
		Provider: &d.entry, ClientID: "chancery", Authentication: oidc.AuthSecretBasic, Secret: oidc.NewSecret(secret), Algorithms: []string{"ES256"},
		Scopes: []string{"openid", "email"}, CallbackURL: "https://auth.test/federation/oidc/acme/callback", ClockSkew: 30 * time.Second,
	}
	var relying diagnose.Relying
	if try {
		relying = oidc.New(door, cache, time.Now)
	}
	var r diagnose.Report
	diagnose.Tester{Fetch: door, Now: time.Now}.OpenID(d.t.Context(), &r, "ten_1", entry, relying)
	return r
}

func TestOpenIDPasses(t *testing.T) {
	d := newDesk(t)
	r := d.sign("right", true)
	if !r.Passed() {
		t.Fatal(lines(r))
	}
	for _, check := range []string{"sign-in issuer", "sign-in token_endpoint", "sign-in code_challenge_methods_supported", diagnose.CheckOIDCStepUp, diagnose.CheckOIDCLogout, diagnose.CheckOIDCBack, diagnose.CheckOIDCClient} {
		row(t, r, check, diagnose.Pass, "")
	}
	if len(r.Give) != 2 || r.Give[0].Value != "https://auth.test/federation/oidc/acme/callback" || r.Give[1].Value != "https://auth.test/federation/oidc/acme/backchannel_logout" {
		t.Errorf("%+v", r.Give)
	}
}

func TestOpenIDFails(t *testing.T) {
	for name, test := range map[string]struct {
		change func(d *desk)
		check  string
		status diagnose.Status
		code   federation.Code
	}{
		"another issuer":   {func(d *desk) { d.metadata["issuer"] = "https://other.test" }, "sign-in issuer", diagnose.Fail, federation.CodeIdPMetadataUnusable},
		"no PKCE":          {func(d *desk) { d.metadata["code_challenge_methods_supported"] = []string{"plain"} }, "sign-in code_challenge_methods_supported", diagnose.Fail, federation.CodeIdPRequestRefused},
		"implicit only":    {func(d *desk) { d.metadata["response_types_supported"] = []string{"id_token"} }, "sign-in response_types_supported", diagnose.Fail, federation.CodeIdPRequestRefused},
		"another method":   {func(d *desk) { d.metadata["token_endpoint_auth_methods_supported"] = []string{"none"} }, "sign-in token_endpoint_auth_methods_supported", diagnose.Fail, federation.CodeIdPClientRefused},
		"no scope":         {func(d *desk) { d.metadata["scopes_supported"] = []string{"openid"} }, "sign-in scopes_supported", diagnose.Fail, federation.CodeIdPRequestRefused},
		"other algorithms": {func(d *desk) { d.metadata["id_token_signing_alg_values_supported"] = []string{"RS256"} }, "sign-in id_token_signing_alg_values_supported", diagnose.Fail, federation.CodeAlgorithmNotAllowed},
		"a script":         {func(d *desk) { d.metadata["token_endpoint"] = "javascript:x" }, "sign-in token_endpoint", diagnose.Fail, federation.CodeIdPMetadataUnusable},
		"no document":      {func(d *desk) { d.serve = http.NotFoundHandler() }, diagnose.CheckOIDCMetadata, diagnose.Fail, federation.CodeIdPMetadataUnusable},
		"nobody there":     {func(d *desk) { d.server.Close() }, diagnose.CheckOIDCMetadata, diagnose.Fail, federation.CodeIdPUnavailable},
		"no answer to the code": {func(d *desk) {
			d.token = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}, diagnose.CheckOIDCClient, diagnose.Warn, federation.CodeIdPUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			test.change(d)
			r := d.sign("right", true)
			row(t, r, test.check, test.status, test.code)
			if client, found := r.Row(diagnose.CheckOIDCClient); !found || test.check != diagnose.CheckOIDCClient && client.Status != diagnose.Skipped {
				t.Errorf("the client's row is %+v", client)
			}
		})
	}
}

// A wrong secret is told from a code that is none; without somebody to try it, no credential leaves.
func TestOpenIDClient(t *testing.T) {
	d := newDesk(t)
	row(t, d.sign("wrong", true), diagnose.CheckOIDCClient, diagnose.Fail, federation.CodeIdPClientRefused)
	d.token = func(http.ResponseWriter, *http.Request) { t.Error("a credential was sent") }
	row(t, d.sign("right", false), diagnose.CheckOIDCClient, diagnose.Skipped, "")
	for _, check := range []string{"end_session_endpoint", "backchannel_logout_supported", "acr_values_supported"} {
		delete(d.metadata, check)
	}
	r := d.sign("right", false)
	for _, check := range []string{diagnose.CheckOIDCLogout, diagnose.CheckOIDCBack, diagnose.CheckOIDCStepUp} {
		row(t, r, check, diagnose.Skipped, "")
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

// samlWorld is a SAML IdP and its entry.
func samlWorld() (*samltest.IdP, samltest.SP, *saml.Provider) {
	idp := samltest.New(at(noon))
	key := samltest.RSAKey(3)
	certificate := samltest.Certificate(key, noon, noon.AddDate(1, 0, 0))
	sp := samltest.SP{EntityID: "https://auth.test/federation/saml/corp/metadata", ACS: "https://auth.test/federation/saml/corp/acs", Certificate: certificate}
	return idp, sp, &saml.Provider{
		IdP: &federation.IdentityProvider{
			UID: "idp_1", Name: "corp", Issuer: idp.EntityID,
			Assertions: federation.AssertionRules{Profiles: []federation.Profile{federation.ProfileSAML2Bearer}, ClockSkew: 30 * time.Second, MaxLifetime: 5 * time.Minute, Clients: []string{"claude"}, SAMLEntityIDs: []string{idp.EntityID}},
			Subject:    federation.SubjectRules{Match: []federation.MatchBy{federation.MatchSubjectID}},
			Claims:     federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}},
		},
		EntityID: idp.EntityID, Certificates: []*x509.Certificate{idp.Certificate},
		SignOn:     []saml.Endpoint{{Binding: saml.BindingRedirect, Location: idp.SSO}},
		Self:       saml.ServiceProvider{EntityID: sp.EntityID, ACS: sp.ACS, Signing: []saml.SigningKey{{Certificate: certificate, Signer: key}}},
		Attributes: saml.AttributeNames{Email: "email", Tenant: "tenantid"}, SignRequests: true,
	}
}

func TestSAMLStands(t *testing.T) {
	_, sp, p := samlWorld()
	test := func(change func(s *diagnose.SAMLStanding), when time.Time) diagnose.Report {
		s := diagnose.SAMLStanding{Self: p.Self, Provider: p}
		if change != nil {
			change(&s)
		}
		r := diagnose.Report{IdP: "corp"}
		diagnose.Tester{Now: at(when)}.SAML(&r, s)
		return r
	}
	r := test(nil, noon)
	if !r.Passed() || len(r.Give) != 3 || r.Give[0].Value != sp.EntityID || r.Give[1].Value != sp.ACS || r.Give[2].Value != "https://auth.test/federation/saml/corp/metadata" {
		t.Fatalf("%+v\n%s", r.Give, lines(r))
	}
	row(t, r, diagnose.CheckSAMLLogout, diagnose.Skipped, "")
	row(t, test(nil, noon.AddDate(1, 0, -20)), diagnose.CheckSAMLCertificates, diagnose.Warn, diagnose.CodeCertExpiring)
	row(t, test(nil, noon.AddDate(1, 0, 0)), diagnose.CheckSAMLCertificates, diagnose.Fail, diagnose.CodeCertExpired)
	row(t, test(func(s *diagnose.SAMLStanding) { s.Provider = nil }, noon), diagnose.CheckSAMLMetadata, diagnose.Fail, federation.CodeSAMLMetadata)
	row(t, test(func(s *diagnose.SAMLStanding) { s.Source, s.Failure = "https://idp.test", "away" }, noon), diagnose.CheckSAMLMetadata, diagnose.Warn, federation.CodeSAMLMetadata)
	waits := row(t, test(func(s *diagnose.SAMLStanding) {
		s.Pending, s.Digest = []saml.Change{{Field: "certificates", Before: "a, b", After: "b, c", Trust: true}}, "4f1c"
	}, noon), diagnose.CheckSAMLPending, diagnose.Warn, diagnose.CodeMetadataPending)
	if strings.Join(waits.Notes, "|") != "- certificates a|+ certificates c" || !strings.Contains(waits.Change, "chancery idp metadata corp --accept 4f1c") {
		t.Errorf("%+v", waits)
	}
	bare := *p
	bare.SignOn = nil
	row(t, test(func(s *diagnose.SAMLStanding) { s.Provider = &bare }, noon), diagnose.CheckSAMLSignOn, diagnose.Fail, federation.CodeSAMLMetadata)
}

// A response in each of the forms that people paste is the same response, and is checked as a sign-in would check it.
func TestInspectSAML(t *testing.T) {
	idp, sp, p := samlWorld()
	draft := func() *samltest.Draft { return idp.Draft(sp, "_request") }
	whole := draft()
	for name, text := range map[string]string{
		"XML": string(whole.Document()), "base64": whole.Encoded(), "a form": "RelayState=x&SAMLResponse=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(whole.Encoded()),
	} {
		t.Run(name, func(t *testing.T) {
			in := diagnose.Inspect(t.Context(), text, diagnose.InspectOptions{Issuer: "https://auth.test", SAML: p}, noon)
			if !in.Passed() || in.LooksLike != "a SAML response" || fmt.Sprint(in.Claims["Issuer"]) != "["+idp.EntityID+"]" || len(in.Rows) < 10 {
				t.Errorf("%s %v\n%s", in.LooksLike, in.Claims, lines(diagnose.Report{Rows: in.Rows}))
			}
		})
	}
	late := diagnose.Inspect(t.Context(), whole.Encoded(), diagnose.InspectOptions{SAML: p}, noon.Add(time.Hour))
	if late.Passed() {
		t.Error("an old response passed")
	}
	without := diagnose.Inspect(t.Context(), whole.Encoded(), diagnose.InspectOptions{}, noon)
	if got := without.Rows[len(without.Rows)-1]; got.Check != "signature" || got.Status != diagnose.Skipped {
		t.Errorf("%+v", got)
	}
	for _, attack := range samltest.Attacks() {
		if strings.Contains(strings.ToLower(attack.Name), "solicit") || attack.Code == "" {
			continue
		}
		t.Run(attack.Name, func(t *testing.T) {
			d := draft()
			attack.Make(d)
			in := diagnose.Inspect(t.Context(), d.Encoded(), diagnose.InspectOptions{Issuer: "https://auth.test", SAML: p}, noon)
			if in.Passed() && attack.Code != federation.CodeSAMLInResponseTo {
				t.Errorf("it passed, and is %s:\n%s", attack.Code, lines(diagnose.Report{Rows: in.Rows}))
			}
		})
	}
	if in := diagnose.Inspect(t.Context(), string(idp.Metadata()), diagnose.InspectOptions{}, noon); in.Passed() || !strings.Contains(in.LooksLike, "metadata") {
		t.Errorf("%+v", in)
	}
}

// What people sign in with is checked as that, where the entry says that they do.
func TestInspectIDToken(t *testing.T) {
	s := newSite(t, nil)
	entry := &oidc.Entry{
		Provider: &s.entry, ClientID: "chancery", Authentication: oidc.AuthSecretBasic, Secret: oidc.NewSecret("x"), Algorithms: []string{"ES256"},
		Scopes: []string{"openid"}, CallbackURL: "https://auth.test/federation/oidc/acme/callback",
	}
	const token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiYXVkIjoiY2hhbmNlcnkiLCJub25jZSI6Im4ifQ.AAAA"
	in := diagnose.Inspect(context.Background(), token, diagnose.InspectOptions{Entry: &s.entry, OpenID: entry}, noon)
	if in.LooksLike != "an ID token (OpenID Connect)" || in.Rows[len(in.Rows)-1].Status != diagnose.Skipped {
		t.Errorf("%s\n%s", in.LooksLike, lines(diagnose.Report{Rows: in.Rows}))
	}
	s.entry.Keys.Inline = []byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
	in = diagnose.Inspect(context.Background(), token, diagnose.InspectOptions{Entry: &s.entry, OpenID: entry}, noon)
	if in.Passed() {
		t.Errorf("a token of nobody passed:\n%s", lines(diagnose.Report{Rows: in.Rows}))
	}
}

package grant_test

import (
	"context"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

const samlEntity = issuer + "/federation/saml/acme"

// samlWorld is a world whose IdP makes SAML assertions too; nobody signs in there.
type samlWorld struct {
	*world
	saml  *samltest.IdP
	sp    samltest.SP
	entry *federation.IdentityProvider
}

func withSAML(t *testing.T, changes ...change) *samlWorld {
	t.Helper()
	w := &samlWorld{world: newWorld(t, append([]change{{
		`grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]`, `grant_types: ["urn:ietf:params:oauth:grant-type:saml2-bearer"]`,
	}, {"clients: [agent], resources: [notes, wiki, old]", "clients: [agent], resources: [notes]"}}, changes...)...)}
	w.saml = samltest.New(func() time.Time { return w.now })
	w.sp = samltest.SP{EntityID: samlEntity, ACS: samlEntity + "/acs"}
	picture, err := w.source.Get(t.Context(), "default")
	must(t, err)
	known, ok := picture.Registry.Lookup(idpIssuer)
	if !ok {
		t.Fatal("no entry")
	}
	entry := *known
	entry.Assertions.Profiles = append(slices.Clone(entry.Assertions.Profiles), federation.ProfileSAML2Bearer)
	entry.Assertions.SAMLEntityIDs = []string{w.saml.EntityID}
	w.entry = &entry
	picture.SignIn.SAML, err = saml.NewRegistry([]*saml.Provider{{
		IdP: w.entry, EntityID: w.saml.EntityID, Certificates: []*x509.Certificate{w.saml.Certificate},
		Self: saml.ServiceProvider{EntityID: samlEntity, ACS: samlEntity + "/acs"},
		ACR:  map[string]string{"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport": "pwd"},
	}})
	must(t, err)
	return w
}

func (w *samlWorld) draft() *samltest.Draft { return w.saml.Bearer(w.sp, issuer+"/token", issuer) }

func (w *samlWorld) of(d *samltest.Draft) ask {
	return ask{trace: "trc_1", form: map[string][]string{
		"grant_type": {oauth.GrantTypeSAML2Bearer}, "assertion": {d.EncodedForToken()}, "client_id": {"agent"}, "client_secret": {secretText},
	}}
}

// TestSAMLBearer holds every fact of one grant, for each audience that RFC 7523bis lets be.
func TestSAMLBearer(t *testing.T) {
	for name, audience := range map[string]string{"issuer": issuer, "token endpoint": issuer + "/token", "service provider": samlEntity} {
		t.Run(name, func(t *testing.T) {
			w := withSAML(t)
			response, minted := w.granted(t, w.of(w.saml.Bearer(w.sp, issuer+"/token", audience)))
			alice := must1(w.store.Get(t.Context(), must1(w.source.Get(t.Context(), "default")).UID, "User", "alice"))
			claims := minted.Claims()
			if response.Scope != "notes:read notes:write" || response.Resource != notesURI || response.TokenType != "Bearer" ||
				response.RefreshToken != "" || response.IDToken != "" {
				t.Errorf("%+v", response)
			}
			if claims.Subject != alice.UID || claims.ClientID != "agent" || claims.ACR != "pwd" || claims.AuthTime.IsZero() {
				t.Errorf("%+v", claims)
			}
			in := w.seenByPolicy(t)
			if member(in, "action") != "issue" || member(in, "assertion", "profile") != "saml2-bearer" || member(in, "issuer", "id") != w.saml.EntityID ||
				member(in, "user", "sub") != "00u1alice" || member(in, "grant_type") != oauth.GrantTypeSAML2Bearer {
				t.Errorf("policy saw %v", in)
			}
			e := w.journal.last(t)
			if len(e.Redemptions) != 1 || e.Redemptions[0].Space != "saml" || e.Redemptions[0].Always || !e.Redemptions[0].ExpiresAt.After(w.now) {
				t.Errorf("used up %+v", e.Redemptions)
			}
			if e.Event.AssertionID == "" || e.Event.AssertionBy != w.saml.EntityID || e.Event.IdP != "acme" || e.Event.OnBehalf != alice.UID || e.Token.IdPUID != w.entry.UID {
				t.Errorf("recorded %+v", e.Event)
			}
		})
	}
}

// TestSAMLBearerOnce: whatever the entry says of reuse; a policy's no uses nothing up.
func TestSAMLBearerOnce(t *testing.T) {
	w := withSAML(t, change{"clients: [agent], resources: [notes]", "reuse: client_bound, clients: [agent], resources: [notes]"})
	a := w.of(w.draft())
	w.granted(t, a)
	w.refused(t, a, oauth.CodeSAMLReplayed)
	if len(w.journal.conflicts) != 1 || w.journal.conflicts[0].Code != "saml_replayed" {
		t.Errorf("conflicts %+v", w.journal.conflicts)
	}

	w = withSAML(t, policyOf(`{"allow": false}`))
	w.refused(t, w.of(w.draft()), oauth.CodePolicyDenied)
	if used := w.journal.last(t).Redemptions; len(used) != 0 {
		t.Errorf("a refusal used up %v", used)
	}
}

// TestSAMLBearerRefuses: one thing wrong, one code.
func TestSAMLBearerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		changes []change
		world   func(w *samlWorld)
		draft   func(w *samlWorld, d *samltest.Draft)
		ask     func(a ask) ask
		code    oauth.Code
		error   string
	}{
		"no client":           {ask: func(a ask) ask { return a.with("client_id").with("client_secret") }, code: oauth.CodeClientAuthenticationRequired, error: "invalid_client"},
		"a wrong secret":      {ask: func(a ask) ask { return a.with("client_secret", "x") }, code: oauth.CodeClientAuthenticationFailed, error: "invalid_client"},
		"no assertion":        {ask: func(a ask) ask { return a.with("assertion") }, code: oauth.CodeParameterMissing, error: "invalid_request"},
		"no XML":              {ask: func(a ask) ask { return a.with("assertion", "e30") }, code: oauth.CodeSAMLMalformed, error: "invalid_grant"},
		"a JWT":               {ask: func(a ask) ask { return a.with("assertion", "e30.e30.e30") }, code: oauth.CodeSAMLMalformed, error: "invalid_grant"},
		"grant not listed":    {changes: []change{{"saml2-bearer\"]", "jwt-bearer\"]"}}, code: oauth.CodeClientGrantNotAllowed, error: "unauthorized_client"},
		"DPoP required":       {changes: []change{{"plan: pro", "plan: pro\n  dpop: required"}}, code: oauth.CodeDPoPProofRequired, error: "invalid_dpop_proof"},
		"no SAML here":        {world: func(w *samlWorld) { must1(w.source.Get(context.Background(), "default")).SignIn.SAML = nil }, code: oauth.CodeIssUnknown, error: "invalid_grant"},
		"profile not listed":  {world: func(w *samlWorld) { w.entry.Assertions.Profiles = nil }, code: oauth.CodeProfileNotAllowed, error: "invalid_grant"},
		"no clients listed":   {world: func(w *samlWorld) { w.entry.Assertions.Clients = nil }, code: oauth.CodeIssuerClientNotAllowed, error: "invalid_grant"},
		"no resources listed": {world: func(w *samlWorld) { w.entry.Assertions.Resources = nil }, code: oauth.CodeResourceUnsettled, error: "invalid_target"},
		"no scopes listed":    {world: func(w *samlWorld) { w.entry.Assertions.Scopes = nil }, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"IdP disabled":        {world: func(w *samlWorld) { w.entry.Disabled = true }, code: oauth.CodeIssDisabled, error: "invalid_grant"},
		"another resource":    {ask: func(a ask) ask { return a.with("resource", wikiURI) }, code: oauth.CodeResourceNotAllowed, error: "invalid_target"},
		"other scopes":        {ask: func(a ask) ask { return a.with("scope", "notes:admin") }, code: oauth.CodeScopeEmpty, error: "invalid_scope"},
		"nobody here":         {draft: func(_ *samlWorld, d *samltest.Draft) { d.Find("NameID").SetText("00u9") }, code: oauth.CodeSAMLSubID, error: "invalid_grant"},
		"user disabled":       {changes: []change{{"status: active", "status: disabled"}}, code: oauth.CodeSubjectDisabled, error: "invalid_grant"},
		"for a browser": {draft: func(_ *samlWorld, d *samltest.Draft) {
			d.Find("SubjectConfirmationData").CreateAttr("Recipient", samlEntity+"/acs")
		}, code: oauth.CodeSAMLRecipient, error: "invalid_grant"},
		"for another":       {draft: func(_ *samlWorld, d *samltest.Draft) { d.Find("Audience").SetText("https://other.example") }, code: oauth.CodeSAMLAudience, error: "invalid_grant"},
		"an unknown IdP":    {draft: func(_ *samlWorld, d *samltest.Draft) { d.Find("Issuer").SetText("https://other.example") }, code: oauth.CodeIssUnknown, error: "invalid_grant"},
		"forged":            {draft: func(_ *samlWorld, d *samltest.Draft) { d.AssertionSignature.Key = samltest.RSAKey(1) }, code: oauth.CodeSAMLSignatureInvalid, error: "invalid_grant"},
		"unsigned":          {draft: func(_ *samlWorld, d *samltest.Draft) { d.SignAssertion = false }, code: oauth.CodeSAMLUnsigned, error: "invalid_grant"},
		"policy says no":    {changes: []change{policyOf(`{"allow": false}`)}, code: oauth.CodePolicyDenied, error: "invalid_grant"},
		"policy wants more": {changes: []change{policyOf(`{"allow": true, "scopes": input.resource.scopes, "step_up": {"acr_values": ["phr"]}}`)}, code: oauth.CodeStepUpRequired, error: "insufficient_user_authentication"},
	} {
		t.Run(name, func(t *testing.T) {
			w := withSAML(t, c.changes...)
			if c.world != nil {
				c.world(w)
			}
			d := w.draft()
			if c.draft != nil {
				c.draft(w, d)
			}
			a := w.of(d)
			if c.ask != nil {
				a = c.ask(a)
			}
			refusal := w.refused(t, a, c.code)
			if refusal.wire.Error != c.error {
				t.Errorf("answered %s", refusal.wire.Error)
			}
			if len(w.journal.entries) > 0 && w.journal.last(t).Token != nil {
				t.Error("a token")
			}
		})
	}
}

// TestSAMLBearerOfPublicClient: nothing in a SAML assertion binds it to a key, so a client that proves nothing has no use for
// one, whatever the tenant says of assertions with cnf.
func TestSAMLBearerOfPublicClient(t *testing.T) {
	w := withSAML(t)
	picture := must1(w.source.Get(t.Context(), "default"))
	picture.PublicClientAssertions = true
	known := must1(w.source.Clients().Lookup(t.Context(), picture.UID, "agent"))
	known.Type = client.Public
	w.refused(t, w.of(w.draft()), oauth.CodeClientPublic)
}

// TestSAMLBearerBound: the token is bound to the key that the request proves.
func TestSAMLBearerBound(t *testing.T) {
	w, h := withSAML(t), newHolder(t)
	a := w.of(w.draft())
	a.proofs = []string{h.proof(t, w.now, nil)}
	if response, minted := w.granted(t, a); response.TokenType != "DPoP" || minted.Claims().Thumbprint != h.thumbprint {
		t.Errorf("%+v", response)
	}
}

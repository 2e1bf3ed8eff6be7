package grant

import (
	"context"
	"crypto/sha256"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// spaceSAML keeps the redemptions of SAML assertions apart from all others; those of sign-in are among them.
const spaceSAML ledger.Space = "saml"

// samlBearer turns a SAML assertion into an access token (RFC 7522 §2.1): jwtBearer's flow for the other form. It needs
// nobody who signed in here, only the IdP's metadata and its entry in assertions.
func (g *Grants) samlBearer(ctx context.Context, c *call) (granted, error) {
	// 1. The client proved who it is, since nothing in the assertion says who may present it; it may use this grant, and
	// shows its key if it must.
	if c.isPublic() {
		return granted{}, c.refuse(oauth.CodeClientPublic, "client", "a public client", "a confidential client")
	}
	if err := c.clientMayUseGrant(); err != nil {
		return granted{}, err
	}

	// 2. The assertion is one that a trusted IdP made for us, and this client may present it.
	verified, err := g.verifySAML(ctx, c)
	if err != nil {
		return granted{}, err
	}

	// 3. The token is for one resource that every party may reach. A SAML assertion names none.
	entry := verified.Provider().Assertions
	c.limits = limitsOf(c.client()).and(entry.Resources, entry.Scopes)
	if err := c.settleResource(nil); err != nil {
		return granted{}, err
	}

	// 4. It speaks of one active user here.
	if err := g.settlePerson(ctx, c, verified.Provider(), verified.Identifiers()); err != nil {
		return granted{}, err
	}

	// 5. The scopes that are left between request, client, resource and entry, which asserts them.
	asserted := oauth.Intersect(c.resource.ScopeNames, entry.Scopes)
	left, err := c.settleScopes(asserted, append(ceilings{asserted}, c.limits.scopes...))
	if err != nil {
		return granted{}, err
	}
	left.asserted = asserted

	// 6. Policy.
	decision, err := g.decide(ctx, c, left)
	if err != nil {
		return granted{}, err
	}

	// 7. The token, and the assertion is redeemed with it, once, whatever the entry says of reuse (SAML profiles §4.1.4.5).
	result, err := g.mint(ctx, c, decision)
	if err != nil {
		return granted{}, err
	}
	result.redemptions = append(result.redemptions, c.redeemSAML(verified))
	return result, nil
}

// verifySAML has federation judge the assertion.
func (g *Grants) verifySAML(ctx context.Context, c *call) (*saml.Bearer, error) {
	encoded := c.Form.Get("assertion")
	if encoded == "" {
		return nil, c.refuse(oauth.CodeParameterMissing, "assertion", "no assertion", "assertion")
	}
	registry := c.Tenant.SignIn.SAML
	if registry == nil { // no IdP of this tenant speaks SAML: whoever made it is unknown
		return nil, c.refuse(oauth.CodeIssUnknown, "Issuer", "an assertion", "an entity ID in the registry")
	}
	clientID, names := namesOf(c.client())
	_, step := trace.Begin(ctx, trace.StepAssertion)
	verifier := saml.Verifier{Now: g.Now}
	verified, err := verifier.VerifyBearer(registry, saml.BearerRequest{
		Assertion: encoded, Issuer: c.Tenant.Issuer, TokenEndpoint: c.Tenant.Issuer + "/token", ClientID: clientID, ClientNames: names,
	})
	step.End(codeOf(err))
	if err != nil {
		return nil, c.refusalOf(err)
	}
	c.said, c.idp = saidInSAML(verified), verified.Provider()
	c.retell(verified.Checks())
	return verified, nil
}

// saidInSAML is what a verified SAML assertion says. It has no type, no actor and no claims of its own.
func saidInSAML(v *saml.Bearer) *statement {
	s := &statement{
		provider: v.Provider(), issuer: v.EntityID(), profile: string(federation.ProfileSAML2Bearer), id: v.ID(),
		subject: v.Identifiers().Subject, guest: v.Identifiers().Guest, issuedAt: v.IssuedAt(), expiresAt: v.ExpiresAt(),
		proof: session.Proof{ACR: v.ACR(), AMR: v.AMR()}, groups: v.Groups(),
	}
	if at, known := v.AuthTime(); known {
		s.proof.AuthTime = at
	}
	return s
}

// redeemSAML names the one use of an assertion, by its IdP and its ID (T27).
func (c *call) redeemSAML(v *saml.Bearer) ledger.Redemption {
	once := v.Redemption()
	return ledger.Redemption{
		Tenant: c.Tenant.UID, Space: spaceSAML, Key: sha256.Sum256([]byte(v.EntityID() + "\x00" + once.Key)),
		ExpiresAt: once.Until.Add(replayMargin), Code: string(oauth.CodeSAMLReplayed),
	}
}

package grant

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// jwtBearer turns an assertion into an access token (RFC 7523 §2.1, ID-JAG §4.4): an ID-JAG or a plain one about a
// person, which a client presents, or a workload's token, which needs no client beside it. What is checked in which
// order, and why the assertion is redeemed last, is in docs/grants.md.
func (g *Grants) jwtBearer(ctx context.Context, c *call) (granted, error) {
	// 1. The client, if one is named, may use this grant, and shows its key if it must.
	if c.client() != nil {
		if err := c.clientMayRedeem(); err != nil {
			return granted{}, err
		}
	}

	// 2. The assertion is one that a trusted issuer made for us, and for this client.
	if err := g.verify(ctx, c); err != nil {
		return granted{}, err
	}

	// 3. Whom it is for: a workload's rule says who the client is; everything else needs one that is there already.
	if err := g.settleClient(ctx, c); err != nil {
		return granted{}, err
	}

	// 4. The token is for one resource that every party may reach.
	if err := c.settleResource(c.assertion.Resources()); err != nil {
		return granted{}, err
	}

	// 5. It speaks of one active user here, or of nobody but the client.
	if err := g.settleSubject(ctx, c); err != nil {
		return granted{}, err
	}

	// 6. The scopes that are left between request, assertion, client, resource and issuer.
	asserted, err := c.assertedScopes()
	if err != nil {
		return granted{}, err
	}
	left, err := c.settleScopes(asserted, append(ceilings{asserted}, c.limits.scopes...))
	if err != nil {
		return granted{}, err
	}
	left.asserted = asserted

	// 7. Policy.
	decision, err := g.decide(ctx, c, left)
	if err != nil {
		return granted{}, err
	}

	// 8. The token, for the subject that we know, bound to the key that was proved.
	result, err := g.mint(ctx, c, decision)
	if err != nil {
		return granted{}, err
	}

	// 9. The assertion is redeemed with it, once.
	if r, once := c.redeemAssertion(); once {
		result.redemptions = append(result.redemptions, r)
	}
	return result, nil
}

// jwtDPoP is jwtBearer for assertions that are bound to a key, which the request proves
// (draft-parecki-oauth-jwt-dpop-grant): a stolen one is of no use.
func (g *Grants) jwtDPoP(ctx context.Context, c *call) (granted, error) {
	if c.proof.IsZero() {
		return granted{}, c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the grant requires")
	}
	return g.jwtBearer(ctx, c)
}

// verify has federation judge the assertion, and asks what it may not say here.
func (g *Grants) verify(ctx context.Context, c *call) error {
	if c.Form.Get("assertion") == "" {
		return c.refuse(oauth.CodeParameterMissing, "assertion", "no assertion", "assertion")
	}
	clientID, names := namesOf(c.client())
	within, step := trace.Begin(ctx, trace.StepAssertion)
	verified, err := g.Assertions.Verify(within, c.Tenant.Registry, c.Tenant.UID.String(), assertion.Request{
		Compact:         c.Form.Get("assertion"),
		Issuer:          c.Tenant.Issuer,
		TokenEndpoint:   c.Tenant.Issuer + "/token",
		ClientID:        clientID,
		ClientNames:     names,
		ProofThumbprint: c.proof.Thumbprint(),
		TenantName:      c.Tenant.Name,
		TenantUID:       c.Tenant.UID.String(),
		IsResource:      c.Tenant.HasResource,
	})
	step.End(codeOf(err))
	if errors.Is(err, assertion.ErrClientNeeded) {
		c.failed("client", "no client", "client authentication")
		return errNoClient()
	}
	if err != nil {
		return c.refusalOf(err)
	}
	c.assertion, c.said, c.idp = verified, saidIn(verified), verified.Provider()
	c.retell(verified.Checks())
	if verified.AuthorizationDetails() != nil { // RFC 9396 §5: no type is known here
		return c.refuse(oauth.CodeAuthorizationDetailsUnsupported, "authorization_details", "authorization_details", "none")
	}
	if c.Form.Get("grant_type") == oauth.GrantTypeJWTDPoP && verified.Thumbprint() == "" {
		return c.refuse(oauth.CodeCNFRequired, "cnf", "an assertion bound to no key", "cnf with the key of the proof")
	}
	return nil
}

// settleClient finds who gets the token, and puts the limits together.
func (g *Grants) settleClient(ctx context.Context, c *call) error {
	if c.assertion.Profile() == federation.ProfileWorkload {
		if err := g.settleWorkload(ctx, c); err != nil {
			return err
		}
	} else if c.client() == nil {
		return errNoClient()
	}
	if c.isPublic() && c.assertion.Thumbprint() == "" {
		return c.refuse(oauth.CodeClientPublic, "cnf", "an assertion bound to no key", "a cnf that this client proves")
	}
	entry := c.assertion.Provider().Assertions
	c.limits = limitsOf(c.client()).and(entry.Resources, entry.Scopes)
	if c.workload != nil {
		c.limits = c.limits.and(c.workload.Resources, c.workload.Scopes)
	}
	return nil
}

// settleSubject finds the person, unless a workload asks for itself.
func (g *Grants) settleSubject(ctx context.Context, c *call) error {
	if c.workload != nil {
		return c.subjectIsClient()
	}
	return g.settlePerson(ctx, c, c.assertion.Provider(), c.assertion.Identifiers())
}

// settlePerson finds the one active user of whom an IdP speaks.
func (g *Grants) settlePerson(ctx context.Context, c *call, idp *federation.IdentityProvider, ids federation.Identifiers) error {
	resolution, err := federation.Resolve(ctx, g.Directories.Directory(c.Tenant), idp, ids)
	if err != nil {
		return c.unresolved(err)
	}
	c.retell(resolution.Checks)
	account := resolution.Account
	if resolution.Provision != nil {
		if account, err = g.provision(ctx, c, idp, resolution); err != nil {
			return err
		}
	}
	c.person, c.subject = &account, account.UID
	return nil
}

// provision makes the user of whom the IdP speaks for the first time, where its entry says so. He stays, whatever becomes
// of the request.
func (g *Grants) provision(ctx context.Context, c *call, idp *federation.IdentityProvider, r federation.Resolution) (federation.Account, error) {
	if g.Provisioner == nil {
		return federation.Account{}, c.refuse(oauth.CodeSubjectUnmatched, "subject", "nobody yet", "a user who exists")
	}
	account, err := g.Provisioner.Provision(ctx, c.Tenant, idp, r)
	if refusal, refused := errors.AsType[*oauth.Error](err); refused {
		return federation.Account{}, c.refuse(refusal.Code, "subject", refusal.Received, refusal.Expected)
	}
	if err != nil {
		return federation.Account{}, notKnown(err)
	}
	if account.UID == "" || account.Status != federation.StatusActive {
		return federation.Account{}, c.refuse(oauth.CodeSubjectDisabled, "subject", account.Status, federation.StatusActive)
	}
	c.passed("provisioned", account.UID, "")
	return account, nil
}

// namesOf are what an IdP's entry may call a client: its name, or the host of its metadata document. A host has a dot,
// which no name has. Who named no client has no names.
func namesOf(c *client.Client) (clientID string, names []string) {
	if c == nil {
		return "", nil
	}
	names = []string{c.Name}
	if u, err := url.Parse(c.ClientID); err == nil && u.Scheme == "https" && strings.Contains(u.Hostname(), ".") {
		names = append(names, strings.ToLower(u.Hostname()))
	}
	return c.ClientID, names
}

// unresolved: a directory that cannot be read is no refusal of the subject.
func (c *call) unresolved(err error) error {
	if _, refused := errors.AsType[*federation.Refusal](err); refused || errors.Is(err, federation.ErrForeignIdentifiers) {
		return c.refusalOf(err)
	}
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
}

package grant

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// replayMargin keeps a redemption longer than the assertion lives, against clocks that disagree.
const replayMargin = federation.MaxClockSkew

// jwtBearer turns an ID-JAG into an access token (RFC 7523 §2.1, ID-JAG §4.4). What is checked in which order, and why
// the assertion is redeemed last, is in docs/grants.md.
func (g *Grants) jwtBearer(ctx context.Context, c *call) (granted, error) {
	// 1. The client may use this grant, and shows its key if it must.
	if err := c.clientMayRedeem(); err != nil {
		return granted{}, err
	}

	// 2. The assertion is one that a trusted issuer made for us and for this client.
	if c.Form.Get("assertion") == "" {
		return granted{}, c.refuse(oauth.CodeParameterMissing, "assertion", "no assertion", "assertion")
	}
	verified, err := g.Assertions.Verify(ctx, c.Tenant.Registry, c.Tenant.UID.String(), assertion.Request{
		Compact:         c.Form.Get("assertion"),
		Issuer:          c.Tenant.Issuer,
		ClientID:        c.client().ClientID,
		ClientNames:     namesOf(c.client()),
		ProofThumbprint: c.proof.Thumbprint(),
		TenantName:      c.Tenant.Name,
		TenantUID:       c.Tenant.UID.String(),
		IsResource:      c.Tenant.HasResource,
	})
	if err != nil {
		return granted{}, c.refusalOf(err)
	}
	c.assertion, c.idp = verified, verified.Provider()
	c.retell(verified.Checks())
	if verified.AuthorizationDetails() != nil { // RFC 9396 §5: no type is known here
		return granted{}, c.refuse(oauth.CodeAuthorizationDetailsUnsupported, "authorization_details", "authorization_details", "none")
	}
	if !c.authentication.Proved() && verified.Thumbprint() == "" {
		return granted{}, c.refuse(oauth.CodeClientPublic, "cnf", "an assertion bound to no key", "a cnf that this client proves")
	}

	// 3. The token is for one resource that client and issuer may both reach.
	c.resource, err = c.settleResource(verified.Resources())
	if err != nil {
		return granted{}, err
	}
	if c.resource.DPoPRequired && c.proof.IsZero() {
		return granted{}, c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the resource requires")
	}

	// 4. It speaks of one active user here.
	resolution, err := federation.Resolve(ctx, g.Directories.Directory(c.Tenant), verified.Provider(), verified.Identifiers())
	if err != nil {
		return granted{}, c.unresolved(err)
	}
	c.retell(resolution.Checks)
	if resolution.Provision != nil {
		return granted{}, c.refuse(oauth.CodeSubjectUnmatched, "subject", "nobody yet", "a user who exists: just-in-time provisioning comes with sign-in")
	}
	c.account = resolution.Account

	// 5. The scopes that are left between request, assertion, client, resource and issuer.
	scopes, err := c.ceilings(verified)
	if err != nil {
		return granted{}, err
	}

	// 6. Policy.
	decision, err := g.decide(ctx, c, scopes)
	if err != nil {
		return granted{}, err
	}

	// 7. The token, for the subject that we know, bound to the key that was proved.
	result, err := g.mint(ctx, c, decision)
	if err != nil {
		return granted{}, err
	}

	// 8. The assertion is redeemed with it, once.
	if r, once := c.redeemAssertion(); once {
		result.redemptions = append(result.redemptions, r)
	}
	return result, nil
}

// namesOf are what an IdP's entry may call a client: its name, or the host of its metadata document. A host has a dot,
// which no name has.
func namesOf(c *client.Client) []string {
	names := []string{c.Name}
	if u, err := url.Parse(c.ClientID); err == nil && u.Scheme == "https" && strings.Contains(u.Hostname(), ".") {
		names = append(names, strings.ToLower(u.Hostname()))
	}
	return names
}

// unresolved: a directory that cannot be read is no refusal of the subject.
func (c *call) unresolved(err error) error {
	if _, refused := errors.AsType[*federation.Refusal](err); refused || errors.Is(err, federation.ErrForeignIdentifiers) {
		return c.refusalOf(err)
	}
	return &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
}

// clientMayRedeem holds the rules that come before the assertion is looked at. Who proved nothing is a public client,
// which a tenant may admit if its assertions are bound to a key that it proves.
func (c *call) clientMayRedeem() error {
	caller := c.client()
	switch {
	case !c.authentication.Proved() && !c.Tenant.PublicClientAssertions:
		return c.refuse(oauth.CodeClientPublic, "client", "a client that proved nothing", "a confidential client")
	case !caller.MayUse(oauth.GrantTypeJWTBearer):
		return c.refuse(oauth.CodeClientGrantNotAllowed, "grant_type", oauth.GrantTypeJWTBearer, strings.Join(caller.GrantTypes, " "))
	case caller.RequireDPoP && c.proof.IsZero():
		return c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the client requires")
	}
	return nil
}

// redeemAssertion names the one use of the assertion. Under reuse: client_bound an assertion may come again from the
// same client (its client_id claim) with the same key (its cnf), or with no key at all; one that would bind the token
// to a key of the caller's choice is used up.
func (c *call) redeemAssertion() (ledger.Redemption, bool) {
	v := c.assertion
	if v.Provider().Assertions.Reuse == federation.ReuseClientBound && (v.Thumbprint() != "" || c.proof.IsZero()) {
		return ledger.Redemption{}, false
	}
	return ledger.Redemption{
		Tenant:    c.Tenant.UID,
		Space:     ledger.SpaceAssertion,
		Key:       sha256.Sum256([]byte(v.Issuer() + "\x00" + v.ID())), // never of the raw string, which can be re-encoded
		ExpiresAt: v.RedeemableUntil().Add(replayMargin),
		Code:      string(oauth.CodeJTIReplayed),
	}, true
}

func newDecisionID(c *call) string { return id.New(id.Decision, c.now) }

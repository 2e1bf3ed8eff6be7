package grant

import (
	"context"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/identity"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/policy"
)

// mint signs the access token (RFC 9068) on the request's own goroutine and says what will be remembered of it.
func (g *Grants) mint(ctx context.Context, c *call, d policy.Decision) (_ granted, err error) {
	ctx, step := trace.Begin(ctx, trace.StepMint)
	defer func() { step.End(codeOf(err)) }()
	signer, err := g.Signers.Signer(ctx, c.Tenant.UID, c.resource.Algorithm)
	if err != nil {
		return granted{}, &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	lifetime := c.resource.Lifetime
	if d.Lifetime > 0 {
		lifetime = min(lifetime, d.Lifetime)
	}
	lifetime = lifetime.Truncate(time.Second) // exp and expires_in are whole seconds; what is left of less is no token
	now := c.now.Truncate(time.Second)
	claims := token.Claims{
		Issuer:      c.Tenant.Issuer,
		Subject:     c.subject,
		Audience:    c.resource.URI,
		ClientID:    c.client().ClientID,
		Scope:       strings.Join(c.scopeOfToken(d), " "),
		IssuedAt:    now,
		ExpiresAt:   now.Add(lifetime),
		ID:          id.New(id.Token, c.now),
		AuthTime:    c.authTime(),
		ACR:         c.acr(),
		AMR:         c.amr(),
		Thumbprint:  c.proof.Thumbprint(),
		Tenant:      c.Tenant.Name,
		Plan:        c.client().Plan,
		Environment: c.client().Environment,
		Extra:       c.extraClaims(),
		Policy:      d.Claims,
	}
	compact, err := token.Mint(claims, signer)
	if err != nil {
		return granted{}, err
	}
	kind := oauth.TokenTypeBearer
	if claims.Thumbprint != "" {
		kind = oauth.TokenTypeDPoP // RFC 9449 §5
	}
	return granted{
		response: Response{AccessToken: compact, TokenType: kind, ExpiresIn: lifetime, Scope: claims.Scope, Resource: claims.Audience},
		token: &ledger.IssuedToken{
			ID: claims.ID, Tenant: c.Tenant.UID, IssuedAt: claims.IssuedAt, ExpiresAt: claims.ExpiresAt, KeyID: signer.KeyID(),
			GrantType: c.Form.Get("grant_type"), ClientUID: c.client().UID, Subject: claims.Subject, IdPUID: c.issuerUID(),
			ResourceID: c.resource.UID, Audience: claims.Audience, Scope: claims.Scope, Thumbprint: claims.Thumbprint,
			DecisionID: c.decision.ID, Trace: c.Trace,
		},
	}, nil
}

// scopeOfToken is what policy leaves, and openid and what goes with it where the person let the client know who he is: the
// userinfo endpoint answers to it.
func (c *call) scopeOfToken(d policy.Decision) []string {
	if c.signedIn == nil {
		return d.Scopes
	}
	return identity.InToken(d.Scopes, c.signedIn.identity, c.resource)
}

// extraClaims are what the resource asks for beyond the standard ones.
func (c *call) extraClaims() map[string]any {
	if len(c.resource.TokenClaims) == 0 {
		return nil
	}
	extra := make(map[string]any, len(c.resource.TokenClaims))
	for _, name := range c.resource.TokenClaims {
		switch name {
		case "groups":
			if c.groupsOfUser.state == policy.GroupsComplete { // not known is not none: absent, never null
				extra["groups"] = c.groupsOfUser.names
			}
		case "email":
			if c.person != nil && c.person.Email != "" {
				extra["email"] = c.person.Email
			}
		}
	}
	return extra
}

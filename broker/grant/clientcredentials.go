package grant

import (
	"context"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// clientCredentials gives a client a token for itself (RFC 6749 §4.4). Nobody vouches for it but its own registration, so
// there is no ceiling beside the client's and the resource's, and policy decides the rest. There is no refresh token
// (§4.4.3).
func (g *Grants) clientCredentials(ctx context.Context, c *call) (granted, error) {
	// 1. The client proved who it is (§4.4: confidential clients only), may use this grant, and shows its key if it must.
	if c.isPublic() {
		return granted{}, c.refuse(oauth.CodeClientPublic, "client", "a public client", "a confidential client")
	}
	if err := c.clientMayUseGrant(); err != nil {
		return granted{}, err
	}
	if err := c.subjectIsClient(); err != nil {
		return granted{}, err
	}

	// 2. One of the client's resources: the one that the request names, or the only one.
	c.limits = limitsOf(c.client())
	if err := c.settleResource(nil); err != nil {
		return granted{}, err
	}

	// 3. The scopes that are left between request, client and resource.
	left, err := c.settleScopes(c.resource.DefaultScopes, c.limits.scopes)
	if err != nil {
		return granted{}, err
	}

	// 4. Policy, which sees no issuer, no assertion and no user.
	decision, err := g.decide(ctx, c, left)
	if err != nil {
		return granted{}, err
	}

	// 5. The token, whose subject is the client.
	return g.mint(ctx, c, decision)
}

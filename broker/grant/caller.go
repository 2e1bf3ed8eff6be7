package grant

import (
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// errNoClient is the answer where an authenticated client is needed and none came (ID-JAG §4.4, EMA 7.7).
func errNoClient() *oauth.Error {
	return oauth.Refuse(oauth.CodeClientAuthenticationRequired, "no client", "client authentication")
}

// introduce tells the story who asks.
func (c *call) introduce() {
	if c.client() != nil {
		c.passed("client", strings.TrimSpace(c.client().Name+" by "+string(c.authentication.Method())+" "+c.authentication.SecretID()), "")
	}
}

// clientMayRedeem holds the rules for a client that has an assertion. A public one a tenant may admit if its assertions
// are bound to a key that it proves.
func (c *call) clientMayRedeem() error {
	if c.isPublic() && !c.Tenant.PublicClientAssertions {
		return c.refuse(oauth.CodeClientPublic, "client", "a public client", "a confidential client")
	}
	return c.clientMayUseGrant()
}

// isPublic: whose client proved nothing, and one that is registered as public, whatever rule leads to it (RFC 6749 §2.1).
func (c *call) isPublic() bool {
	return !c.authentication.Proved() || c.client().Type == client.Public
}

// clientMayUseGrant holds the rules for every client: it lists the grant, and shows its key if it must.
func (c *call) clientMayUseGrant() error {
	caller, grantType := c.client(), c.Form.Get("grant_type")
	switch {
	case !caller.MayUse(grantType):
		return c.refuse(oauth.CodeClientGrantNotAllowed, "grant_type", grantType, strings.Join(caller.GrantTypes, " "))
	case caller.RequireDPoP && c.proof.IsZero():
		return c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the client requires")
	}
	return nil
}

// subjectIsClient makes the client the token's subject. Its client_id, which an administrator chose, must not read as one
// of our users (RFC 9068 §5).
func (c *call) subjectIsClient() error {
	clientID := c.client().ClientID
	if strings.HasPrefix(strings.ToLower(clientID), string(id.User)+"_") {
		return c.refuse(oauth.CodeClientGrantNotAllowed, "subject", clientID, "a client_id that is not the form of a user's id")
	}
	c.subject = clientID
	return nil
}

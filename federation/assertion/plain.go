package assertion

import (
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// readPlain reads an assertion of RFC 7523 §3 that any authorization server may
// issue. The claims that name its own client (azp, appid) are the IdP's and not
// ours.
func (c *claimSet) readPlain(idp *federation.IdentityProvider) {
	c.readCommon(idp)
	c.issued = c.requiredTime("iat")
	c.clientID = c.text("client_id")
	if idp.Assertions.Reuse != federation.ReuseClientBound && c.id == "" { // what is used once has a name
		c.demand("jti")
	}
	c.readPerson()
	if !c.isDomainOwned() {
		unverified := false
		c.emailVerified = &unverified
	}
	c.guest = c.readGuest(idp.Dialect)
}

// readCommon reads what a plain assertion and a workload's token share.
func (c *claimSet) readCommon(idp *federation.IdentityProvider) {
	c.issuer = idp.Issuer // which iss is, where it is there: the entry was found by it
	if !idp.Dialect.SPIFFE {
		c.demand("iss") // RFC 7523 §3 (1)
	}
	c.text("iss")                 // an empty one is there, and wrong
	c.subject = c.required("sub") // RFC 7523 §3 (2)
	if name := idp.Dialect.SubjectClaim; name != "" {
		c.subject = c.required(name)
		if len(c.subject) > jws.MaxIdentifier {
			c.refuse(federation.CodeClaimMalformed, name, "longer", "1 to 255 bytes", nil)
		}
	}
	c.audience = c.audiences()        // RFC 7523 §3 (3)
	c.expires = c.requiredTime("exp") // RFC 7523 §3 (4)
	c.notBefore = c.time("nbf")       // RFC 7523 §3 (5)
	c.id = c.text("jti")              // RFC 7523 §3 (7)
	if name := idp.Dialect.IDClaim; name != "" && c.id == "" {
		c.id = c.text(name)
	}
	switch name := idp.Dialect.TenantClaim; {
	case name != "":
		c.tenant = c.required(name)
	case !idp.Dialect.SPIFFE: // there it is the trust domain of sub
		c.tenant = c.text("tenant")
	}
	c.readAgent(idp.Dialect)
}

// isDomainOwned: an IdP may say that the address's domain was never verified
// (xms_edov); an address that anybody can give himself is none (T13). Saying
// nothing is not saying no.
func (c *claimSet) isDomainOwned() bool {
	value, present := c.claims.Value("xms_edov")
	return !present || value == true || value == int64(1) || value == "1" || value == "true"
}

// readGuest: a claim in which guests are told must be readable where it is there, and
// what is not known to say "member" does not say it.
func (c *claimSet) readGuest(dialect federation.Dialect) bool {
	if dialect.GuestClaim == "" {
		return false
	}
	value, present := c.claims.Value(dialect.GuestClaim)
	if !present {
		return false
	}
	text, ok := scalar(value)
	if !ok {
		c.refuse(federation.CodeClaimMalformed, dialect.GuestClaim, "", "text, a number or a boolean", nil)
	}
	return text != dialect.MemberValue
}

// checkPlainAudience: RFC 7523 §3 (3), with RFC 7523bis: our issuer or our token
// endpoint, byte for byte, or an audience that the entry lists because its IdP
// cannot be told another. Exactly one: a second could redeem it too (T9).
func (w *walk) checkPlainAudience(c *claimSet) error {
	const name = "aud"
	ours := []string{w.request.Issuer}
	if w.request.TokenEndpoint != "" {
		ours = append(ours, w.request.TokenEndpoint)
	}
	ours = append(ours, w.idp.Assertions.Audiences...)
	expected := strings.Join(ours, " or ")
	switch {
	case len(c.audience) > 1:
		return w.trail.Refuse(federation.CodeAudMulti, name, strings.Join(c.audience, " "), expected+", alone", nil)
	case len(c.audience) == 0:
		return w.trail.Refuse(federation.CodeAudNotUs, name, "nobody", expected, nil)
	}
	received := c.audience[0]
	switch {
	case slices.Contains(ours, received):
		w.trail.Pass(name, received, expected)
		return nil
	case w.request.IsResource != nil && w.request.IsResource(received):
		return w.trail.Refuse(federation.CodeAudIsResource, name, received, expected, nil)
	default:
		return w.trail.Refuse(federation.CodeAudNotUs, name, received, expected, nil)
	}
}

// checkNamedClient: a client_id, where there is one, is the client at this server.
func (w *walk) checkNamedClient(c *claimSet) error {
	if c.clientID == "" {
		return nil
	}
	return w.checkClient(c)
}

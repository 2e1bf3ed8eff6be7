package assertion

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Bounds of claims, in bytes and elements.
const (
	maxText      = 1024
	maxURI       = 2048
	maxResources = 50
	maxMethods   = 32
	maxDetails   = 50
)

// claimSet is an assertion's claims with their types, read once.
type claimSet struct {
	claims jws.Claims
	trail  *federation.Trail
	// refusal is the first claim that is absent where it must not be, or of the
	// wrong form; nothing else may be used while it is set.
	refusal *federation.Refusal

	issuer, subject, clientID, id         string
	audience                              []string
	issued, expires                       time.Time
	notBefore, authTime                   time.Time // zero when absent
	tenant, audTenant, audSub, email, acr string    // "" when absent
	emailVerified                         *bool
	methods, resources, scopes            []string
	details                               []any
	subjectID                             federation.SubjectID
	subjectIDFormat                       string
	actor                                 map[string]any
	guest                                 bool
	agent                                 *Agent // nil when nothing is said of one
}

// read gives each claim its type (RFC 7519 §4.1), as the profile reads it. A claim
// that is there and null is there with the wrong type. What a profile does not read
// has no meaning in it, and stays a private claim.
func read(claims jws.Claims, profile federation.Profile, idp *federation.IdentityProvider, trail *federation.Trail) *claimSet {
	c := &claimSet{claims: claims, trail: trail}
	switch profile {
	case federation.ProfileJWTBearer:
		c.readPlain(idp)
	case federation.ProfileWorkload:
		c.readWorkload(idp)
	default:
		c.readIDJAG()
	}
	return c
}

// readIDJAG: ID-JAG §3.1.
func (c *claimSet) readIDJAG() {
	c.issuer = c.required("iss")
	c.subject = c.required("sub")
	c.audience = c.audiences()
	c.clientID = c.required("client_id")
	c.id = c.required("jti")
	c.expires = c.requiredTime("exp")
	c.issued = c.requiredTime("iat")
	c.notBefore = c.time("nbf")
	c.scopes = c.scope()
	c.readPerson()
	c.tenant = c.text("tenant")
}

// readPerson reads what an assertion says of a person, how he signed in, and for
// what (ID-JAG §3.1, OIDC Core §2).
func (c *claimSet) readPerson() {
	c.resources = c.uris("resource")
	c.details = c.authorizationDetails()
	c.audTenant = c.text("aud_tenant")
	c.audSub = c.text("aud_sub")
	c.email = c.text("email")
	c.emailVerified = c.boolean("email_verified")
	c.readSubjectID()
	c.authTime = c.time("auth_time")
	c.acr = c.text("acr")
	c.methods = c.list("amr", maxMethods)
	c.actor = c.object("act")
}

func (c *claimSet) refuse(code federation.Code, name, received, expected string, cause error) {
	if c.refusal == nil {
		c.refusal = c.trail.Refuse(code, name, received, expected, cause)
	}
}

// fail refuses a claim of the wrong type.
func (c *claimSet) fail(name string, err error) bool {
	if err != nil && c.refusal == nil {
		c.refusal = refuseClaim(c.trail, name, err)
	}
	return err != nil || c.refusal != nil
}

func (c *claimSet) text(name string) string {
	value, present, err := c.claims.String(name)
	if c.fail(name, err) || !present {
		return ""
	}
	if value == "" || len(value) > maxText || hasControl(value) {
		c.refuse(federation.CodeClaimMalformed, name, value, "plain text of 1 to 1,024 bytes", nil)
		return ""
	}
	return value
}

func (c *claimSet) required(name string) string {
	c.demand(name)
	return c.text(name)
}

func (c *claimSet) demand(name string) {
	if !c.claims.Has(name) {
		c.refuse(federation.CodeClaimMissing, name, "", "the claim", nil)
	}
}

func (c *claimSet) time(name string) time.Time {
	value, _, err := c.claims.Time(name)
	if c.fail(name, err) {
		return time.Time{}
	}
	return value
}

func (c *claimSet) requiredTime(name string) time.Time {
	c.demand(name)
	return c.time(name)
}

func (c *claimSet) boolean(name string) *bool {
	value, present, err := c.claims.Bool(name)
	if c.fail(name, err) || !present {
		return nil
	}
	return &value
}

func (c *claimSet) object(name string) map[string]any {
	value, _, err := c.claims.Object(name)
	if c.fail(name, err) {
		return nil
	}
	return value
}

func (c *claimSet) audiences() []string {
	c.demand("aud")
	values, _, err := c.claims.Audience()
	if c.fail("aud", err) {
		return nil
	}
	return values
}

// list reads an array of strings; one string is no array (OIDC Core §2, amr).
func (c *claimSet) list(name string, most int) []string {
	elements, present, err := c.claims.List(name)
	if c.fail(name, err) || !present {
		return nil
	}
	values, ok := plainStrings(elements)
	if !ok || len(values) > most {
		c.refuse(federation.CodeClaimMalformed, name, "", "a short list of names", nil)
		return nil
	}
	return values
}

// plainStrings makes strings of an array's elements, none empty or with control
// characters.
func plainStrings(elements []any) ([]string, bool) {
	values := make([]string, len(elements))
	for i, element := range elements {
		text, ok := element.(string)
		if !ok || text == "" || len(text) > maxText || hasControl(text) {
			return nil, false
		}
		values[i] = text
	}
	return values, true
}

// uris reads resource (RFC 8707 §2, ID-JAG §3.1): one absolute URI without
// fragment, or several. Whether they are resources of ours is not asked here.
func (c *claimSet) uris(name string) []string {
	values, present, err := c.claims.Strings(name)
	if c.fail(name, err) || !present {
		return nil
	}
	if len(values) == 0 || len(values) > maxResources {
		c.refuse(federation.CodeClaimMalformed, name, "", "1 to 50 URIs", nil)
		return nil
	}
	for _, value := range values {
		u, err := url.Parse(value)
		if err != nil || !u.IsAbs() || strings.Contains(value, "#") || len(value) > maxURI || hasControl(value) {
			c.refuse(federation.CodeClaimMalformed, name, value, "an absolute URI without fragment", err)
			return nil
		}
	}
	return values
}

// scope reads RFC 6749 §3.3's list. An empty string is no list of scopes: who
// asserts none leaves the claim out.
func (c *claimSet) scope() []string {
	value, present, err := c.claims.String("scope")
	if c.fail("scope", err) || !present {
		return nil
	}
	var scopes []string
	for token := range strings.SplitSeq(value, " ") {
		if token == "" || strings.ContainsFunc(token, isNoScopeCharacter) {
			c.refuse(federation.CodeClaimMalformed, "scope", value, "scope tokens with single spaces between", nil)
			return nil
		}
		if !slices.Contains(scopes, token) {
			scopes = append(scopes, token)
		}
	}
	return scopes
}

func isNoScopeCharacter(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' }

// authorizationDetails reads RFC 9396 §2's array; what its types mean is not
// asked here.
func (c *claimSet) authorizationDetails() []any {
	const name = "authorization_details"
	details, _, err := c.claims.List(name)
	if c.fail(name, err) {
		return nil
	}
	for _, detail := range details {
		object, _ := detail.(map[string]any)
		if kind, _ := object["type"].(string); kind == "" || len(details) > maxDetails {
			c.refuse(federation.CodeClaimMalformed, name, "", "at most 50 objects with a type", nil)
			return nil
		}
	}
	return details
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 })
}

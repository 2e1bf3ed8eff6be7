package oidc

import (
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// idToken is an ID token's claims with their types, read once (OIDC Core §2).
type idToken struct {
	claims jws.Claims

	sub                        string // as sent
	subject, tenant            string // in whose words the account is keyed
	audience                   []string
	azp, nonce, atHash         string
	expires, issued, notBefore time.Time
	authTime                   time.Time // zero when absent
	contexts                   []string  // acr, or the dialect's list of them
	methods                    []string
	session                    string // sid
	email                      string
	emailVerified              *bool
	name                       string
	guest                      bool
	hostedDomain               string
}

// readIDToken gives each claim its type. What it means is checked afterwards.
func readIDToken(claims jws.Claims, e *Entry, trail *federation.Trail) (*idToken, error) {
	r := &reader{claims: claims, trail: trail}
	tokens, dialect := e.Provider.Dialect, e.Dialect
	t := &idToken{claims: claims}
	t.sub = r.required("sub") // §2: at most 255 ASCII characters
	t.subject = t.sub
	if name := tokens.SubjectClaim; name != "" { // Entra: oid; sub differs for each application
		t.subject = r.required(name)
	}
	if name := tokens.TenantClaim; name != "" {
		t.tenant = r.required(name)
	} else {
		t.tenant = r.identifier("tenant") // OpenID Connect Enterprise Extensions
	}
	t.audience = r.audience()
	t.azp, t.nonce, t.atHash = r.text("azp"), r.text("nonce"), r.text("at_hash")
	t.expires, t.issued = r.requiredTime("exp"), r.requiredTime("iat")
	t.notBefore, t.authTime = r.time("nbf"), r.time("auth_time")
	t.readContexts(r, dialect)
	t.methods = r.words("amr", false)
	t.session = r.identifier("sid")
	t.readEmail(r)
	t.name = r.text("name")
	t.guest = readGuest(r, tokens)
	if dialect.HostedDomainClaim != "" {
		t.hostedDomain = r.text(dialect.HostedDomainClaim)
	}
	if r.refusal != nil {
		return nil, r.refusal
	}
	return t, nil
}

// readContexts: acr is one string (§2): a list of them would be met by any.
func (t *idToken) readContexts(r *reader, dialect Dialect) {
	if dialect.ACRListClaim != "" {
		t.contexts = r.words(dialect.ACRListClaim, true)
		return
	}
	if acr := r.text("acr"); acr != "" {
		t.contexts = []string{acr}
	}
}

// readEmail: an address whose domain the IdP says was never verified is one that
// anybody can give himself (xms_edov, T13). Saying nothing is not saying no: what an
// address is worth, the entry's rules for subjects say.
func (t *idToken) readEmail(r *reader) {
	t.email, t.emailVerified = r.text("email"), r.boolean("email_verified")
	owned, present := r.claims.Value("xms_edov")
	if present && owned != true && owned != int64(1) && owned != "1" && owned != "true" {
		unverified := false
		t.emailVerified = &unverified
	}
}

// readGuest: a claim in which guests are told must be readable where it is there.
func readGuest(r *reader, dialect federation.Dialect) bool {
	if dialect.GuestClaim == "" {
		return false
	}
	value, present := r.claims.Value(dialect.GuestClaim)
	if !present {
		return false
	}
	text, ok := scalar(value)
	if !ok {
		r.refuse(federation.CodeClaimMalformed, dialect.GuestClaim, "", "text, a number or a boolean", nil)
	}
	return text != dialect.MemberValue
}

// consumed are the claims that have a meaning here; the rest is private.
func (e *Entry) consumed() []string {
	return []string{
		"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "auth_time", "amr", "sid", "typ",
		"email", "email_verified", "name", "_claim_names", "_claim_sources", "hasgroups",
		acrClaim(e.Dialect), e.groupsClaim(),
	}
}

func (e *Entry) groupsClaim() string {
	if e.Provider.Claims.ReadsClaim() {
		return e.Provider.Claims.Groups
	}
	return ""
}

func acrClaim(d Dialect) string {
	if d.ACRListClaim != "" {
		return d.ACRListClaim
	}
	return "acr"
}

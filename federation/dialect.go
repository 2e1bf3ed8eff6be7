package federation

// Dialect is how one product's tokens differ from what the standards say. The zero
// value is no difference. It is filled from the preset of an entry; this room
// knows no product by name.
type Dialect struct {
	// TenantClaim carries the IdP-side tenant in profiles other than id-jag, and is
	// required there; "" is tenant, which is not. Entra: tid.
	TenantClaim string
	// Tenant, if set, is what TenantClaim must be, beside any list: the tenant that
	// the issuer itself names.
	Tenant string
	// SubjectClaim identifies the subject in profiles other than id-jag; "" is sub.
	// Entra: oid, because its sub differs for each application.
	SubjectClaim string
	// IDClaim names the token where it has no jti, in profiles other than id-jag; ""
	// is no such claim. Entra: uti.
	IDClaim string
	// SPIFFE: sub is a SPIFFE ID of the issuer's trust domain, iss may be absent, and
	// keys carry use jwt-svid (SPIFFE JWT-SVID §3).
	SPIFFE bool
	// NamesApplication: an access token names the application that it was issued to (azp or
	// appid), and an ID token names none. Entra.
	NamesApplication bool
	// AgentClaims: the token may speak of an agent in Entra's words (xms_act_fct,
	// xms_sub_fct, xms_par_app_azp, xms_idrel, idtyp).
	AgentClaims bool
	// GuestClaim tells guests in profiles other than id-jag: where it is there, whoever
	// is not said to be a member by MemberValue (a number or boolean in its JSON form) is
	// one.
	GuestClaim, MemberValue string
}

package object

import "encoding/json"

// UserSpec is a person or a service account.
type UserSpec struct {
	Email      string         `json:"email,omitempty"`
	Status     string         `json:"status,omitempty"`
	Groups     []string       `json:"groups,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Identities []Identity     `json:"identities,omitempty"`
}

// Identity links the user to a subject at an IdP.
type Identity struct {
	IdP    string         `json:"idp,omitempty"` // name
	Sub    string         `json:"sub,omitempty"`
	Tenant string         `json:"tenant,omitempty"` // IdP-side
	SubID  map[string]any `json:"sub_id,omitempty"` // RFC 9493
}

// StatusDisabled is a user who gets nothing.
const StatusDisabled = "disabled"

// WithDefaults returns a copy in which what is absent says what it means.
func (s *UserSpec) WithDefaults() *UserSpec {
	filled := *s
	filled.Status = or(s.Status, StatusActive)
	return &filled
}

// The spaces of natural keys.
const (
	SpaceIssuer      = "issuer"
	SpaceClientID    = "client_id"
	SpaceResourceURI = "resource_uri"
	SpaceIdentity    = "identity"
	SpaceSubID       = "sub_id"
	SpaceEmail       = "email"
)

// IdentityKey is the value of the key in SpaceIdentity: an IdP's name, the IdP-side tenant ("" for none) and the subject.
func IdentityKey(idp, tenant, sub string) string { return joinKey(idp, tenant, sub) }

// SubIDKey is the value of the key in SpaceSubID; canonical is federation.SubjectID.Canonical.
func SubIDKey(idp, tenant, canonical string) string { return joinKey(idp, tenant, canonical) }

// joinKey is a JSON list: no part can run into the next.
func joinKey(parts ...string) string {
	b, err := json.Marshal(parts)
	if err != nil {
		return "" // strings always marshal
	}
	return string(b)
}

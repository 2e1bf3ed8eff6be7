package object

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

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
	SpaceEntityID    = "saml_entity_id"
	SpaceDomain      = "domain" // of people's addresses: where their home realm is
)

// Link names one IdP object together with its issuer. A user is linked to that, and not to whatever bears the IdP's name: an
// IdP that is made again under the name, or pointed at another issuer, speaks of nobody until the users are applied again.
func Link(idpUID, issuer string) string {
	sum := sha256.Sum256([]byte(issuer))
	return idpUID + "@" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// LinkOf is the link that a key is made of; none for a key that links nobody.
func LinkOf(k Key) (link string, ok bool) {
	if k.Space != SpaceIdentity && k.Space != SpaceSubID {
		return "", false
	}
	var parts []string
	if err := json.Unmarshal([]byte(k.Value), &parts); err != nil || len(parts) != 3 {
		return "", false
	}
	return parts[0], true
}

// IdentityKey is the value of the key in SpaceIdentity: the Link to an IdP, the IdP-side tenant ("" for none) and the subject.
func IdentityKey(link, tenant, sub string) string { return joinKey(link, tenant, sub) }

// SubIDKey is the value of the key in SpaceSubID; canonical is federation.SubjectID.Canonical.
func SubIDKey(link, tenant, canonical string) string { return joinKey(link, tenant, canonical) }

// joinKey is a JSON list: no part can run into the next.
func joinKey(parts ...string) string {
	b, err := json.Marshal(parts)
	if err != nil {
		return "" // strings always marshal
	}
	return string(b)
}

package object

// What a tenant's version may name besides a Kind.
const (
	// ChangedSigningKey is a key that signs tokens.
	ChangedSigningKey = "SigningKey"
	// ChangedServiceProviderKey is a key with which the tenant speaks to SAML IdPs; pictures hold it.
	ChangedServiceProviderKey = "ServiceProviderKey"
	// ChangedSAMLMetadata is what an IdP says of itself, as far as it is in use; pictures hold it. Its uid is the IdP's.
	ChangedSAMLMetadata = "SAMLMetadata"
	// ChangedRevocation ended tokens of the object; the object itself is as it was.
	ChangedRevocation = "Revocation"
	// ChangedConsent is a person's word for a client that he took back. Its uid is ConsentUID.
	ChangedConsent = "Consent"
	// ChangedConnection ended, or was held. Pictures do not hold it, but a lease that was decided before must not leave.
	ChangedConnection = "Connection"
	// ChangedHolder did not change itself, but shares a natural key with an object that did.
	ChangedHolder = "Holder"
)

// ConsentUID names what a person let a client do, all of it.
func ConsentUID(userUID, clientUID string) string { return userUID + " " + clientUID }

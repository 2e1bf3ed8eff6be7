package object

// What a tenant's version may name besides a Kind.
const (
	// ChangedSigningKey is a key that signs tokens.
	ChangedSigningKey = "SigningKey"
	// ChangedRevocation ended tokens of the object; the object itself is as it was.
	ChangedRevocation = "Revocation"
	// ChangedHolder did not change itself, but shares a natural key with an object that did.
	ChangedHolder = "Holder"
)

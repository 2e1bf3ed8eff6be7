package snapshot

import (
	"context"
	"crypto/x509"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// SignInConfig is what the way in of people needs beside objects. Each member may be nil: an IdP that needs it then takes
// nobody in, and everything else of its tenant stands.
type SignInConfig struct {
	// ResolveSecret reads a secret that an IdentityProvider refers to.
	ResolveSecret func(object.SecretRef) (secret.Text, error)
	// MayRefer tells whether objects that are not the configuration's may refer to a secret too.
	MayRefer func(object.SecretRef) bool
	// ReadFile reads a file that an object of the configuration names: a tenant's logo.
	ReadFile func(path string) ([]byte, error)
	// AssertionSigners sign for tenants whose client at an IdP has a key instead of a secret.
	AssertionSigners AssertionSigners
	// SAMLMetadata has what IdPs say of themselves under their metadata_url.
	SAMLMetadata SAMLMetadata
	// ServiceProviderKeys are those with which a tenant signs and decrypts SAML messages.
	ServiceProviderKeys ServiceProviderKeys
}

// AssertionSigners give a tenant's signer of client assertions (RFC 7523 §2.2): with the keys of its key set.
type AssertionSigners interface {
	Signer(t tenant.UID) oidc.AssertionSigner
}

// SAMLMetadata keeps the documents that were fetched and taken over; false is none yet from this address, signed by one of
// these signers (nil asks for no signature). What changes in it raises the tenant's version (object.ChangedSAMLMetadata).
type SAMLMetadata interface {
	Document(ctx context.Context, t tenant.UID, idpUID, url string, signers []*x509.Certificate) (document []byte, found bool, err error)
}

// ServiceProviderKeys keeps a tenant's keys for SAML, the one that signs first. What changes in it raises the tenant's
// version (object.ChangedServiceProviderKey).
type ServiceProviderKeys interface {
	Keys(ctx context.Context, t tenant.UID) ([]saml.SigningKey, []saml.DecryptionKey, error)
}

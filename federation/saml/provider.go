package saml

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// DefaultMaxAge is how old a response or logout message may be when it arrives.
const DefaultMaxAge = 5 * time.Minute

// SigningKey signs what we send: RSA or ECDSA, here or in a key service.
type SigningKey struct {
	Certificate *x509.Certificate
	Signer      crypto.Signer
}

// Endpoint is where the IdP takes messages, and how.
type Endpoint struct {
	Binding  string
	Location string
	// ResponseLocation is where answers go, "" for Location (SAML metadata §2.2.2).
	ResponseLocation string
}

// ServiceProvider is us, as one IdP knows us. Each IdP has its own endpoints, so
// that what one of them says never reaches another's.
type ServiceProvider struct {
	EntityID   string
	ACS        string // assertion consumer service, POST
	SLO        string // single logout service, POST and redirect; "" is none
	Signing    []SigningKey
	Decryption []DecryptionKey
	// SignsRequests is said in our metadata where nothing of the IdP is known yet.
	SignsRequests bool
}

// AttributeNames says which attributes mean what. "" means nothing.
type AttributeNames struct {
	Subject string // names the account in place of NameID, and is then required (Entra: objectidentifier)
	Tenant  string // the IdP-side tenant, required with a list of tenants (Entra: tenantid)
	Email   string
	AMR     string // authentication methods
}

// Provider is one IdP with what was pinned of it.
type Provider struct {
	// IdP is the trust entry. Its saml_entity_ids must list EntityID for NameIDs to
	// count in federation.Resolve, and its claims.groups names the attribute with groups.
	IdP *federation.IdentityProvider
	// EntityID is the IdP's own, byte for byte.
	EntityID string
	// Certificates are all of those that its metadata has for signing. Nothing else
	// verifies its signatures.
	Certificates []*x509.Certificate
	SignOn       []Endpoint
	Logout       []Endpoint
	Self         ServiceProvider
	Attributes   AttributeNames
	// ACR maps AuthnContextClassRef to the acr values of policies. A class that is
	// not in it stands for itself: nothing is taken for strong because of its name.
	ACR map[string]string
	// IdPInitiated accepts responses that nobody asked for. They must land on a page
	// where the person confirms (T28).
	IdPInitiated bool
	SignRequests bool
	Loopback     bool          // network.allow_private_addresses: plain http on loopback is an endpoint
	MaxAge       time.Duration // of a message on arrival; 0 means DefaultMaxAge
}

// Why a provider's configuration is refused: a check would be empty.
var (
	ErrIncomplete  = errors.New("saml: verifier, provider or request is incomplete")
	ErrCertificate = errors.New("saml: a certificate whose key is too weak or of another kind")
	ErrEndpoint    = errors.New("saml: an endpoint that is not https")
	ErrKey         = errors.New("saml: a key without its certificate, or of another kind")
)

// Validate refuses a provider with which a check would be empty.
func (p *Provider) Validate() error {
	switch {
	case p == nil || p.IdP == nil || p.IdP.UID == "" || p.EntityID == "" || len(p.Certificates) == 0:
		return ErrIncomplete
	case p.MaxAge < 0:
		return ErrIncomplete
	case p.Self.EntityID == p.EntityID:
		return fmt.Errorf("%w: we and the IdP have one entity id", ErrIncomplete)
	case p.SignRequests && len(p.Self.Signing) == 0:
		return fmt.Errorf("%w: requests are to be signed", ErrKey)
	}
	for _, certificate := range p.Certificates {
		if certificate == nil || !isStrong(certificate) {
			return ErrCertificate
		}
	}
	for _, endpoint := range append(append([]Endpoint{}, p.SignOn...), p.Logout...) {
		if !isEndpoint(endpoint.Location, p.Loopback) || endpoint.ResponseLocation != "" && !isEndpoint(endpoint.ResponseLocation, p.Loopback) {
			return ErrEndpoint
		}
	}
	return p.Self.validate()
}

func (s ServiceProvider) validate() error {
	if s.EntityID == "" || s.ACS == "" {
		return ErrIncomplete
	}
	if s.SignsRequests && len(s.Signing) == 0 {
		return fmt.Errorf("%w: requests are to be signed", ErrKey)
	}
	for _, key := range s.Signing {
		if key.Certificate == nil || key.Signer == nil || !isStrong(key.Certificate) {
			return ErrKey
		}
	}
	for _, key := range s.Decryption {
		if key.Certificate == nil || key.Decrypter == nil || key.Certificate.PublicKeyAlgorithm != x509.RSA {
			return ErrKey
		}
	}
	return nil
}

func (p *Provider) maxAge() time.Duration {
	if p.MaxAge == 0 {
		return DefaultMaxAge
	}
	return p.MaxAge
}

// skew is the entry's, within what an entry may forgive.
func (p *Provider) skew() time.Duration {
	return min(max(p.IdP.Assertions.ClockSkew, 0), federation.MaxClockSkew)
}

// isEndpoint: https, a host, no user information and no fragment: a browser is sent
// there (T31, CVE-2023-45683). Plain http is for loopback only, where the entry says so.
func isEndpoint(location string, loopback bool) bool {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "" || !isPlain(location) || len(location) > maxValue {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback && isLoopback(u.Hostname())
}

func isLoopback(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

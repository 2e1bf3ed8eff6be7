package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

var (
	errNoDocument = errors.New("its metadata has not been fetched and taken over yet")
	errNoKeys     = errors.New("there is no key to sign requests with")
	errEntity     = errors.New("another entry has its entity id")
)

// document is metadata that was read, and of which bytes and rules it is what they say.
type document struct {
	of       [sha256.Size]byte
	metadata saml.Metadata
}

// serviceProviderKeys are a tenant's keys for SAML, or why there are none.
type serviceProviderKeys struct {
	signing    []saml.SigningKey
	decryption []saml.DecryptionKey
	err        error
}

// spKeys are asked for where an IdP speaks SAML.
func (s *Source) spKeys(ctx context.Context, t *Tenant, entrances []entrance) serviceProviderKeys {
	speaks := slices.ContainsFunc(entrances, func(e entrance) bool { return e.spec.SAML.IsSet() })
	if !speaks || s.config.ServiceProviderKeys == nil {
		return serviceProviderKeys{err: errNoKeys}
	}
	var k serviceProviderKeys
	k.signing, k.decryption, k.err = s.config.ServiceProviderKeys.Keys(ctx, t.UID)
	return k
}

// samlProvider is the entry of an IdP that speaks SAML, nil for one that cannot be used; an error is the database's.
func (s *Source) samlProvider(ctx context.Context, t *Tenant, e *entrance, keys serviceProviderKeys, before *Tenant) (*saml.Provider, error) {
	a := e.filled.SAML
	place := t.Issuer + "/federation/saml/" + e.stored.Name
	self := saml.ServiceProvider{EntityID: a.SPEntityID, ACS: place + "/acs", SLO: place + "/slo", Signing: keys.signing}
	self.SignsRequests = *a.SignRequests && len(keys.signing) > 0
	if self.EntityID == "" {
		self.EntityID = place + "/metadata"
	}
	if a.WantsEncrypted {
		self.Decryption = keys.decryption
	}
	t.SignIn.ServiceProviders[e.idp.UID] = self
	if a.NameIDFormat != "" {
		t.SignIn.NameIDFormats[e.idp.UID] = a.NameIDFormat
	}
	p := &saml.Provider{
		IdP: samlTrust(e), EntityID: a.IDPEntityID, Self: self, Attributes: saml.AttributeNames(a.Attributes), ACR: a.ACR,
		IdPInitiated: a.IDPInitiated, SignRequests: *a.SignRequests, Loopback: e.filled.Network.AllowPrivateAddresses,
	}
	if known, err := s.pin(ctx, t, e, p, before); err != nil || !known {
		return nil, err
	}
	if p.SignRequests && len(self.Signing) == 0 || a.WantsEncrypted && len(self.Decryption) == 0 {
		err := keys.err
		if err == nil {
			err = errNoKeys
		}
		s.comesLater(t, e, err)
		// Assertions that are presented for a token need no key of ours; nobody is sent to the IdP, nor comes from it unasked.
		p.SignRequests, p.IdPInitiated, p.SignOn, p.Logout = false, false, nil, nil
	}
	if err := p.Validate(); err != nil {
		s.unusable(t, e, err)
		return nil, nil //nolint:nilnil // told, and left out
	}
	return p, nil
}

// pin takes over by what the IdP is known: its certificates and endpoints.
func (s *Source) pin(ctx context.Context, t *Tenant, e *entrance, p *saml.Provider, before *Tenant) (known bool, err error) {
	a := e.filled.SAML
	if len(a.Certificates) > 0 {
		if p.Certificates, err = object.Certificates(a.Certificates); err != nil {
			s.unusable(t, e, err)
			return false, nil
		}
		p.SignOn, p.Logout = a.Endpoints()
		return true, nil
	}
	signers, err := metadataSigners(a)
	if err != nil {
		s.unusable(t, e, err)
		return false, nil
	}
	raw := []byte(a.Metadata)
	if a.MetadataURL != "" {
		found := false
		if s.config.SAMLMetadata != nil {
			if raw, found, err = s.config.SAMLMetadata.Document(ctx, t.UID, e.idp.UID, a.MetadataURL, signers); err != nil {
				return false, err
			}
		}
		signers = nil // it was verified when it was fetched, and is kept without its signature
		if !found {
			s.unusable(t, e, errNoDocument)
			return false, nil
		}
	}
	m, err := s.metadata(t, e, raw, signers, before)
	if err != nil {
		s.unusable(t, e, err)
		return false, nil
	}
	if !m.ValidUntil.IsZero() { // SAML metadata §2.3.2: not used from then on
		t.lookAgain(m.ValidUntil)
	}
	p.Certificates, p.SignOn, p.Logout = m.Certificates, m.SignOn, m.Logout
	p.SignRequests = p.SignRequests || m.WantsSigned
	return true, nil
}

// metadataSigners are those of whom one must have signed the metadata; nil asks for no signature.
func metadataSigners(a object.IdPSAML) ([]*x509.Certificate, error) {
	if len(a.MetadataCertificates) == 0 {
		return nil, nil
	}
	return object.Certificates(a.MetadataCertificates)
}

// metadata reads a document, unless the picture before has read the same one under the same rules.
func (s *Source) metadata(t *Tenant, e *entrance, raw []byte, signers []*x509.Certificate, before *Tenant) (saml.Metadata, error) {
	a := e.filled.SAML
	rules, err := json.Marshal([]any{a.IDPEntityID, a.MetadataCertificates, e.filled.Network.AllowPrivateAddresses})
	if err != nil {
		return saml.Metadata{}, err
	}
	of := sha256.Sum256(bytes.Join([][]byte{rules, raw}, []byte{0}))
	now := s.config.Now()
	if before != nil {
		if d, read := before.documents[e.idp.UID]; read && d.of == of && (d.metadata.ValidUntil.IsZero() || now.Before(d.metadata.ValidUntil)) {
			t.documents[e.idp.UID] = d
			return d.metadata, nil
		}
	}
	m, err := saml.ParseMetadata(raw, saml.Expected{EntityID: a.IDPEntityID, Signers: signers, Loopback: e.filled.Network.AllowPrivateAddresses}, now)
	if err != nil {
		return saml.Metadata{}, err
	}
	t.documents[e.idp.UID] = document{of: of, metadata: m}
	return m, nil
}

// samlTrust is the trust entry under which a SAML IdP's own assertions are read. Its own names count without being listed,
// since its own certificates verify them; in its ID-JAGs only what saml_entity_ids lists counts. A tenant that its preset
// pins is the one that there is.
func samlTrust(e *entrance) *federation.IdentityProvider {
	trust := *e.idp
	if len(trust.Assertions.SAMLEntityIDs) == 0 {
		trust.Assertions.SAMLEntityIDs = []string{e.filled.SAML.IDPEntityID}
	}
	if tenant := trust.Dialect.Tenant; tenant != "" && len(trust.Assertions.Tenants) == 0 && e.filled.SAML.Attributes.Tenant != "" {
		trust.Assertions.Tenants = []string{tenant}
	}
	if e.spec.Claims.Groups == "" {
		trust.Claims.Groups = e.filled.SAMLGroups()
	}
	return &trust
}

// distinct leaves out IdPs that have one entity ID: a message of theirs would be either's. They are refused at apply.
func (s *Source) distinct(t *Tenant, providers []*saml.Provider) []*saml.Provider {
	count := map[string]int{}
	for _, p := range providers {
		count[p.EntityID]++
	}
	return slices.DeleteFunc(providers, func(p *saml.Provider) bool {
		if count[p.EntityID] == 1 {
			return false
		}
		s.config.Log.Warn("people cannot sign in at an identity provider", "tenant", t.Name, "idp", p.IdP.Name, "error", errEntity)
		return true
	})
}

// SAMLProvider finds the SAML entry of an IdP by its uid, disabled or not.
func (d SignIn) SAMLProvider(uid string) (*saml.Provider, bool) {
	if d.SAML == nil {
		return nil, false
	}
	for _, p := range d.SAML.All() {
		if p.IdP.UID == uid {
			return p, true
		}
	}
	return nil, false
}

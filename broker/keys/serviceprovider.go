package keys

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/saml"
	"github.com/chancery-dev/chancery/vault"
)

// Purpose is what a service provider's key is for. There is one line of succession for each, so that what opens
// assertions signs nothing, and one can be changed without the other.
type Purpose string

// The purposes.
const (
	Signing    Purpose = "signing"
	Decryption Purpose = "decryption"
)

// Purposes lists them.
func Purposes() []Purpose { return []Purpose{Signing, Decryption} }

// How long service providers' keys live. They are long-lived because at many IdPs a person has to carry each
// certificate over.
const (
	ServiceProviderLifetime = 10 * 365 * 24 * time.Hour // of a certificate
	ServiceProviderRenewal  = 180 * 24 * time.Hour      // before its end a successor is published
	ServiceProviderLead     = 30 * 24 * time.Hour       // between its publication and its first use
	ServiceProviderKeep     = 30 * 24 * time.Hour       // what was encrypted for the old one is opened so much longer
)

// ServiceProviderRow is a key as it rests (table service_provider_keys). A zero ExpiresAt is null.
type ServiceProviderRow struct {
	KeyID       string // RFC 7638 thumbprint of the public key
	Purpose     Purpose
	State       State  // prepared, active or retiring
	Certificate []byte // DER
	Sealed      []byte // vault blob of the PKCS #8 private key
	CreatedAt   time.Time
	ActiveAt    time.Time // when it is used, or will be
	ExpiresAt   time.Time // of a retiring key
}

// ServiceProviderChange is one step of a tenant's keys, all or none of it. The tenant's version is raised with it.
type ServiceProviderChange struct {
	Tenant tenant.UID
	Before []Mark // every key of the tenant as it was read; others now are ErrConflict
	Insert []ServiceProviderRow
	Update []ServiceProviderRow // State and ExpiresAt, ActiveAt, by KeyID
	Delete []string
	Events []audit.Event
}

// ServiceProviderStore keeps the keys.
type ServiceProviderStore interface {
	ServiceProviderKeys(ctx context.Context, t tenant.UID) ([]ServiceProviderRow, error)
	// ChangeServiceProviderKeys makes one change in one transaction that excludes all others of the tenant.
	ChangeServiceProviderKeys(ctx context.Context, c ServiceProviderChange) error
}

// ServiceProviders are the keys with which tenants speak to SAML IdPs: one that signs requests, one for which IdPs
// encrypt, each with a certificate that it signed itself. A tenant's are made when they are first asked for.
type ServiceProviders struct {
	store  ServiceProviderStore
	sealer vault.Sealer
	now    func() time.Time
	log    *slog.Logger
	opened opened
}

// NewServiceProviders needs all but the log.
func NewServiceProviders(store ServiceProviderStore, sealer vault.Sealer, now func() time.Time, log *slog.Logger) (*ServiceProviders, error) {
	if store == nil || sealer == nil || now == nil {
		return nil, errors.New("keys: store, sealer and clock are required")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &ServiceProviders{store: store, sealer: sealer, now: now, log: log}, nil
}

// Keys returns a tenant's keys as SAML's providers take them: the first of each is the one in use, what follows is
// published and not used (signing), or accepted as well (decryption). A key that does not open is an error where it is
// the one in use: another in its place would hide that the keyring is the wrong one.
func (s *ServiceProviders) Keys(ctx context.Context, t tenant.UID) ([]saml.SigningKey, []saml.DecryptionKey, error) {
	if err := t.Check(); err != nil {
		return nil, nil, err
	}
	rows, err := s.made(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	var signing []saml.SigningKey
	var decryption []saml.DecryptionKey
	now := s.now()
	for _, purpose := range Purposes() {
		for i, row := range inUse(rows, purpose, now) {
			p, certificate, err := s.open(ctx, t, row)
			if err != nil && i == 0 {
				return nil, nil, fmt.Errorf("service provider key %s: %w", row.KeyID, err)
			}
			if err != nil {
				s.log.ErrorContext(ctx, "a service provider's key does not open and is not published", "tenant", t.String(), "kid", row.KeyID, "error", err)
				continue
			}
			if purpose == Signing {
				signing = append(signing, saml.SigningKey{Certificate: certificate, Signer: p.private})
				continue
			}
			decrypter, ok := p.private.Signer.(crypto.Decrypter)
			if !ok {
				return nil, nil, fmt.Errorf("service provider key %s: it cannot decrypt", row.KeyID)
			}
			decryption = append(decryption, saml.DecryptionKey{Certificate: certificate, Decrypter: &opener{decrypter}})
		}
	}
	return signing, decryption, nil
}

// opener wraps a private key behind a pointer, as private does.
type opener struct{ crypto.Decrypter }

// List returns a tenant's keys without their private halves, as they are; it makes none.
func (s *ServiceProviders) List(ctx context.Context, t tenant.UID) ([]ServiceProviderRow, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	rows, err := s.store.ServiceProviderKeys(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("load service provider keys: %w", err)
	}
	for i := range rows {
		rows[i].Sealed = nil
	}
	slices.SortFunc(rows, func(a, b ServiceProviderRow) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), byTime(a, b))
	})
	return rows, nil
}

// inUse orders the keys of a purpose: the one in use, those that wait, and for decryption those that are retiring.
// The clock decides and not the state, which may be written a little later.
func inUse(rows []ServiceProviderRow, purpose Purpose, now time.Time) []ServiceProviderRow {
	var current, waiting, old []ServiceProviderRow
	for _, row := range rows {
		switch {
		case row.Purpose != purpose:
		case row.State == Retiring:
			if now.Before(row.ExpiresAt) {
				old = append(old, row)
			}
		case row.State == Prepared && now.Before(row.ActiveAt):
			waiting = append(waiting, row)
		default:
			current = append(current, row)
		}
	}
	for _, list := range [][]ServiceProviderRow{current, waiting, old} {
		slices.SortFunc(list, byTime)
	}
	var ordered []ServiceProviderRow
	if n := len(current); n > 0 { // the last whose time came is the one
		ordered = append(ordered, current[n-1])
		old = append(current[:n-1:n-1], old...)
	}
	ordered = append(ordered, waiting...)
	if purpose == Signing {
		return ordered
	}
	return append(ordered, old...)
}

func byTime(a, b ServiceProviderRow) int {
	return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.KeyID, b.KeyID))
}

func (s *ServiceProviders) open(ctx context.Context, t tenant.UID, row ServiceProviderRow) (pair, *x509.Certificate, error) {
	p, err := s.opened.open(ctx, s.sealer, ServiceProviderPlace(t, row.KeyID, row.Purpose), RS256, row.Sealed)
	if err != nil {
		return pair{}, nil, err
	}
	certificate, err := x509.ParseCertificate(row.Certificate)
	if err != nil {
		return pair{}, nil, errors.New("its certificate cannot be read")
	}
	// Who can write to the table cannot make us publish a certificate of his.
	public, ok := p.private.Public().(interface{ Equal(x crypto.PublicKey) bool })
	if !ok || !public.Equal(certificate.PublicKey) || certificate.CheckSignatureFrom(certificate) != nil {
		return pair{}, nil, errors.New("its certificate is of another key")
	}
	return p, certificate, nil
}

// ServiceProviderPlace is where a service provider's key rests. It names the purpose too: a key does not change what it is for.
func ServiceProviderPlace(t tenant.UID, keyID string, purpose Purpose) vault.AAD {
	return vault.AAD{Tenant: t.String(), Table: "service_provider_keys", UID: keyID, Column: "sealed_" + string(purpose)}
}

// certify makes the certificate: it names a key, and nobody else vouches for it. IdPs pin it.
func certify(p pair, purpose Purpose, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	usage := x509.KeyUsageDigitalSignature
	if purpose == Decryption {
		usage = x509.KeyUsageKeyEncipherment
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "Chancery SAML " + string(purpose)},
		NotBefore:    now.Add(-time.Hour).UTC(), NotAfter: now.Add(ServiceProviderLifetime).UTC(),
		// It is its own issuer, so that tools which check it find a certificate that may sign one.
		KeyUsage: usage | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.private.Public(), p.private.Signer)
	if err != nil {
		return nil, fmt.Errorf("certify: %w", err)
	}
	return der, nil
}

package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxClockSkew is the most that an entry may forgive a clock.
const MaxClockSkew = 60 * time.Second

// Registry is the immutable list of a tenant's trusted issuers. It is safe for
// concurrent use; what it returns is shared and must not be changed.
type Registry struct {
	byIssuer map[string]*IdentityProvider
	byName   map[string]*IdentityProvider
	ordered  []*IdentityProvider
}

// Why a list of entries makes no registry.
var (
	ErrNoIssuer        = errors.New("no issuer")
	ErrNoName          = errors.New("no name or uid")
	ErrIssuerTaken     = errors.New("another entry has the same issuer")
	ErrNameTaken       = errors.New("another entry has the same name")
	ErrClockSkew       = fmt.Errorf("clock skew outside 0 to %s", MaxClockSkew)
	ErrMaxLifetime     = errors.New("negative lifetime")
	ErrWeakAlgorithm   = errors.New("an algorithm that is not asymmetric")
	ErrDialect         = errors.New("a dialect whose checks would be empty")
	ErrProfileConflict = errors.New("profiles jwt-bearer and workload exclude each other")
)

// NewRegistry makes a registry of a tenant's entries. It refuses a list in which
// an issuer would be ambiguous or a check would be empty.
func NewRegistry(entries []IdentityProvider) (*Registry, error) {
	r := &Registry{
		byIssuer: make(map[string]*IdentityProvider, len(entries)),
		byName:   make(map[string]*IdentityProvider, len(entries)),
		ordered:  make([]*IdentityProvider, 0, len(entries)),
	}
	for _, entry := range entries {
		if err := entry.validate(); err != nil {
			return nil, fmt.Errorf("identity provider %q: %w", entry.Name, err)
		}
		if _, taken := r.byIssuer[entry.Issuer]; taken && !entry.SAMLAlone {
			return nil, fmt.Errorf("identity provider %q: %w", entry.Name, ErrIssuerTaken)
		}
		if _, taken := r.byName[entry.Name]; taken {
			return nil, fmt.Errorf("identity provider %q: %w", entry.Name, ErrNameTaken)
		}
		if !entry.SAMLAlone { // a token that names an entity ID names nobody
			r.byIssuer[entry.Issuer] = &entry
		}
		r.byName[entry.Name] = &entry
		r.ordered = append(r.ordered, &entry)
	}
	return r, nil
}

func (p *IdentityProvider) validate() error {
	switch {
	case p.Name == "" || p.UID == "":
		return ErrNoName
	case p.Issuer == "":
		return ErrNoIssuer
	case p.Assertions.ClockSkew < 0 || p.Assertions.ClockSkew > MaxClockSkew:
		return ErrClockSkew
	case p.Assertions.MaxLifetime < 0:
		return ErrMaxLifetime
	case slices.ContainsFunc(p.Assertions.Algorithms, isWeak): // RFC 8725 §3.1
		return ErrWeakAlgorithm
	case strings.HasPrefix(p.Issuer, spiffeScheme) && !p.Dialect.SPIFFE, // its subjects would be read as anybody's
		p.Dialect.Tenant != "" && p.Dialect.TenantClaim == "",
		p.Dialect.MemberValue != "" && p.Dialect.GuestClaim == "":
		return ErrDialect
	case p.Assertions.Allows(ProfileJWTBearer) && p.Assertions.Allows(ProfileWorkload):
		return ErrProfileConflict
	default:
		return nil
	}
}

func isWeak(algorithm string) bool {
	return algorithm == "" || strings.EqualFold(algorithm, "none") || strings.HasPrefix(strings.ToUpper(algorithm), "HS")
}

// Lookup finds the enabled entry whose issuer is byte for byte the one given: no
// case, no slash, no prefix is forgiven (RFC 8414 §3.3, T12). A disabled entry is
// not found.
func (r *Registry) Lookup(issuer string) (*IdentityProvider, bool) {
	idp, found := r.byIssuer[issuer]
	if !found || idp.Disabled {
		return nil, false
	}
	return idp, true
}

// Disabled tells whether an entry has this issuer and is disabled. It is for the
// audit log; outsiders must not learn the difference.
func (r *Registry) Disabled(issuer string) bool {
	idp, found := r.byIssuer[issuer]
	return found && idp.Disabled
}

// Named finds an entry by its name, disabled or not.
func (r *Registry) Named(name string) (*IdentityProvider, bool) {
	idp, found := r.byName[name]
	return idp, found
}

// All returns every entry, disabled ones too, in the order given.
func (r *Registry) All() []*IdentityProvider { return slices.Clone(r.ordered) }

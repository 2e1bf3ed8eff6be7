package oidc

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Authentication is how our client shows at an IdP's token endpoint who it is.
type Authentication string

// The ways. A public client is none: this one can keep a secret.
const (
	AuthSecretBasic Authentication = "client_secret_basic"
	AuthSecretPost  Authentication = "client_secret_post"
	AuthPrivateKey  Authentication = "private_key_jwt"
)

// Entry is how people sign in at one IdP. It is a value: nothing in it is changed.
type Entry struct {
	// Provider is the IdP's entry in the registry. Its issuer, keys, network, token
	// dialect and rules for groups count here too; its assertion rules do not, the
	// tenants aside.
	Provider *federation.IdentityProvider

	ClientID       string
	Authentication Authentication
	Secret         Secret          // with AuthSecretBasic and AuthSecretPost
	Signer         AssertionSigner // with AuthPrivateKey

	Algorithms  []string // of ID tokens and logout tokens
	Scopes      []string // openid among them
	CallbackURL string   // ours, of this IdP alone
	// PostLogoutURL is where the IdP sends the browser after a logout, "" for nowhere.
	PostLogoutURL string
	ClockSkew     time.Duration // at most 60 s

	// Userinfo asks for what the ID token leaves out: email, name, groups.
	Userinfo bool
	// HostedDomains are the domains whose accounts may sign in, where the dialect has a
	// claim for it.
	HostedDomains []string
	// OverageEndpoint is where groups are looked up that were too many for the token,
	// if the provider's claim rules say so (getMemberGroups of Microsoft Graph).
	OverageEndpoint string

	Dialect Dialect
}

// Why an entry is refused.
var (
	ErrEntry   = errors.New("oidc: a sign-in entry whose checks would be empty")
	ErrDialect = errors.New("oidc: unusable dialect")
)

// Validate refuses an entry in which a check would be empty or a secret be missing.
func (e *Entry) Validate() error {
	switch {
	case e.Provider == nil || e.Provider.UID == "" || e.Provider.Name == "" || e.Provider.Issuer == "":
		return fmt.Errorf("%w: no provider", ErrEntry)
	case e.Provider.Dialect.SPIFFE:
		return fmt.Errorf("%w: people do not sign in at a SPIFFE trust domain", ErrEntry)
	case !isPlain(e.ClientID):
		return fmt.Errorf("%w: no client id", ErrEntry)
	case len(e.Algorithms) == 0:
		return fmt.Errorf("%w: no algorithms", ErrEntry)
	case slices.ContainsFunc(e.Algorithms, func(a string) bool { return !jws.Supported(a) }): // RFC 8725 §3.1
		return fmt.Errorf("%w: an algorithm that is not served", ErrEntry)
	case !slices.Contains(e.Scopes, "openid"): // OIDC Core §3.1.2.1: REQUIRED
		return fmt.Errorf("%w: no scope openid", ErrEntry)
	case slices.ContainsFunc(e.Scopes, isNoScope):
		return fmt.Errorf("%w: a scope that is none", ErrEntry)
	case !isOwnURL(e.CallbackURL):
		return fmt.Errorf("%w: the callback is no https URL without query and fragment", ErrEntry)
	case e.PostLogoutURL != "" && !isOwnURL(e.PostLogoutURL):
		return fmt.Errorf("%w: the URL after logout is no https URL without query and fragment", ErrEntry)
	case e.ClockSkew < 0 || e.ClockSkew > federation.MaxClockSkew:
		return federation.ErrClockSkew
	}
	if err := e.validateCredentials(); err != nil {
		return err
	}
	if err := e.validateClaims(); err != nil {
		return err
	}
	return e.Dialect.validate()
}

func (e *Entry) validateCredentials() error {
	switch e.Authentication {
	case AuthSecretBasic, AuthSecretPost:
		if e.Secret.IsZero() || e.Signer != nil {
			return fmt.Errorf("%w: %s needs a secret, and no key", ErrEntry, e.Authentication)
		}
	case AuthPrivateKey:
		if e.Signer == nil || !e.Secret.IsZero() {
			return fmt.Errorf("%w: %s needs a key, and no secret", ErrEntry, e.Authentication)
		}
	default:
		return fmt.Errorf("%w: authentication %q", ErrEntry, e.Authentication)
	}
	return nil
}

func (e *Entry) validateClaims() error {
	claim := e.Dialect.HostedDomainClaim
	switch {
	case claim != "" && len(e.HostedDomains) == 0: // anybody in the world has an account there
		return fmt.Errorf("%w: no hosted domains", ErrEntry)
	case claim == "" && len(e.HostedDomains) > 0:
		return fmt.Errorf("%w: hosted domains that no claim shows", ErrEntry)
	}
	for _, domain := range e.HostedDomains {
		if canonical, ok := federation.CanonicalDomain(domain); !ok || canonical != domain {
			return fmt.Errorf("%w: hosted domain %q is no lower-case domain", ErrEntry, domain)
		}
	}
	if e.Provider.Claims.FetchOverage {
		if u, err := url.Parse(e.OverageEndpoint); err != nil || u.Host == "" || !e.Provider.Claims.ReadsClaim() {
			return fmt.Errorf("%w: groups are to be looked up, and nowhere is said where", ErrEntry)
		}
	}
	return nil
}

// ValidateAll refuses entries of one tenant that share a callback: an answer that
// could be several IdPs' is nobody's (RFC 9700 §4.4.2.2).
func ValidateAll(entries []Entry) error {
	callbacks := map[string]string{}
	for i := range entries {
		e := &entries[i]
		if err := e.Validate(); err != nil {
			return err
		}
		if other, taken := callbacks[e.CallbackURL]; taken {
			return fmt.Errorf("%w: %s and %s share a callback", ErrEntry, other, e.Provider.Name)
		}
		callbacks[e.CallbackURL] = e.Provider.Name
	}
	return nil
}

// isOwnURL: https, or http on loopback, and nothing behind the path.
func isOwnURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || !isPlain(s) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// isNoScope: RFC 6749 §3.3.
func isNoScope(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

const maxText = 1024

// isPlain: 1 to 1,024 bytes of printable ASCII.
func isPlain(s string) bool {
	if s == "" || len(s) > maxText {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

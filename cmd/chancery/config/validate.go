package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/policy/confine"
)

// What dpop.nonce may be.
const (
	NonceNone     = "none"
	NonceRequired = "required"
)

// IsolationProcess is policy.isolation that evaluates every policy in children.
const IsolationProcess = "process"

// The values of policy.lint.
const (
	LintAdvise = "advise"
	LintRefuse = "refuse"
)

// Validate refuses what contradicts itself, what would leave a check empty, and what is not served.
func (c *Config) Validate() error {
	return errors.Join(
		c.Server.validate(),
		c.Admin.validate(c.Profile, c.Server.Listen),
		c.Database.validate(),
		c.Keys.validate(),
		oneOf("dpop.nonce", c.DPoP.Nonce, NonceNone, NonceRequired),
		c.Policy.validate(),
		c.Limits.validate(),
		c.addressesAreCallers(),
		c.Vault.validate(c.Profile, c.Egress),
		c.references(),
		oneOf("egress.mode", c.Egress.Mode, "allow", "deny"),
		atLeast("audit.checkpoint_every", c.Audit.CheckpointEvery, time.Second),
		unserved("audit.retain", c.Audit.Retain),
		unserved("audit.sinks", strings.Join(c.Audit.Sinks, ",")),
		atLeast("decisions.retain", c.Decisions.Retain, time.Hour),
		c.Decisions.validate(),
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Log.Format, "json", "text"),
		c.Telemetry.validate(c.Egress),
	)
}

func (d Decisions) validate() error {
	if err := decision.CheckPaths(d.Redact); err != nil {
		return fmt.Errorf("decisions.redact: %w", err)
	}
	return nil
}

func (s Server) validate() error {
	err := errors.Join(validIssuer(s.PublicURL), listenAddress("server.listen", s.Listen), s.TLS.validate())
	for _, cidr := range s.TrustedProxies {
		prefix, parseErr := netip.ParsePrefix(cidr)
		switch {
		case parseErr != nil:
			err = errors.Join(err, fmt.Errorf("server.trusted_proxies: %q is no CIDR", cidr))
		case prefix.Bits() == 0: // anybody could say that he is anybody
			err = errors.Join(err, fmt.Errorf("server.trusted_proxies: %q is every address; list the proxies", cidr))
		}
	}
	for _, origin := range s.CORSOrigins {
		u, parseErr := url.Parse(origin)
		if parseErr != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || strings.Contains(origin, "*") {
			err = errors.Join(err, fmt.Errorf("server.cors_origins: %q is no exact origin (https://host[:port])", origin))
		}
	}
	return err
}

// validIssuer: RFC 8414 §2, an https URL without query and fragment; http only on loopback.
func validIssuer(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return fmt.Errorf("server.public_url: %q is no absolute URL", raw)
	case strings.HasSuffix(raw, "/"):
		return fmt.Errorf("server.public_url: %q ends in a slash; the issuer is this string, byte for byte, everywhere", raw)
	case strings.ContainsAny(raw, "?#"):
		return fmt.Errorf("server.public_url: %q has a query or fragment (RFC 8414 §2)", raw)
	case u.Path != "":
		return fmt.Errorf("server.public_url: %q has a path; tenants have paths, the root has none", raw)
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '%' || r == '\\' }):
		return fmt.Errorf("server.public_url: %q: write the name in its ASCII form, without escapes", raw) // proofs are compared with it (RFC 9449 §4.3)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("server.public_url: %q: http is for loopback only", raw)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("server.public_url: %q: https is expected", raw)
	}
	return nil
}

func (t TLS) validate() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("server.tls: cert and key go together")
	}
	return unserved("server.tls.client_ca", t.ClientCA)
}

func (a Admin) validate(p Profile, public string) error {
	err := listenAddress("admin.listen", a.Listen)
	if err == nil && a.Listen == public && !strings.HasSuffix(public, ":0") {
		err = errors.New("admin.listen: the admin listener is never the public one")
	}
	if host, _, splitErr := net.SplitHostPort(a.Listen); splitErr == nil && !isLoopback(host) {
		err = errors.Join(err, fmt.Errorf("admin.listen: %q is not loopback; put the admin listener behind a TLS proxy on this machine", a.Listen))
	}
	if p == Regulated && !a.Token.IsZero() {
		err = errors.Join(err, errors.New("admin.token: refused in profile regulated; people sign in through the IdP"))
	}
	if !a.Token.IsZero() && a.TokenRole == "" {
		err = errors.Join(err, errors.New("admin.token_role: a credential without a role may do nothing; name one"))
	}
	for _, ref := range a.SecretReferences {
		name, isEnv := strings.CutPrefix(ref, "env:")
		if (!isEnv || name == "") && !strings.HasPrefix(ref, "file:/") && (!strings.HasPrefix(ref, "vault:") || !isVaultReference(ref[len("vault:"):])) {
			err = errors.Join(err, fmt.Errorf("admin.secret_references: %q is none of env:NAME, file:/PATH and vault:MOUNT/PATH#KEY", ref))
		}
	}
	return err
}

func (d Database) validate() error {
	if d.URL.IsZero() {
		return errors.New("database.url: required")
	}
	if d.URL.Ref.IsZero() && !strings.HasPrefix(d.URL.Plain, "sqlite://") && !strings.HasPrefix(d.URL.Plain, "postgres://") && !strings.HasPrefix(d.URL.Plain, "postgresql://") {
		return errors.New("database.url: sqlite:///path or postgres://… is expected")
	}
	return oneOf("database.migrate", d.Migrate, "auto", "check")
}

func (k Keys) validate() error {
	return errors.Join(
		oneOf("keys.backend", k.Backend, "local"),
		oneOf("keys.algorithm", k.Algorithm, "ES256", "RS256", "EdDSA"),
		atLeast("keys.rotate_every", k.RotateEvery, time.Hour),
	)
}

func (p Policy) validate() error {
	return errors.Join(
		oneOf("policy.isolation", p.Isolation, "in_process", IsolationProcess),
		atLeast("policy.time_budget", p.TimeBudget, time.Millisecond),
		oneOf("policy.lint", p.Lint, LintAdvise, LintRefuse),
		p.memory(),
		p.floor(),
	)
}

// leastMemory is what a child needs to evaluate anything.
const leastMemory = 64 << 20

func (p Policy) memory() error {
	if n, err := p.MemoryBytes(); err != nil || n < leastMemory {
		return fmt.Errorf("policy.memory: %q: a size of at least 64MiB is expected, such as 256MiB or 1GiB", p.Memory)
	}
	return nil
}

// MemoryBytes is Memory as a number.
func (p Policy) MemoryBytes() (int64, error) {
	for suffix, unit := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30} {
		if digits, ok := strings.CutSuffix(p.Memory, suffix); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			return int64(n) * unit, err
		}
	}
	return 0, strconv.ErrSyntax
}

func (p Policy) floor() error {
	if p.CoverageFloor < 0 || p.CoverageFloor > 100 {
		return fmt.Errorf("policy.coverage_floor: %d: a percentage is expected", p.CoverageFloor)
	}
	if p.MaxFlips < -1 {
		return fmt.Errorf("policy.max_flips: %d: a number of decisions is expected, or -1 for any number", p.MaxFlips)
	}
	return nil
}

// Served refuses a choice that this version knows and cannot keep: to ignore it would promise what does not happen. A
// server does not start with it.
func (c *Config) Served() error {
	if err := confine.Available(); c.Policy.Isolation == IsolationProcess && err != nil {
		return fmt.Errorf("policy.isolation: process: %w; say in_process", err)
	}
	return nil
}

func (l Limits) validate() error {
	var err error
	if l.InFlight < 1 {
		err = errors.New("limits.in_flight: at least 1 is expected")
	}
	return errors.Join(err, validRate("limits.per_client", l.PerClient), validRate("limits.per_address", l.PerAddress))
}

func validRate(key, text string) error {
	if text == "" {
		return nil
	}
	if _, err := limit.ParseRate(text); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// addressesAreCallers: an https issuer without a certificate of our own has a proxy in front. Unless it is trusted, every
// request comes from its address, and one caller would use up what all of them may ask.
func (c *Config) addressesAreCallers() error {
	if c.Limits.PerAddress != "" && len(c.Server.TrustedProxies) == 0 && c.Server.TLS.Cert == "" && strings.HasPrefix(c.Server.PublicURL, "https://") {
		return errors.New("limits.per_address: server.public_url is https and server.tls is not set, so a proxy is in front; list it in server.trusted_proxies, or all callers count as one")
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q: %s is expected", key, value, strings.Join(allowed, " or "))
}

func atLeast(key string, value, least time.Duration) error {
	if value < least {
		return fmt.Errorf("%s: %s: at least %s is expected", key, value, least)
	}
	return nil
}

// unserved refuses a setting whose feature does not exist yet: ignoring it would promise what does not happen.
func unserved(key, value string) error {
	if value == "" {
		return nil
	}
	return fmt.Errorf("%s: not served by this version; remove it", key)
}

func listenAddress(key, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s: %q: host:port is expected", key, address)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

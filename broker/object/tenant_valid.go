package object

import (
	"strings"
	"time"
)

// Bounds of sessions: one that ended while a person reads a page would help nobody, one that lives for months is a
// credential.
const (
	minSession  = 5 * time.Minute
	maxIdle     = 7 * 24 * time.Hour
	maxAbsolute = 30 * 24 * time.Hour
)

// Bounds of registrations.
const (
	maxDCRClients  = 10_000
	minDCRLifetime = time.Hour
	maxDCRLifetime = 366 * 24 * time.Hour
)

// Validate implements Spec.
func (s *TenantSpec) Validate() error {
	var f findings
	f.text("spec.display_name", s.DisplayName)
	f.text("spec.plan", s.Plan)
	f.oneOf("spec.status", s.Status, StatusActive, StatusSuspended)
	f.oneOf("spec.public_client_assertions", s.PublicClientAssertions, PublicAssertionsNone, PublicAssertionsCNF)
	if s.Timezone != "" {
		// "Local" would be the zone of whichever machine decides.
		if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
			f.add("spec.timezone", "unknown time zone %s: expected an IANA name, such as Europe/Berlin", quote(s.Timezone))
		}
	}
	f.span("spec.sessions.idle", s.Sessions.Idle, minSession, maxIdle)
	f.span("spec.sessions.absolute", s.Sessions.Absolute, minSession, maxAbsolute)
	if filled := s.WithDefaults().Sessions; filled.Idle > filled.Absolute {
		f.add("spec.sessions.idle", "%s is longer than absolute (%s): a session ends then, used or not", filled.Idle, filled.Absolute)
	}
	f.oneOf("spec.passkeys", s.Passkeys, PasskeysOff, PasskeysAllowed)
	s.Branding.check(&f)
	s.Registration.check(&f)
	s.checkWebhooks(&f)
	return f.err()
}

// Warnings says what lets nobody in, and what lets everybody in.
func (s *TenantSpec) Warnings() []Problem {
	var f findings
	s.warnWebhooks(&f)
	c, d := s.Registration.CIMD, s.Registration.DCRLimits
	switch c.Mode {
	case RegistrationOpen:
		f.addCode("registration_open", "spec.registration.cimd.mode", "open: whoever can publish a document is a client; it is for development, and off in every other profile")
	case RegistrationHosts:
		f.denies("spec.registration.cimd.hosts", c.Hosts, "no document is read")
	}
	if c.Mode == RegistrationOpen || c.Mode == RegistrationHosts {
		f.denies("spec.registration.cimd.scopes", c.Scopes, "clients of documents get no scope")
		f.denies("spec.registration.cimd.resources", c.Resources, "clients of documents get tokens for no resource")
	}
	if s.Registration.DCR == RegistrationOpen {
		f.addCode("registration_open", "spec.registration.dcr", "open: anybody can register clients, up to %d", s.WithDefaults().Registration.DCRLimits.MaxClients)
	}
	if s.Registration.DCR == RegistrationOpen || s.Registration.DCR == RegistrationToken {
		f.denies("spec.registration.dcr_limits.scopes", d.Scopes, "clients that register themselves get no scope")
		f.denies("spec.registration.dcr_limits.resources", d.Resources, "clients that register themselves get tokens for no resource")
	}
	return f.problems
}

// Keys implements Spec.
func (s *TenantSpec) Keys() []Key { return nil }

func (r TenantRegistration) check(f *findings) {
	f.oneOf("spec.registration.dcr", r.DCR, RegistrationOff, RegistrationToken, RegistrationOpen)
	if n := r.DCRLimits.MaxClients; n < 0 || n > maxDCRClients {
		f.add("spec.registration.dcr_limits.max_clients", "%d is out of bounds: expected 1 to %d", n, maxDCRClients)
	}
	f.span("spec.registration.dcr_limits.lifetime", r.DCRLimits.Lifetime, minDCRLifetime, maxDCRLifetime)
	f.each("spec.registration.dcr_limits.scopes", r.DCRLimits.Scopes, scopeProblem)
	f.each("spec.registration.dcr_limits.resources", r.DCRLimits.Resources, nameProblem)
	f.each("spec.registration.dcr_limits.hosts", r.DCRLimits.Hosts, hostPatternProblem)
	f.oneOf("spec.registration.cimd.mode", r.CIMD.Mode, RegistrationOff, RegistrationRegistered, RegistrationHosts, RegistrationOpen)
	f.each("spec.registration.cimd.hosts", r.CIMD.Hosts, hostPatternProblem)
	f.each("spec.registration.cimd.scopes", r.CIMD.Scopes, scopeProblem)
	f.each("spec.registration.cimd.resources", r.CIMD.Resources, nameProblem)
}

// hostPatternProblem: a host, or *. and a suffix of two labels or more, since a suffix of one is everybody's.
func hostPatternProblem(s string) string {
	if suffix := strings.TrimPrefix(s, "*."); hostProblem(suffix) != "" || !strings.Contains(suffix, ".") {
		return "is no lower-case host name with a dot, nor *. and one"
	}
	return ""
}

// text checks text that may be absent.
func (f *findings) text(path, value string) {
	if value == "" {
		return
	}
	if wrong := textProblem(value); wrong != "" {
		f.add(path, "%s %s", quote(value), wrong)
	}
}

// value checks a value that may be absent.
func (f *findings) value(path, value string, check func(string) string) {
	if value == "" {
		return
	}
	if wrong := check(value); wrong != "" {
		f.add(path, "%s %s", quote(value), wrong)
	}
}

// notServed is the warning for what is kept and has no effect in this version.
func (f *findings) notServed(path, what string) {
	f.addCode("not_served", path, "%s: kept, and without effect until a later version serves it", what)
}

// secretRef checks a reference; none is fine.
func (f *findings) secretRef(path string, r SecretRef) {
	given := 0
	for _, v := range []string{r.Env, r.File, r.Vault} {
		if v != "" {
			given++
		}
	}
	switch {
	case given > 1:
		f.add(path, "names more than one place: expected {env: NAME} or {file: PATH}")
	case r.Vault != "":
		f.value(path+".vault", r.Vault, vaultProblem)
	case r.Env != "":
		f.value(path+".env", r.Env, envProblem)
	case r.File != "":
		f.value(path+".file", r.File, pathProblem)
	}
}

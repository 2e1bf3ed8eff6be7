package object

import (
	"slices"
	"time"
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
	// A control that is asked for and not there would be worse than a refusal.
	if s.Approval.Policies || s.Approval.Trust {
		f.addCode("not_served", "spec.approval", "approval by a second person is not served yet; nothing would enforce it, so it is refused")
	}
	if s.Registration.DCR != "" && s.Registration.DCR != RegistrationOff {
		f.addCode("not_served", "spec.registration.dcr", `dynamic registration is not served yet: expected "off"`)
	}
	c := s.Registration.CIMD
	if c.Mode != "" && c.Mode != RegistrationOff && c.Mode != RegistrationRegistered {
		f.addCode("not_served", "spec.registration.cimd.mode", `only registered clients are served yet: expected registered or "off"`)
	}
	f.each("spec.registration.cimd.hosts", c.Hosts, hostProblem)
	f.each("spec.registration.cimd.scopes", c.Scopes, scopeProblem)
	f.each("spec.registration.cimd.resources", c.Resources, nameProblem)
	return f.err()
}

// Warnings says what has no effect yet.
func (s *TenantSpec) Warnings() []Problem {
	var f findings
	c := s.Registration.CIMD
	if len(slices.Concat(c.Hosts, c.Scopes, c.Resources)) > 0 {
		f.notServed("spec.registration.cimd", "client ID metadata documents")
	}
	return f.problems
}

// Keys implements Spec.
func (s *TenantSpec) Keys() []Key { return nil }

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
		f.addCode("not_served", path, "references into Vault are not served yet: expected {env: NAME} or {file: PATH}")
	case r.Env != "":
		f.value(path+".env", r.Env, envProblem)
	case r.File != "":
		f.value(path+".file", r.File, pathProblem)
	}
}

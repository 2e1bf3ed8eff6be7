package object

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Bounds of what an IdentityProvider's entry can say.
const (
	MaxClockSkew         = 60 * time.Second // docs/grants.md
	MinAssertionLifetime = 10 * time.Second
	// MaxAssertionLifetime is for entries that list id-jag.
	MaxAssertionLifetime = time.Hour
	// MaxTokenAssertionLifetime is for entries that list only other profiles: a day, which the tokens of some platforms
	// live, and what their issuers date back.
	MaxTokenAssertionLifetime = 25 * time.Hour
)

// Validate implements Spec.
func (s *IdentityProviderSpec) Validate() error {
	var f findings
	s.checkPreset(&f)
	s.checkTokens(&f)
	s.checkIssuer(&f)
	s.JWKS.check(&f, s.Dialect().SPIFFE)
	s.Network.check(&f)
	s.Assertions.check(&f)
	s.checkPlatform(&f)
	s.checkProduct(&f)
	s.Subject.check(&f)
	s.Claims.check(&f)
	s.checkSignIn(&f)
	return f.err()
}

// checkTokens: an issuer may be left out by an IdP that issues no tokens.
func (s *IdentityProviderSpec) checkTokens(f *findings) {
	tokens := slices.ContainsFunc(s.Assertions.Profiles, func(p string) bool { return p != string(federation.ProfileSAML2Bearer) })
	switch {
	case s.Preset == PresetSAML && tokens:
		f.addCode("profile_of_preset", "spec.assertions.profiles", "an IdP of preset saml issues no tokens: expected %s", federation.ProfileSAML2Bearer)
	case s.Preset == PresetSAML && !s.JWKS.IsZero():
		f.add("spec.jwks", "is for an IdP that issues tokens: its certificates are in spec.saml")
	case s.Issuer == "" && s.EntityID() == "" && (s.Preset != PresetSAML || !s.SAML.IsSet()): // of the other its own check speaks
		f.add("spec.issuer", "is required: an issuer is trusted by exact match")
	case s.Issuer == "" && tokens:
		f.add("spec.issuer", "is required with the profiles of tokens: an entity ID is no issuer")
	}
}

func (s *IdentityProviderSpec) checkIssuer(f *findings) {
	if s.Preset == PresetSAML { // an entity ID: any URI
		f.value("spec.issuer", s.Issuer, entityIDProblem)
		return
	}
	isSPIFFE := strings.HasPrefix(s.Issuer, "spiffe://")
	switch {
	case isSPIFFE && !s.Dialect().SPIFFE:
		f.addCode("spiffe_issuer", "spec.issuer", "%s is a trust domain: expected preset spiffe, by whose rules its tokens are read", quote(s.Issuer))
	case isSPIFFE:
		f.value("spec.issuer", s.Issuer, trustDomainProblem)
	default:
		f.value("spec.issuer", s.Issuer, issuerProblem)
	}
	if wrong := pinnedProblem(s.Issuer); wrong != "" {
		f.addCode("issuer_of_many", "spec.issuer", "%s %s", quote(s.Issuer), wrong)
		return
	}
	if p, known := findPreset(s.Preset); known && p.check != nil && s.Issuer != "" {
		if code, path, text := p.check(s); code != "" {
			f.addCode(code, path, "%s", text)
		}
	}
}

func trustDomainProblem(s string) string {
	if _, _, ok := federation.ParseSPIFFEID(s); !ok {
		return "is no SPIFFE ID: expected spiffe:// and a trust domain in lower case, such as spiffe://acme.example"
	}
	return ""
}

func (s *IdentityProviderSpec) checkPreset(f *findings) {
	if _, known := findPreset(s.Preset); !known { // its checks would be missing, so the entry is not taken for a generic one
		f.add("spec.preset", "unknown value %s: expected %s", quote(s.Preset), alternatives(Presets()))
	}
}

func (k IdPKeys) check(f *findings, svid bool) {
	f.value("spec.jwks.uri", k.URI, httpsProblem)
	f.value("spec.jwks.not_after", k.NotAfter, timeProblem)
	if !k.HasInlineKeys() {
		if k.NotAfter != "" {
			f.add("spec.jwks.not_after", "is for inline keys, and there are none")
		}
		return
	}
	if k.URI != "" {
		f.add("spec.jwks", "names both uri and inline keys: expected one")
	}
	checkKeySet(f, "spec.jwks.inline", k.Inline, svid)
}

// checkKeySet parses a set by the rules by which it will be used.
func checkKeySet(f *findings, path string, set map[string]any, svid bool) {
	b, err := json.Marshal(set)
	if err != nil {
		f.add(path, "cannot be read")
		return
	}
	if _, _, err := (jwks.Source{SVID: svid}).Parse(b); err != nil {
		f.add(path, "%s", err)
	}
}

// keyWarnings says which keys of a set are dropped.
func keyWarnings(f *findings, path string, set map[string]any, svid bool) {
	b, err := json.Marshal(set)
	if err != nil {
		return
	}
	_, dropped, err := jwks.Source{SVID: svid}.Parse(b)
	if err != nil {
		return
	}
	for _, w := range dropped {
		f.add(path, "%s", w)
	}
}

func (n IdPNetwork) check(f *findings) {
	if n.CABundle != "" && !strings.Contains(n.CABundle, "-----BEGIN") {
		f.value("spec.network.ca_bundle", n.CABundle, pathProblem)
	} else if n.CABundle != "" {
		checkBundle(f, "spec.network.ca_bundle", []byte(n.CABundle))
	}
	if n.Proxy != "" {
		if wrong := proxyProblem(n.Proxy); wrong != "" {
			f.add("spec.network.proxy", "%s", wrong)
		}
	}
}

// checkBundle: every block is a certificate that can be read. A pool would skip
// the others in silence.
func checkBundle(f *findings, path string, text []byte) {
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			f.add(path, "holds a block that is no certificate")
			return
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			f.add(path, "holds a certificate that cannot be read")
			return
		}
		count++
		text = rest
	}
	if count == 0 || strings.TrimSpace(string(text)) != "" {
		f.add(path, "is neither a path nor PEM certificates alone")
	}
}

func (s SubjectMatching) check(f *findings) {
	f.filled("spec.subject.match", s.Match)
	f.eachOf("spec.subject.match", s.Match, string(federation.MatchSubjectID), string(federation.MatchAudSub),
		string(federation.MatchSubject), string(federation.MatchEmail))
	byEmail := slices.Contains(s.Match, string(federation.MatchEmail))
	if byEmail && len(s.EmailDomains) == 0 {
		f.add("spec.subject.email_domains", "is required where match lists email: without it an IdP could speak for any address")
	}
	f.oneOf("spec.subject.provision", s.Provision, ProvisionNever, ProvisionJustInTime)
	f.each("spec.subject.email_domains", s.EmailDomains, domainProblem)
	f.oneOf("spec.subject.guests", s.Guests, GuestsDeny, GuestsAllow)
}

func domainProblem(s string) string {
	if canonical, ok := federation.CanonicalDomain(s); !ok || canonical != s {
		return "is no lower-case mail domain"
	}
	return ""
}

func (c ClaimTranslations) check(f *findings) {
	f.text("spec.claims.groups", c.Groups)
	f.filled("spec.claims.groups_from", c.GroupsFrom)
	f.eachOf("spec.claims.groups_from", c.GroupsFrom, string(federation.GroupsFromClaim), string(federation.GroupsFromDirectory))
	f.oneOf("spec.claims.groups_overage", c.GroupsOverage, OverageDeny, OverageFetch)
	for group, alias := range c.GroupAliases {
		f.text("spec.claims.group_aliases", group)
		if wrong := textProblem(alias); wrong != "" {
			f.add("spec.claims.group_aliases", "%s %s", quote(alias), wrong)
		}
	}
}

// Warnings says what has no effect yet, what denies and what is likely a mistake.
func (s *IdentityProviderSpec) Warnings() []Problem {
	var f findings
	p, known := findPreset(s.Preset)
	if known && p.warn != nil {
		if code, text := p.warn(s.Issuer); code != "" {
			f.addCode(code, "spec.issuer", "%s", text)
		}
	}
	if name, known := presetOfIssuer(s.Issuer); known && name != p.name && !s.Assertions.otherThanIDJAG() {
		f.addCode("preset_mismatch", "spec.preset", "%s is the issuer of preset %s, and %s reads its tokens by other rules", s.Issuer, name, p.name)
	}
	if strings.HasSuffix(s.Issuer, "/") && s.Dialect().Tenant == "" { // a dialect that found its tenant knows the slash
		f.addCode("iss_mismatch", "spec.issuer", "ends in a slash; it is compared byte for byte with what the IdP publishes")
	}
	if s.JWKS.HasInlineKeys() {
		keyWarnings(&f, "spec.jwks.inline", s.JWKS.Inline, s.Dialect().SPIFFE)
	}
	s.signInWarnings(&f)
	s.tokenWarnings(&f, p)
	if len(s.Assertions.Profiles) > 0 {
		f.denies("spec.assertions.clients", s.Assertions.Clients, "no client may present its assertions")
		f.denies("spec.assertions.resources", s.Assertions.Resources, "its assertions are good for no resource")
		f.denies("spec.assertions.scopes", s.Assertions.Scopes, "its assertions are good for no scope")
	}
	if s.Claims.GroupsOverage == OverageFetch && !s.OIDC.IsSet() {
		f.notServed("spec.claims.groups_overage", "fetching groups without a sign-in by oidc (an overage denies)")
	}
	return f.problems
}

// Keys implements Spec.
func (s *IdentityProviderSpec) Keys() []Key {
	var keys []Key
	if s.Issuer != "" && !s.SpeaksSAMLAlone() {
		keys = append(keys, Key{Space: SpaceIssuer, Value: s.Issuer, Exclusive: true})
	}
	if entity := s.EntityID(); entity != "" {
		keys = append(keys, Key{Space: SpaceEntityID, Value: entity, Exclusive: true})
	}
	for _, domain := range s.Domains {
		keys = append(keys, Key{Space: SpaceDomain, Value: domain, Exclusive: true})
	}
	return keys
}

// denies warns of an absent list.
func (f *findings) denies(path string, list []string, what string) {
	if len(list) == 0 {
		f.addCode("absent_denies", path, "absent: %s", what)
	}
}

// filled refuses a list that is written and empty where an absent one has a default: somebody meant "none" and would get
// what the preset says.
func (f *findings) filled(path string, list []string) {
	if list != nil && len(list) == 0 {
		f.add(path, "is empty: name what counts, or leave it out for what the preset says")
	}
}

// eachOf accepts the listed values, each once.
func (f *findings) eachOf(path string, list []string, allowed ...string) {
	f.each(path, list, func(s string) string {
		if slices.Contains(allowed, s) {
			return ""
		}
		return "is unknown: expected " + alternatives(allowed)
	})
}

// span checks a duration that may be absent.
func (f *findings) span(path string, d Duration, least, most time.Duration) {
	if d != 0 && (time.Duration(d) < least || time.Duration(d) > most) {
		f.add(path, "%s is out of bounds: expected %s to %s", d, Duration(least), Duration(most))
	}
}

package object

import (
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

func (a AssertionTrust) check(f *findings) {
	profiles := []string{
		string(federation.ProfileIDJAG), string(federation.ProfileJWTBearer),
		string(federation.ProfileWorkload), string(federation.ProfileSAML2Bearer),
	}
	f.eachOf("spec.assertions.profiles", a.Profiles, profiles...)
	if slices.Contains(a.Profiles, profiles[1]) && slices.Contains(a.Profiles, profiles[2]) {
		f.add("spec.assertions.profiles", "jwt-bearer and workload exclude each other: one token would have two meanings")
	}
	// RFC 8725 §3.1: what is allowed is listed; no symmetric algorithm and no none among them.
	f.filled("spec.assertions.algorithms", a.Algorithms)
	f.eachOf("spec.assertions.algorithms", a.Algorithms, jws.Algorithms()...)
	most := MaxAssertionLifetime
	if a.otherThanIDJAG() && !a.lists(federation.ProfileIDJAG) {
		most = MaxTokenAssertionLifetime
	}
	f.span("spec.assertions.max_lifetime", a.MaxLifetime, MinAssertionLifetime, most)
	f.span("spec.assertions.clock_skew", a.ClockSkew, 0, MaxClockSkew)
	f.each("spec.assertions.clients", a.Clients, clientNameProblem)
	f.each("spec.assertions.resources", a.Resources, nameProblem)
	f.each("spec.assertions.scopes", a.Scopes, scopeProblem)
	f.oneOf("spec.assertions.absent_scope", a.AbsentScope, AbsentScopeRefuse, AbsentScopeDefault)
	f.oneOf("spec.assertions.reuse", a.Reuse, ReuseSingle, ReuseClientBound)
	f.oneOf("spec.assertions.error_profile", a.ErrorProfile, ErrorsEMA04, ErrorsIDJAG06)
	f.each("spec.assertions.tenants", a.Tenants, subjectProblem)
	f.each("spec.assertions.saml_entity_ids", a.SAMLEntityIDs, textProblem)
	f.each("spec.assertions.audiences", a.Audiences, audienceProblem)
	if len(a.Audiences) > 0 && !a.otherThanIDJAG() {
		// ID-JAG §4.4.1: an ID-JAG has one audience, our issuer.
		f.addCode("audiences_unused", "spec.assertions.audiences", "is for the profiles jwt-bearer and workload, and neither is listed: leave it out")
	}
}

// audienceProblem: compared byte for byte, so nothing in it is a pattern.
func audienceProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	if strings.ContainsAny(s, "* ") {
		return "holds * or a space: audiences are compared exactly"
	}
	return ""
}

// audiencesOfOthers are those of tokens that were made for somebody else, which
// whoever receives them could present here.
func audiencesOfOthers() []string {
	return []string{
		"sts.amazonaws.com", "api://AzureADTokenExchange", "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local",
		"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000", "https://management.azure.com/",
	}
}

// checkPlatform: what speaks of programs alone issues no ID-JAG, and one that came would be somebody's invention.
func (s *IdentityProviderSpec) checkPlatform(f *findings) {
	if p, known := findPreset(s.Preset); known && p.platform && s.Assertions.lists(federation.ProfileIDJAG) {
		f.addCode("profile_of_preset", "spec.assertions.profiles", "%s issues no ID-JAGs: expected workload", p.name)
	}
}

// checkProduct: tokens of a product that is known are read by its own rules, which say for whom they were made, whom they
// speak of and who else has them. ID-JAGs are the same from everybody.
func (s *IdentityProviderSpec) checkProduct(f *findings) {
	p, known := findPreset(s.Preset)
	if !known || !s.Assertions.otherThanIDJAG() {
		return
	}
	if name, issuers := presetOfIssuer(s.Issuer); issuers && name != p.name {
		f.addCode("preset_mismatch", "spec.preset", "%s is the issuer of preset %s, and %s reads its tokens by other rules: expected preset %s for the "+
			"profiles jwt-bearer and workload", quote(s.Issuer), name, p.name, name)
	}
}

// tokenWarnings are of the profiles whose tokens are not ID-JAGs.
func (s *IdentityProviderSpec) tokenWarnings(f *findings, p preset) {
	a := s.Assertions
	if a.lists(federation.ProfileSAML2Bearer) && !s.SAML.IsSet() {
		f.addCode("absent_denies", "spec.saml", "says by no metadata and no certificates whose assertions of profile %s count: none do", federation.ProfileSAML2Bearer)
	}
	if a.lists(federation.ProfileJWTBearer) && p.noJTI && s.WithDefaults().Assertions.Reuse == ReuseSingle {
		f.addCode("jti_absent", "spec.assertions.reuse", "tokens of %s have no jti, so that single_use refuses every one of them under jwt-bearer: say client_bound, "+
			"which lets the same client present a token until it expires", p.name)
	}
	if most := s.WithDefaults().Assertions.MaxLifetime; a.otherThanIDJAG() && time.Duration(most) < p.tokens {
		f.addCode("lifetime_short", "spec.assertions.max_lifetime", "%s is less than tokens of %s may live (%s): those that are longer are refused; where id-jag is "+
			"listed the default is %s, and %s is the most", most, p.name, Duration(p.tokens), Duration(p.jag), Duration(MaxAssertionLifetime))
	}
	for i, audience := range a.Audiences {
		if slices.Contains(audiencesOfOthers(), audience) {
			f.addCode("audience_of_others", "spec.assertions.audiences", "[%d] %s: tokens for another service would be good here, and whoever receives them could "+
				"present them; let the platform make tokens for our issuer", i, quote(audience))
		}
	}
}

package object

import (
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// Validate implements Spec.
func (s *ResourceSpec) Validate() error {
	var f findings
	if s.URI == "" {
		f.add("spec.uri", "is required: it is the audience of the resource's tokens")
	}
	f.value("spec.uri", s.URI, resourceProblem)
	for _, name := range slices.Sorted(maps.Keys(s.Scopes)) {
		s.checkScope(&f, name)
	}
	f.each("spec.default_scopes", s.DefaultScopes, s.scopeKnown)
	f.value("spec.server.client", s.Server.Client, clientNameProblem)
	f.span("spec.token.lifetime", s.Token.Lifetime, MinTokenLifetime, MaxTokenLifetime)
	f.oneOf("spec.token.dpop", s.Token.DPoP, DPoPOptional, DPoPRequired)
	f.oneOf("spec.token.algorithm", s.Token.Algorithm, "ES256", "RS256", "EdDSA")
	f.each("spec.token.claims", s.Token.Claims, claimProblem)
	return f.err()
}

func (s *ResourceSpec) checkScope(f *findings, name string) {
	path := "spec.scopes." + name
	if wrong := scopeProblem(name); wrong != "" {
		f.add("spec.scopes", "%s %s", quote(name), wrong)
		return
	}
	scope := s.Scopes[name]
	f.text(path+".risk", scope.Risk)
	f.text(path+".description", scope.Description)
	f.each(path+".implies", scope.Implies, s.scopeKnown)
	if s.implies(name, name) {
		f.add(path+".implies", "%s implies itself", quote(name))
	}
}

func (s *ResourceSpec) scopeKnown(name string) string {
	if _, known := s.Scopes[name]; !known {
		return "is no scope of this resource"
	}
	return ""
}

// implies tells whether one scope leads to another, in any number of steps but none.
func (s *ResourceSpec) implies(from, to string) bool {
	seen := map[string]bool{}
	next := slices.Clone(s.Scopes[from].Implies)
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if name == to {
			return true
		}
		if !seen[name] {
			seen[name] = true
			next = append(next, s.Scopes[name].Implies...)
		}
	}
	return false
}

// claimProblem: what the product itself writes cannot be asked for.
func claimProblem(s string) string {
	reserved := []string{
		"iss", "sub", "aud", "client_id", "iat", "nbf", "exp", "jti", "scope", "auth_time", "acr", "amr",
		"act", "may_act", "cnf", "status", "tenant", "plan", "environment",
	}
	if slices.Contains(reserved, s) {
		return "is written by the product itself"
	}
	return textProblem(s)
}

// servedClaims are those that token.claims can ask for.
func servedClaims() []string { return []string{"groups", "email"} }

// Warnings says what has no effect yet and what denies.
func (s *ResourceSpec) Warnings() []Problem {
	var f findings
	for _, claim := range s.Token.Claims {
		if !slices.Contains(servedClaims(), claim) {
			f.notServed("spec.token.claims", "the claim "+quote(claim))
		}
	}
	if len(s.Scopes) == 0 {
		f.addCode("absent_denies", "spec.scopes", "absent: no scope can be granted for the resource")
	}
	return f.problems
}

// Keys implements Spec.
func (s *ResourceSpec) Keys() []Key {
	if s.URI == "" {
		return nil
	}
	canonical, err := oauth.CanonicalResource(s.URI)
	if err != nil {
		return nil // Validate says why
	}
	return []Key{{Space: SpaceResourceURI, Value: canonical, Exclusive: true}}
}

package object

import (
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/federation"
)

const (
	maxRules = 32 // of one Workload
	maxPath  = 8  // parts of a claim's path
)

// Validate implements Spec.
func (s *WorkloadSpec) Validate() error {
	var f findings
	if s.IdP == "" {
		f.add("spec.idp", "is required: a claim means nothing without its issuer")
	}
	f.value("spec.idp", s.IdP, nameProblem)
	if s.Client == "" {
		f.add("spec.client", "is required: it is the client that the workload becomes")
	}
	f.value("spec.client", s.Client, nameProblem)
	s.checkMatch(&f)
	f.each("spec.resources", s.Resources, nameProblem)
	f.each("spec.scopes", s.Scopes, scopeProblem)
	return f.err()
}

func (s *WorkloadSpec) checkMatch(f *findings) {
	switch {
	case len(s.Match) == 0:
		f.add("spec.match", "is required: without a claim every token of the issuer would match")
	case len(s.Match) > maxRules:
		f.add("spec.match", "%d claims: at most %d", len(s.Match), maxRules)
	}
	seen := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(s.Match)) {
		parsed, err := federation.ParseClaimPath(path)
		if err != nil {
			f.add("spec.match", "%s", err)
			continue
		}
		if len(parsed) > maxPath {
			f.add("spec.match", "%s has %d parts: at most %d", quote(path), len(parsed), maxPath)
		}
		same := federation.ClaimPath(parsed)
		if other, twice := seen[same]; twice {
			f.add("spec.match", "%s and %s are the same claim", quote(other), quote(path))
		}
		seen[same] = path
		if wrong := envelopeProblem(parsed); wrong != "" {
			f.add("spec.match", "%s %s", quote(path), wrong)
		}
		if wrong := claimValueProblem(s.Match[path].text); wrong != "" {
			f.add("spec.match", "the value of %s %s", quote(path), wrong)
		}
	}
}

// envelopeProblem: these are the issuer's and the verifier's to settle. A rule on
// them is one that never fits, or that says what was checked anyway.
func envelopeProblem(path []string) string {
	if len(path) == 1 && slices.Contains([]string{"iss", "aud", "exp", "iat", "nbf", "jti"}, path[0]) {
		return "is checked for every token by its IdentityProvider: expected a claim that tells workloads apart"
	}
	return ""
}

// claimValueProblem: rules are exact. A star is what people write who expect a pattern.
func claimValueProblem(s string) string {
	if wrong := textProblem(s); wrong != "" {
		return wrong
	}
	if slices.Contains([]byte(s), '*') {
		return "holds *: values are compared exactly, never as a pattern"
	}
	return ""
}

// namesProgramOnly: these claims are the program that a token was asked by. It asks for itself, and for each person who
// uses it, and in both tokens they are the same.
func (s *WorkloadSpec) namesProgramOnly() bool {
	claims, err := s.Claims()
	return err == nil && len(claims) > 0 && !slices.ContainsFunc(claims, func(c federation.ClaimEquals) bool {
		return len(c.Path) != 1 || !slices.Contains([]string{"azp", "appid", "cid", "client_id"}, c.Path[0])
	})
}

// Warnings says what denies, and what may fit more than is meant.
func (s *WorkloadSpec) Warnings() []Problem {
	var f findings
	if s.namesProgramOnly() {
		f.addCode("workload_may_be_person", "spec.match", "names a program alone: a person's token that the program was given fits too; add a claim that "+
			"only its own tokens have, such as sub")
	}
	f.denies("spec.resources", s.Resources, "the workload gets tokens for no resource")
	f.denies("spec.scopes", s.Scopes, "the workload gets no scope")
	return f.problems
}

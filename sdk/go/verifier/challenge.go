package verifier

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// asked is what a request needs, and how a refusal asks for it.
type asked struct {
	v      *Verifier
	scheme string // that the client used; "" for none
	needs  []Requirement
	scopes []string // all of them: a client should be told once
}

func (v *Verifier) asked(needs []Requirement) asked {
	a := asked{v: v, needs: needs, scopes: slices.Clone(v.scopes)}
	for _, need := range needs {
		for _, scope := range need.scopes {
			if !slices.Contains(a.scopes, scope) {
				a.scopes = append(a.scopes, scope)
			}
		}
	}
	return a
}

func (a asked) as(scheme string) asked {
	a.scheme = scheme
	if a.v.proofs.required {
		a.scheme = schemeDPoP
	}
	return a
}

// challenged adds what a client needs to do better.
func (e *Error) challenged(a asked) *Error {
	if e.Code == "invalid_dpop_proof" || e.Code == "use_dpop_nonce" {
		a.scheme = schemeDPoP
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusBadRequest:
	case http.StatusForbidden:
		if e.Code != "insufficient_scope" { // no other token would help
			return e
		}
	default:
		return e
	}
	if a.scheme == "" { // RFC 6750 §3.1: no error code where there were no credentials
		e.challenges = []string{a.challenge(schemeBearer, e), schemeDPoP + ` algs="` + strings.Join(proofAlgorithms(), " ") + `"`}
		return e
	}
	e.challenges = []string{a.challenge(a.scheme, e)}
	return e
}

func (a asked) challenge(scheme string, e *Error) string {
	var parameters []string
	add := func(name, value string) {
		if value != "" {
			parameters = append(parameters, name+`="`+value+`"`)
		}
	}
	add("error", e.Code)
	if e.Code != "" {
		add("error_description", e.Description())
	}
	add("scope", strings.Join(a.scopes, " "))
	if e.Code == codeStepUp { // RFC 9470 §3
		acr, maxAge := a.authentication()
		add("acr_values", strings.Join(acr, " "))
		if maxAge >= 0 {
			add("max_age", strconv.Itoa(int(maxAge/time.Second)))
		}
	}
	add("resource_metadata", a.v.metadataURL) // RFC 9728 §5.1
	if scheme == schemeDPoP {
		add("algs", strings.Join(proofAlgorithms(), " ")) // RFC 9449 §7.1
	}
	return scheme + " " + strings.Join(parameters, ", ")
}

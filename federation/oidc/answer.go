package oidc

import (
	"crypto/subtle"
	"log/slog"
	"net/url"

	"github.com/chancery-dev/chancery/federation"
)

// Answer is what the browser brought back to the callback, and not yet believed.
type Answer struct {
	state, code       string
	issuer            string
	namesIssuer       bool
	failure, describe string
}

// Bounds of an answer's parameters, in bytes. Codes of some IdPs are long.
const (
	maxCode  = 8 << 10
	maxState = 256
)

// ParseAnswer reads the parameters of a callback, of its query or of a posted form
// (OIDC Core §3.1.2.5, §3.1.2.6). The error is a *federation.Refusal.
func ParseAnswer(values url.Values) (Answer, error) {
	var trail federation.Trail
	var a Answer
	malformed := func(name, received, expected string) (Answer, error) {
		return Answer{}, trail.Refuse(federation.CodeIdPAnswerMalformed, name, received, expected, nil)
	}
	for _, p := range []struct {
		name string
		into *string
		most int
	}{
		{"state", &a.state, maxState},
		{"code", &a.code, maxCode},
		{"iss", &a.issuer, maxText},
		{"error", &a.failure, maxText},
		{"error_description", &a.describe, maxCode},
	} {
		given := values[p.name]
		switch {
		case len(given) > 1: // RFC 6749 §3.1: no parameter twice
			return malformed(p.name, "more than once", "once")
		case len(given) == 1 && len(given[0]) > p.most:
			return malformed(p.name, "longer", "a parameter of usual length")
		case len(given) == 1:
			*p.into = given[0]
		}
	}
	_, a.namesIssuer = values["iss"]
	for _, name := range []string{"id_token", "access_token", "response"} { // of flows that were not asked for
		if values.Has(name) {
			return malformed(name, "the parameter", "an answer of the code flow")
		}
	}
	switch {
	case a.code == "" && a.failure == "":
		return malformed("code", "none", "a code or an error")
	case a.code != "" && a.failure != "":
		return malformed("code", "beside an error", "a code or an error")
	}
	return a, nil
}

// StateHash is the name of the departure that the answer says it belongs to.
func (a Answer) StateHash() string { return StateHash(a.state) }

// String shows nothing: a code is a secret until it was redeemed.
func (a Answer) String() string { return "answer of an IdP" }

// GoString is String, for %#v.
func (a Answer) GoString() string { return a.String() }

// LogValue is String, for slog.
func (a Answer) LogValue() slog.Value { return slog.StringValue(a.String()) }

// checkState: OIDC Core §3.1.2.7, RFC 6749 §10.12.
func (a Answer) checkState(d Departure, trail *federation.Trail) error {
	if a.state == "" || subtle.ConstantTimeCompare([]byte(a.StateHash()), []byte(d.StateHash)) != 1 {
		return trail.Refuse(federation.CodeSignInStateMismatch, "state", "another", "the departure's", nil)
	}
	trail.Pass("state", "the departure's", "the departure's")
	return nil
}

// checkIssuer: RFC 9207 §2.4: compared wherever it is there, and missed where the IdP
// says, or said when the person left, that it is.
func (a Answer) checkIssuer(d Departure, m *metadata, e *Entry, trail *federation.Trail) error {
	switch {
	case !a.namesIssuer && (m.namesItself || d.NamesItself):
		return trail.Refuse(federation.CodeIssParameterMissing, "iss parameter", "", e.Provider.Issuer, nil)
	case a.namesIssuer && a.issuer != e.Provider.Issuer:
		return trail.Refuse(federation.CodeIdPMixUp, "iss parameter", a.issuer, e.Provider.Issuer, nil)
	case a.namesIssuer:
		trail.Pass("iss parameter", a.issuer, e.Provider.Issuer)
	}
	return nil
}

// checkFailure gives the IdP's error one of our codes. Its words are for the record:
// nobody outside is shown what came with a link.
func (a Answer) checkFailure(trail *federation.Trail) error {
	if a.failure == "" {
		return nil
	}
	received := a.failure
	if a.describe != "" {
		received += ": " + a.describe
	}
	return trail.Refuse(codeOfFailure(a.failure), "answer", received, "a code", nil)
}

func codeOfFailure(failure string) federation.Code {
	switch failure {
	case "login_required": // OIDC Core §3.1.2.6
		return federation.CodeIdPLoginRequired
	case "interaction_required", "account_selection_required", "registration_not_supported":
		return federation.CodeIdPInteractionNeeded
	case "consent_required":
		return federation.CodeIdPConsentRequired
	case "access_denied": // RFC 6749 §4.1.2.1
		return federation.CodeIdPAccessDenied
	case "unmet_authentication_requirements": // OIDC Unmet Authentication Requirements §2
		return federation.CodeIdPStepUpUnmet
	case "temporarily_unavailable", "server_error":
		return federation.CodeIdPUnavailable
	default: // invalid_request, unauthorized_client, invalid_scope, … and what nobody has heard of
		return federation.CodeIdPRequestRefused
	}
}

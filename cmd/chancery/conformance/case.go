package conformance

import (
	"context"
	"time"
)

// Profile is the kind of assertion that the target is asked with.
type Profile string

// The profiles.
const (
	IDJAG     Profile = "id-jag"     // identity assertion authorization grants, draft-04, with the MCP extension
	JWTBearer Profile = "jwt-bearer" // plain RFC 7523 §2.1
)

// Severity is how strongly the standard says it (RFC 2119).
type Severity string

// The severities. A MAY that is not done is noted, and fails nothing.
const (
	Must   Severity = "MUST"
	Should Severity = "SHOULD"
	May    Severity = "MAY"
)

// Outcome is what came of a case.
type Outcome string

// The outcomes.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	Noted         Outcome = "noted"          // a MAY that the target does not do
	Undecided     Outcome = "undecided"      // no answer, or one that says nothing about the case
	NotApplicable Outcome = "not_applicable" // the target does not offer it, or a setting is missing
)

// Fault is the way in which a case failed.
type Fault string

// The faults, the worst first.
const (
	Accepted      Fault = "accepted"       // a token, where there must be none
	WrongGrant    Fault = "wrong_grant"    // a token that says or allows what it must not
	Refused       Fault = "refused"        // no token, where there must be one
	ServerError   Fault = "server_error"   // 5xx
	WrongError    Fault = "wrong_error"    // refused with another OAuth error or status
	NoOAuthError  Fault = "no_oauth_error" // refused, but not in the form of RFC 6749 §5.2
	WrongMetadata Fault = "wrong_metadata"
)

// Case is one thing that is sent, and what must come of it.
type Case struct {
	ID       string
	Title    string
	Section  string // of the standard that says so
	Severity Severity
	Expect   string // in words
	Sends    string // in words; assertion cases say it when they know the draft

	profile Profile // "" for every one
	need    []need
	severe  map[Profile]Severity // where a profile is stricter or looser than Severity
	run     func(ctx context.Context, s *session) Finding
}

// Finding is what a case found.
type Finding struct {
	Outcome Outcome
	Fault   Fault // of a failed one
	Sent    string
	Got     string
}

// Result is a case with what it found.
type Result struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Section  string   `json:"section"`
	Severity Severity `json:"severity"`
	Sent     string   `json:"sent"`
	Expected string   `json:"expected"`
	Got      string   `json:"got,omitempty"`
	Outcome  Outcome  `json:"outcome,omitempty"`
	Fault    Fault    `json:"fault,omitempty"`
	// Milliseconds is how long the case took, waiting for its turn excluded.
	Milliseconds int64 `json:"milliseconds,omitempty"`

	took time.Duration
}

// need is something without which a case says nothing.
type need string

const (
	needDPoP        need = "the target advertises no dpop_signing_alg_values_supported"
	needOtherClient need = "no second client is configured (other_client)"
	needScope       need = "no scope is configured"
	needTwoScopes   need = "fewer than two scopes are configured"
	needResource    need = "no resource is configured"
	needJWT         need = "the target's access tokens are no JWTs"
	needKeys        need = "the target names no jwks_uri"
	needGrant       need = "no token was granted"
)

func pass(sent, got string) Finding { return Finding{Outcome: Passed, Sent: sent, Got: got} }

func fail(fault Fault, sent, got string) Finding {
	return Finding{Outcome: Failed, Fault: fault, Sent: sent, Got: got}
}

// Cases returns what is sent to a target under a profile, in that order. Ids are
// unique and stable.
func Cases(p Profile) []Case {
	var list []Case
	for _, group := range [][]Case{metadataCases(), answerCases(), variationCases(), assertionCases(), requestCases(), boundaryCases(), proofCases(), onceCases()} {
		for _, c := range group {
			if c.profile != "" && c.profile != p {
				continue
			}
			if s, ok := c.severe[p]; ok {
				c.Severity = s
			}
			list = append(list, c)
		}
	}
	return list
}

package policy

import (
	"slices"
	"time"
)

// The codes of policy, as in the error catalogue.
const (
	CodeDenied        = "policy_denied"
	CodeNone          = "policy_none"
	CodeUndefined     = "policy_undefined"
	CodeResultInvalid = "policy_result_invalid"
	CodeError         = "policy_error"
	CodeTimeout       = "policy_timeout"
	CodeMemory        = "policy_memory"
)

// The codes of reasons that the product adds to those of policies.
const (
	ReasonScopeNarrowed       = "scope_narrowed"
	ReasonStepUpImpossible    = "step_up_impossible"
	ReasonApprovalUnavailable = "approval_unavailable"
)

// Decision is the combined answer of every policy that was asked.
//
// Allow is true only when all of them allow, and then StepUp and Approval, where
// present, are conditions still to be met: the caller compares StepUp with the
// assertion (StepUp.Met) and challenges when it does not hold.
type Decision struct {
	Allow bool `json:"allow"`
	// Code is why it denies: one of the Code constants, empty when it allows.
	Code string `json:"code,omitempty"`
	// Scopes is what may be granted: requested ∩ available ∩ what every policy
	// allows, in the order requested. It may be empty although Allow is true.
	Scopes []string `json:"scopes,omitempty"`
	// Narrowed are the scopes that policy named above a ceiling and that were cut.
	Narrowed []string `json:"narrowed,omitempty"`
	// Deny holds what policies said in deny.
	Deny     []string  `json:"deny,omitempty"`
	StepUp   *StepUp   `json:"step_up,omitempty"`
	Approval *Approval `json:"approval,omitempty"`
	// Lifetime is the longest that the token may live; zero is no opinion.
	Lifetime time.Duration `json:"lifetime,omitempty"`
	// Claims go into the token as one member named "{issuer}/claims".
	Claims   map[string]any `json:"claims,omitempty"`
	Reasons  []Reason       `json:"reasons,omitempty"`
	Policies []Ref          `json:"policies,omitempty"`
}

// Reason says why; Code is stable, Detail is for people. Reasons that policies
// gave name the policy, those of the product may not.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Policy string `json:"policy,omitempty"`
}

// Approval is a demand that people approve first. Every entry is needed.
type Approval struct {
	Needs []ApprovalNeed `json:"needs"`
}

// ApprovalNeed is one approval by a member of Group. Within is how long the
// request waits for it; zero leaves it to the product.
type ApprovalNeed struct {
	Group  string        `json:"group"`
	Within time.Duration `json:"within,omitempty"`
	Policy string        `json:"policy,omitempty"`
}

// StepUp is a demand for fresher or stronger authentication of the person.
type StepUp struct {
	// ACRValues are the acceptable acr values, any of which will do; nil is any.
	ACRValues []string `json:"acr_values,omitempty"`
	// MaxAge is the greatest age of the authentication in seconds; nil is any.
	MaxAge *int64 `json:"max_age,omitempty"`
}

// Met reports whether an authentication satisfies the demand. acr is compared
// exactly; authTime is zero when it is not known. An authentication in the future
// never satisfies (RFC 9470 §5 leaves this to us; docs/grants.md).
func (s StepUp) Met(acr string, authTime, now time.Time) bool {
	if !authTime.IsZero() && authTime.After(now) {
		return false
	}
	if s.ACRValues != nil && (acr == "" || !slices.Contains(s.ACRValues, acr)) {
		return false
	}
	if s.MaxAge == nil {
		return true
	}
	return !authTime.IsZero() && now.Sub(authTime) <= time.Duration(*s.MaxAge)*time.Second
}

// stricter combines two demands: values acceptable to both, the lesser age. ok is
// false when no value is acceptable to both, so that nothing can satisfy them.
func (s StepUp) stricter(o StepUp) (both StepUp, ok bool) {
	both = s
	switch {
	case s.ACRValues == nil:
		both.ACRValues = o.ACRValues
	case o.ACRValues != nil:
		both.ACRValues = intersect(s.ACRValues, o.ACRValues)
		if len(both.ACRValues) == 0 {
			return both, false
		}
	}
	if s.MaxAge == nil || (o.MaxAge != nil && *o.MaxAge < *s.MaxAge) {
		both.MaxAge = o.MaxAge
	}
	return both, true
}

// intersect keeps the members of a that are in b, in a's order. The result is
// never nil: nil would mean "any" where empty means "none".
func intersect(a, b []string) []string {
	both := make([]string, 0, len(a))
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

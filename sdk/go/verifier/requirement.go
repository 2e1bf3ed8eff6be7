package verifier

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

const codeStepUp = "insufficient_user_authentication"

// Requirement is something that a request needs besides a valid token. The zero value
// is met by nothing.
type Requirement struct {
	scopes       []string
	plans        []string
	environments []string
	acr          []string
	maxAge       time.Duration // with fresh
	fresh        bool
}

// RequireScopes needs all of the scopes; else 403 insufficient_scope.
func RequireScopes(scope string, more ...string) Requirement {
	return Requirement{scopes: append([]string{scope}, more...)}
}

// RequirePlan needs one of the plans; else 403 access_denied without a challenge: a new
// token would not help.
func RequirePlan(plan string, more ...string) Requirement {
	return Requirement{plans: append([]string{plan}, more...)}
}

// RequireEnvironment needs one of the environments; else 403 access_denied without a
// challenge.
func RequireEnvironment(environment string, more ...string) Requirement {
	return Requirement{environments: append([]string{environment}, more...)}
}

// RequireACR needs one of the authentication context classes, compared exactly; else 401
// insufficient_user_authentication with all of them as acr_values (RFC 9470 §3).
func RequireACR(acr string, more ...string) Requirement {
	return Requirement{acr: append([]string{acr}, more...)}
}

// RequireMaxAge needs that the person signed in at most so long ago, in whole seconds;
// else 401 insufficient_user_authentication with max_age (RFC 9470 §3). A token without
// auth_time does not meet it.
func RequireMaxAge(age time.Duration) Requirement {
	return Requirement{maxAge: max(0, age.Truncate(time.Second)), fresh: true}
}

func (n Requirement) isZero() bool {
	return len(n.scopes)+len(n.plans)+len(n.environments)+len(n.acr) == 0 && !n.fresh
}

var errEmptyRequirement = errors.New("a requirement requires nothing")

// check holds a token against everything that is needed: first what no sign-in would
// change, then who signed in how, then scopes.
func (a asked) check(t *Token) *Error {
	c := t.claims
	for _, n := range a.needs {
		switch {
		case n.isZero():
			return &Error{Status: http.StatusInternalServerError, Reason: "misconfigured", cause: errEmptyRequirement}
		case len(n.plans) > 0 && !oneOf(c.Plan, n.plans):
			return denied("plan_required", "the client's plan does not include this")
		case len(n.environments) > 0 && !oneOf(c.Environment, n.environments):
			return denied("environment_not_allowed", "the client's environment is not allowed here")
		}
	}
	now := a.v.now()
	for _, n := range a.needs {
		if len(n.acr) > 0 && !oneOf(c.ACR, n.acr) {
			return stepUp("a stronger sign-in is needed")
		}
		if n.fresh && (c.AuthTime.IsZero() || now.Sub(c.AuthTime) > n.maxAge || c.AuthTime.After(now.Add(maxFuture))) {
			return stepUp("a more recent sign-in is needed")
		}
	}
	var missing []string
	for _, scope := range a.scopes {
		if !t.HasScope(scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) > 0 {
		return &Error{Status: http.StatusForbidden, Code: "insufficient_scope", Reason: "scope_missing", description: strings.Join(missing, " ")}
	}
	return nil
}

// oneOf: what is absent is in no list.
func oneOf(value string, list []string) bool { return value != "" && slices.Contains(list, value) }

func denied(reason, description string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "access_denied", Reason: reason, description: description}
}

func stepUp(description string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: codeStepUp, Reason: "step_up_required", description: description}
}

// authentication is what all requirements together ask of the sign-in; maxAge is
// negative where none asks for an age.
func (a asked) authentication() (acr []string, maxAge time.Duration) {
	maxAge = -1
	for _, n := range a.needs {
		for _, value := range n.acr {
			if !slices.Contains(acr, value) {
				acr = append(acr, value)
			}
		}
		if n.fresh && (maxAge < 0 || n.maxAge < maxAge) {
			maxAge = n.maxAge
		}
	}
	return acr, maxAge
}

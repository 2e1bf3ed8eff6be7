package policy

import "time"

// Meets compares a demand for step-up with the sign-in that the input tells of, at the input's time; no demand is met.
// Without a person nothing meets one: there is nobody who could sign in.
func (in *Input) Meets(s *StepUp) bool {
	if s == nil {
		return true
	}
	if in.User == nil {
		return false
	}
	var acr string
	var at time.Time
	if in.Assertion != nil {
		acr = in.Assertion.ACR
		if in.Assertion.AuthTime != 0 {
			at = time.Unix(in.Assertion.AuthTime, 0)
		}
	}
	return s.Met(acr, at, time.Unix(in.Time.Unix, 0))
}

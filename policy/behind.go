package policy

import "slices"

// Behind reports whether the decision denies only because an earlier evaluation of the same policy has not ended yet:
// it says nothing of this input, and asking again later may.
func (d Decision) Behind() bool {
	return d.Code == CodeTimeout && slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r.Detail == errStuck.Error() || r.Detail == errResting.Error() })
}

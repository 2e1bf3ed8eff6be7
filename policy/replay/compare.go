package replay

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/chancery-dev/chancery/policy"
)

// Kind is one way in which a draft's answer differs from the recorded one.
type Kind string

// The kinds of change. A decision may show several, but never both of the first two.
const (
	AllowToDeny Kind = "allow_to_deny"
	DenyToAllow Kind = "deny_to_allow"
	ScopesWon   Kind = "scopes_won"
	ScopesLost  Kind = "scopes_lost"
	StepUp      Kind = "step_up" // another demand
	// Challenged and Unchallenged: the recorded sign-in met the recorded demand and does not meet the draft's, or the
	// reverse.
	Challenged   Kind = "challenged"
	Unchallenged Kind = "unchallenged"
	Approval     Kind = "approval"
	Lifetime     Kind = "lifetime"
	Claims       Kind = "claims"
	// Failed is a draft that gives no answer: an error, an invalid result, no time or no memory left.
	Failed Kind = "failed"
)

var kinds = [...]Kind{AllowToDeny, DenyToAllow, ScopesWon, ScopesLost, StepUp, Challenged, Unchallenged, Approval, Lifetime, Claims, Failed}

// Kinds lists every kind of change, in the order of reports.
func Kinds() []Kind { return slices.Clone(kinds[:]) }

// Flips reports whether a change of this kind turns an answer. A lifetime or claims that differ do not.
func (k Kind) Flips() bool { return k != Lifetime && k != Claims }

// difference is what a draft would have changed of one decision.
type difference struct {
	kinds     []Kind
	won, lost []string
}

func (d difference) flips() bool { return slices.ContainsFunc(d.kinds, Kind.Flips) }

// granted reports whether the client gets something: a request for scopes of which none is left is refused.
func granted(in *policy.Input, d policy.Decision) bool {
	return d.Allow && (len(d.Scopes) > 0 || in.Requested == nil || len(in.Requested.Scopes) == 0)
}

// unanswered: the evaluation that was recorded, or this one, was cut off. It says nothing of the rules.
func unanswered(code string) bool { return code == policy.CodeTimeout || code == policy.CodeMemory }

func failed(code string) bool {
	return unanswered(code) || code == policy.CodeError || code == policy.CodeResultInvalid
}

// compare lists the kinds of change in the order of kinds.
func compare(in *policy.Input, before, after policy.Decision) difference {
	var d difference
	differs := func(k Kind, is bool) {
		if is {
			d.kinds = append(d.kinds, k)
		}
	}
	was, is := granted(in, before), granted(in, after)
	differs(AllowToDeny, was && !is)
	differs(DenyToAllow, !was && is)
	if was && is {
		d.won, d.lost = without(after.Scopes, before.Scopes), without(before.Scopes, after.Scopes)
		differs(ScopesWon, len(d.won) > 0)
		differs(ScopesLost, len(d.lost) > 0)
		differs(StepUp, !sameStepUp(before.StepUp, after.StepUp))
		met, meets := in.Meets(before.StepUp), in.Meets(after.StepUp)
		differs(Challenged, met && !meets)
		differs(Unchallenged, !met && meets)
		differs(Approval, !sameApproval(before.Approval, after.Approval))
		differs(Lifetime, before.Lifetime != after.Lifetime)
		differs(Claims, !sameClaims(before.Claims, after.Claims))
	}
	differs(Failed, failed(after.Code) && after.Code != before.Code)
	return d
}

func without(a, b []string) []string {
	var rest []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

func sameStepUp(a, b *policy.StepUp) bool {
	if a == nil || b == nil {
		return a == b
	}
	if (a.MaxAge == nil) != (b.MaxAge == nil) || (a.MaxAge != nil && *a.MaxAge != *b.MaxAge) {
		return false
	}
	return (a.ACRValues == nil) == (b.ACRValues == nil) && sameSet(a.ACRValues, b.ACRValues)
}

func sameSet(a, b []string) bool { return len(without(a, b)) == 0 && len(without(b, a)) == 0 }

// sameApproval: who demands it is no matter, only what is demanded.
func sameApproval(a, b *policy.Approval) bool { return slices.Equal(needs(a), needs(b)) }

func needs(a *policy.Approval) []policy.ApprovalNeed {
	if a == nil {
		return nil
	}
	list := slices.Clone(a.Needs)
	for i := range list {
		list[i].Policy = ""
	}
	slices.SortFunc(list, func(x, y policy.ApprovalNeed) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Within, y.Within))
	})
	return list
}

// sameClaims compares as JSON: the recorded ones were read from it.
func sameClaims(a, b map[string]any) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

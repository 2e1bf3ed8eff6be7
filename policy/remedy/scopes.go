package remedy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

// fewer are requests for less: what would be granted now, all but one, one alone.
func fewer(in *policy.Input, d policy.Decision) (list []candidate, all bool) {
	if in.Requested == nil || len(in.Requested.Scopes) < 2 {
		return nil, true
	}
	asked := in.Requested.Scopes
	var subsets [][]string
	add := func(subset []string) {
		same := func(o []string) bool { return slices.Equal(o, subset) }
		if len(subset) > 0 && len(subset) < len(asked) && !slices.ContainsFunc(subsets, same) {
			subsets = append(subsets, subset)
		}
	}
	if d.Allow {
		add(d.Scopes)
	}
	bounded := asked[:min(len(asked), maxScopes)]
	for i := range bounded {
		add(slices.Concat(asked[:i], asked[i+1:]))
	}
	for _, s := range bounded {
		add([]string{s})
	}
	for _, subset := range subsets {
		list = append(list, candidate{
			Change: Change{Member: "requested.scopes", Do: "set", Value: subset, Text: "ask for no more than " + strings.Join(subset, " ")}, family: familyFewer,
			apply: func(in *policy.Input) {
				r := *in.Requested
				r.Scopes = subset
				in.Requested = &r
			},
		})
	}
	return list, len(asked) <= maxScopes
}

// ceilings are the scopes that were asked for and are above what the client, the assertion or another ceiling allows.
func ceilings(in *policy.Input) (list []candidate) {
	if in.Requested == nil {
		return nil
	}
	raise := func(scope, member, text string, apply func(*policy.Input)) {
		list = append(list, candidate{
			Change: Change{Member: member, Do: "add", Value: scope, Text: fmt.Sprintf(text, scope)}, family: familyCeiling, scope: scope, apply: apply,
		})
	}
	missing := 0
	for _, scope := range in.Requested.Scopes {
		if slices.Contains(in.Available, scope) || !known(in, scope) {
			continue
		}
		if missing++; missing > maxScopes {
			break
		}
		client, asserted := clientHas(in, scope), assertedHas(in, scope)
		if !client {
			raise(scope, "client.scopes", "let the client have scope %s", func(in *policy.Input) {
				c := *in.Client
				c.Scopes = with(c.Scopes, scope)
				in.Client = &c
			})
		}
		if !asserted {
			raise(scope, "asserted.scopes", "have the identity provider assert scope %s", func(in *policy.Input) {
				in.Asserted = &policy.Asserted{Scopes: with(in.Asserted.Scopes, scope)}
			})
		}
		if client && asserted {
			raise(scope, "available_scopes", "raise the ceiling that takes scope %s away: the identity provider's entry, or the workload's", func(in *policy.Input) {
				in.Available = with(in.Available, scope)
			})
		}
	}
	return list
}

// known: a scope that the resource does not have is no ceiling's matter.
func known(in *policy.Input, scope string) bool {
	return in.Resource != nil && slices.Contains(in.Resource.Scopes, scope)
}

func clientHas(in *policy.Input, scope string) bool {
	return in.Client == nil || has(in, in.Client.Scopes, scope)
}

func assertedHas(in *policy.Input, scope string) bool {
	return in.Asserted == nil || has(in, in.Asserted.Scopes, scope)
}

// has counts what the listed scopes imply, where that is known.
func has(in *policy.Input, list []string, scope string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == scope || slices.Contains(in.Implies[s], scope) })
}

// settle makes a scope available when the ceilings that the input shows allow it after the changes. That no other ceiling
// takes it away is assumed: one that does is not in the input.
func settle(in *policy.Input, together []candidate) {
	for _, c := range together {
		if c.family == familyCeiling && clientHas(in, c.scope) && assertedHas(in, c.scope) {
			in.Available = with(in.Available, c.scope)
		}
	}
}

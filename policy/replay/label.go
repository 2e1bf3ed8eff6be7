package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

// labels are the groups of a changed decision.
func labels(in *policy.Input, rule, reason string) [len(dimensions)]string {
	client, user, resource := "", "", ""
	if in.Client != nil {
		client = cmp.Or(in.Client.Name, in.Client.ID)
	}
	if in.User != nil {
		user = in.User.ID
	}
	if in.Resource != nil {
		resource = in.Resource.Name
	}
	return [...]string{clip(client), clip(user), clip(resource), clip(rule), clip(reason)}
}

// cause names the reason that made the difference: the first that the draft gives and the record does not; else the first
// that the record gave and the draft does not; else the code of the one that denies.
func cause(before, after policy.Decision) string {
	for _, pair := range [][2][]policy.Reason{{after.Reasons, before.Reasons}, {before.Reasons, after.Reasons}} {
		for _, r := range pair[0] {
			same := func(o policy.Reason) bool { return o.Code == r.Code && o.Policy == r.Policy }
			if !slices.ContainsFunc(pair[1], same) {
				return strings.TrimPrefix(r.Policy+": "+r.Code, ": ")
			}
		}
	}
	return cmp.Or(after.Code, before.Code)
}

// summary is a decision on one line.
func summary(d policy.Decision) string {
	if !d.Allow {
		var why string
		if len(d.Reasons) > 0 {
			why = " (" + d.Reasons[0].Code + ")"
		}
		return clip("deny " + d.Code + why)
	}
	text := "allow " + strings.Join(d.Scopes, " ")
	if len(d.Scopes) == 0 {
		text = "allow, no scope left"
	}
	if d.StepUp != nil {
		text += ", step-up"
		if d.StepUp.ACRValues != nil {
			text += " acr " + strings.Join(d.StepUp.ACRValues, "|")
		}
		if d.StepUp.MaxAge != nil {
			text += fmt.Sprintf(" within %d s", *d.StepUp.MaxAge)
		}
	}
	if d.Approval != nil {
		text += ", approval"
		for _, n := range d.Approval.Needs {
			text += " " + n.Group
		}
	}
	if d.Lifetime > 0 {
		text += ", lifetime " + d.Lifetime.String()
	}
	return clip(text)
}

func clip(s string) string {
	if len(s) <= maxLabel {
		return s
	}
	return strings.ToValidUTF8(s[:maxLabel], "") + "…"
}

func clipAll(list []string) []string {
	const most = 32
	if len(list) > most {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("… and %d more", len(list)-most))
	}
	out := slices.Clone(list)
	for i := range out {
		out[i] = clip(out[i])
	}
	return out
}

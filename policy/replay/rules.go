package replay

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

// maxUnexplained is how many changed decisions may go unexplained before no more are: what explaining costs is the draft's.
const maxUnexplained = 8

// Rules finds the rules that decide under a draft, for Options.Rules. Compiled are the policies of the draft; w evaluates them.
//
// Of each policy that is asked it names the last rule of decision that was true; where a policy has none, that one policy:
// it alone denies.
func Rules(w policy.Witness, draft *policy.Set, compiled []*policy.Compiled) func(context.Context, *policy.Input) (string, error) {
	return func(ctx context.Context, in *policy.Input) (string, error) {
		resource := ""
		if in.Resource != nil {
			resource = in.Resource.Name
		}
		var parts []string
		for _, ref := range draft.Policies(resource, in.Action) {
			i := slices.IndexFunc(compiled, func(c *policy.Compiled) bool { return c.Ref() == ref })
			if i < 0 {
				continue
			}
			rules, err := w.Explain(ctx, compiled[i], in)
			if err != nil {
				return "", err
			}
			decided := slices.DeleteFunc(rules, func(r policy.Rule) bool { return !strings.HasPrefix(r.Name, "decision") })
			if len(decided) == 0 {
				return ref.Name + ": no rule was true", nil
			}
			last := decided[len(decided)-1]
			parts = append(parts, ref.Name+" "+last.File+":"+strconv.Itoa(last.Row))
		}
		return strings.Join(parts, ", "), nil
	}
}

// rule names what decided a changed decision; empty where it is not known.
func (a *asker) rule(ctx context.Context, in *policy.Input, after policy.Decision) string {
	if a.o.Rules == nil || unanswered(after.Code) || a.unexplained.Load() >= maxUnexplained {
		return ""
	}
	rule, err := a.o.Rules(ctx, in)
	if err != nil {
		a.unexplained.Add(1)
		return ""
	}
	return rule
}

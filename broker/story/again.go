package story

import (
	"fmt"
	"strings"

	"github.com/chancery-dev/chancery/broker/decision"
)

// again tells which rules were true, what decided, what reasons mean and what would have helped.
func again(a *decision.Again) []string {
	if a == nil {
		return nil
	}
	if a.Problem != "" {
		return []string{"not decided again: " + a.Problem}
	}
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if a.Differs {
		add("DECIDED AGAIN, THE SAME REVISIONS SAY SOMETHING ELSE of what is recorded (--output json shows it)")
	}
	if len(a.Masked) > 0 {
		add("not certain: the policies read what the record masks (%s)", strings.Join(a.Masked, ", "))
	}
	for _, r := range a.Rules {
		if !r.Decided {
			add("true     %s %s:%d %s", r.Policy, r.File, r.Row, r.Name)
		}
	}
	for _, r := range a.Rules {
		if !r.Decided {
			continue
		}
		add("decided  %s revision %d %s:%d", r.Policy, r.Revision, r.File, r.Row)
		for i, text := range r.Text {
			add("  %4d | %s", r.Row+i, strings.ReplaceAll(text, "\t", "    "))
		}
	}
	for _, name := range a.Silent {
		add("decided  %s: no rule of decision was true, which denies", name)
	}
	for _, r := range a.Reasons {
		if r.Means == "" && r.File == "" {
			continue
		}
		where := ""
		if r.File != "" {
			where = fmt.Sprintf(" (%s:%d)", r.File, r.Row)
		}
		means := r.Means
		if means == "" {
			means = "its author has not said; a comment above the rule would"
		}
		add("%s%s means: %s", r.Code, where, means)
	}
	return append(lines, remedies(a)...)
}

func remedies(a *decision.Again) []string {
	if a.Remedies == nil {
		return nil
	}
	if len(a.Remedies.Ways) == 0 {
		return []string{"no single change or pair of changes was found that would have turned it"}
	}
	lines := []string{"it would have been granted, had the request been to"}
	for _, way := range a.Remedies.Ways {
		var parts []string
		for _, c := range way.Changes {
			parts = append(parts, c.Text)
		}
		lines = append(lines, "  - "+strings.Join(parts, ", and ")+" → "+strings.Join(way.Scopes, " "))
	}
	return lines
}

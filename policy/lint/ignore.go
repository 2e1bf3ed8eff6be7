package lint

import (
	"slices"
	"strings"
)

// ignored is one comment "lint:ignore RULE reason", for the rows from..to.
type ignored struct {
	rule     string
	from, to int
	used     bool
}

// ignore silences what comments say, and speaks of the comments that say nothing.
func (p *pass) ignore() []Finding {
	all := slices.Clone(p.found)
	for _, f := range p.files {
		for _, c := range f.module.Comments {
			words, ok := strings.CutPrefix(strings.TrimSpace(string(c.Text)), "lint:ignore")
			if !ok || c.Location == nil {
				continue
			}
			if len(all) > 2*MaxFindings {
				panic(errMany)
			}
			said := p.finding(ruleIgnore, "")
			said.File, said.Row, said.Column = f.name, c.Location.Row, c.Location.Col
			name, reason, _ := strings.Cut(strings.TrimSpace(words), " ")
			_, known := lookup(p.rules, name)
			switch {
			case !known:
				said.Text = clip("there is no rule " + quoted(name))
				if near := nearest(name, p.names()); near != "" {
					said.Fix = "did you mean " + near + "?"
				}
			case name == ruleParse || name == ruleIncomplete || name == ruleIgnore:
				said.Text = name + " cannot be ignored"
			case strings.TrimSpace(reason) == "":
				said.Text, said.Fix = "no reason is given", "write # lint:ignore "+name+" and why"
			default:
				i := f.reach(name, c.Location.Row)
				all = slices.DeleteFunc(all, func(found Finding) bool {
					hit := found.File == f.name && found.Rule == i.rule && found.Row >= i.from && found.Row <= i.to
					i.used = i.used || hit
					return hit
				})
				if i.used || p.cut {
					continue
				}
				said.Severity, said.Text, said.Fix = Warning, "there is nothing of "+name+" to ignore here", "take the comment away"
			}
			all = append(all, said)
		}
	}
	return all
}

func (p *pass) names() []string {
	names := make([]string, 0, len(p.rules))
	for _, r := range p.rules {
		names = append(names, r.Name)
	}
	return names
}

// reach is the rows that a comment is for: its own and the next that is no comment; the
// whole of a rule that begins there.
func (f *file) reach(rule string, row int) ignored {
	i := ignored{rule: rule, from: row, to: row + 1}
	for f.remarks[i.to] {
		i.to++
	}
	next := i.to
	for _, r := range f.module.Rules {
		if r.Location != nil && r.Location.Row == next {
			i.to = max(i.to, next+lines(r)-1)
		}
		if r.Location != nil && r.Location.Row < row && row < r.Location.Row+lines(r) && !f.alone(row) {
			i.to = row // at the end of a line of a rule: that line
		}
	}
	return i
}

// alone reports whether the comment of a row has the row for itself.
func (f *file) alone(row int) bool { return !f.code[row] }

package revision

import (
	"maps"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/object"
)

// File is one module or test that differs, line by line: ' ' stays, '-' goes, '+' comes.
type File struct {
	Path  string   `json:"path"` // modules.{name} or tests.{name}
	Lines []string `json:"lines"`
}

// Bounds of a difference: what is longer is shown as gone and come.
const (
	maxLines = 4000 // of one file, to compare line by line
	around   = 3    // lines that stay, before and after what differs
)

// Between compares two texts of a policy; nil is none.
func Between(was, is *object.PolicySpec) (Diff, error) {
	d := Diff{Changes: []object.FieldChange{}, Files: []File{}}
	var before, after object.PolicySpec
	if was != nil {
		before = *was
	}
	if is != nil {
		after = *is
	}
	d.files("modules.", before.Modules, after.Modules)
	d.files("tests.", before.Tests, after.Tests)
	before.Modules, before.Tests, after.Modules, after.Tests = nil, nil, nil, nil
	changes, err := object.DiffPolicies(&before, &after)
	if err != nil {
		return d, err
	}
	d.Changes = append(d.Changes, changes...)
	return d, nil
}

func (d *Diff) files(prefix string, was, is map[string]string) {
	names := slices.Sorted(maps.Keys(was))
	for name := range is {
		if _, both := was[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if was[name] != is[name] {
			d.Files = append(d.Files, File{Path: prefix + name, Lines: lines(split(was[name]), split(is[name]))})
		}
	}
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// lines compares two files by their longest common subsequence, between what they begin and end with alike.
func lines(was, is []string) []string {
	head := 0
	for head < min(len(was), len(is)) && was[head] == is[head] {
		head++
	}
	tail := 0
	for tail < min(len(was), len(is))-head && was[len(was)-1-tail] == is[len(is)-1-tail] {
		tail++
	}
	var out []string
	for _, l := range was[max(0, head-around):head] {
		out = append(out, " "+l)
	}
	out = append(out, middle(was[head:len(was)-tail], is[head:len(is)-tail])...)
	rest := was[len(was)-tail:]
	for _, l := range rest[:min(around, len(rest))] {
		out = append(out, " "+l)
	}
	return out
}

func middle(was, is []string) []string {
	var out []string
	if len(was)*len(is) > maxLines*maxLines/4 {
		for _, l := range was {
			out = append(out, "-"+l)
		}
		for _, l := range is {
			out = append(out, "+"+l)
		}
		return out
	}
	longest := make([][]int32, len(was)+1)
	for i := range longest {
		longest[i] = make([]int32, len(is)+1)
	}
	for i, line := range slices.Backward(was) {
		for j := len(is) - 1; j >= 0; j-- {
			if line == is[j] {
				longest[i][j] = longest[i+1][j+1] + 1
				continue
			}
			longest[i][j] = max(longest[i+1][j], longest[i][j+1])
		}
	}
	i, j := 0, 0
	for i < len(was) || j < len(is) {
		switch {
		case i < len(was) && j < len(is) && was[i] == is[j]:
			out = append(out, " "+was[i])
			i, j = i+1, j+1
		case i < len(was) && (j == len(is) || longest[i+1][j] >= longest[i][j+1]):
			out = append(out, "-"+was[i])
			i++
		default:
			out = append(out, "+"+is[j])
			j++
		}
	}
	return out
}

package opa

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/rego"
)

func TestTemplates(t *testing.T) {
	ours, theirs := both(t)
	for _, name := range rego.Names() {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(root(t), "rego/templates", name)
			got := ours.ours(t, folder)
			same(t, got, theirs.theirs(t, folder))
			if got.failed() > 0 {
				t.Errorf("%d of the template's tests fail", got.failed())
			}

			// Tests that find a mistake find it with both.
			broken := filepath.Join(ours.folder, name)
			if err := os.CopyFS(broken, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			before := read(t, "%s/policy.rego", broken)
			after := strings.ReplaceAll(before, `"allow": true`, `"allow": false`)
			if after == before {
				after = strings.ReplaceAll(before, `"allow": `, `"allowed": `)
			}
			write(t, filepath.Join(broken, "policy.rego"), after)
			got = ours.ours(t, broken)
			same(t, got, theirs.theirs(t, broken))
			if got.failed() == 0 {
				t.Error("no test notices that nothing is allowed")
			}
		})
	}
}

func TestTemplatesAreFormattedAndStrict(t *testing.T) {
	_, theirs := both(t)
	folder := filepath.Join(root(t), "rego/templates")
	if out, status := theirs.run(t, "fmt", "--list", "--fail", folder); status != 0 || out != "" {
		t.Errorf("opa fmt lists %s", out)
	}
	for _, name := range rego.Names() {
		if out, status := theirs.run(t, "check", "--strict", filepath.Join(folder, name, "policy.rego"), filepath.Join(folder, name, "policy_test.rego")); status != 0 {
			_, whole := theirs.run(t, "check", "--strict", "--bundle", filepath.Join(folder, name))
			if whole != 0 {
				t.Errorf("opa check %s: %s", name, out)
			}
		}
	}
}

// lines are rows of files, from 1.
type lines map[string][]int

func TestCoverageIsTheSame(t *testing.T) {
	ours, theirs := both(t)
	for _, name := range rego.Names() {
		t.Run(name, func(t *testing.T) {
			// One test of them all, so that some lines are not reached.
			whole := filepath.Join(root(t), "rego/templates", name)
			all := slices.Sorted(maps.Keys(ours.ours(t, whole)))
			only := "^(data\\.)?" + strings.ReplaceAll(all[0], ".", "\\.") + "$"

			reached, missed := ours.covered(t, whole, only)
			theirReached, theirMissed := theirs.coveredByOPA(t, whole, only)
			if len(reached) == 0 || len(missed) == 0 {
				t.Errorf("covered %v, not covered %v", reached, missed)
			}
			if !maps.EqualFunc(reached, theirReached, slices.Equal) || !maps.EqualFunc(missed, theirMissed, slices.Equal) {
				t.Errorf("chancery: covered %v, not %v\nopa: covered %v, not %v", reached, missed, theirReached, theirMissed)
			}
		})
	}
}

func (p tool) covered(t *testing.T, folder, only string) (reached, missed lines) {
	t.Helper()
	out, _ := p.run(t, "policy", "test", folder, "--coverage", "--run", only, "--output", "json")
	type rows struct{ From, To int }
	var all struct {
		Coverage []struct {
			Files []struct {
				File       string `json:"file"`
				Evaluated  []rows `json:"evaluated"`
				NotReached []rows `json:"not_reached"`
			} `json:"files"`
		} `json:"coverage"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all.Coverage) != 1 {
		t.Fatalf("%v: %.300s", err, out)
	}
	reached, missed = lines{}, lines{}
	for _, f := range all.Coverage[0].Files {
		for _, r := range f.Evaluated {
			reached.add(f.File, r.From, r.To)
		}
		for _, r := range f.NotReached {
			missed.add(f.File, r.From, r.To)
		}
	}
	return reached, missed
}

func (p tool) coveredByOPA(t *testing.T, folder, only string) (reached, missed lines) {
	t.Helper()
	out, _ := p.run(t, "test", folder, "--coverage", "--coverage-runs", "", "--run", only, "--format", "json")
	type place struct {
		Row int `json:"row"`
	}
	type span struct{ Start, End place }
	var all struct {
		Files map[string]struct {
			Covered    []span `json:"covered"`
			NotCovered []span `json:"not_covered"`
		} `json:"files"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	reached, missed = lines{}, lines{}
	for file, f := range all.Files {
		base := filepath.Base(file)
		if strings.HasSuffix(base, "_test.rego") {
			continue
		}
		for _, s := range f.Covered {
			reached.add(base, s.Start.Row, s.End.Row)
		}
		for _, s := range f.NotCovered {
			missed.add(base, s.Start.Row, s.End.Row)
		}
	}
	return reached, missed
}

func (l lines) add(file string, from, to int) {
	for row := from; row <= to; row++ {
		l[file] = append(l[file], row)
	}
	slices.Sort(l[file])
	l[file] = slices.Compact(l[file])
}

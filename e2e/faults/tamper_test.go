package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// T69: whoever edits an export is found, and where.
func TestTamper(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		for range 5 {
			w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
			w.Redeem(w.IdP.IDJAG(idptest.Eve))
		}
		file, lines := export(t, w)
		keys := checkpointKeys(t, w)
		if o := w.Run("audit", "verify", file, "--jwks", keys); o.Status != 0 {
			t.Fatalf("an honest export: %v", o)
		}
		victims := eventLines(lines)
		if len(victims) < 8 {
			t.Fatalf("%d events in %d lines", len(victims), len(lines))
		}
		middle := victims[len(victims)/2]
		cases := map[string]struct {
			lines []string
			names []string // one of these, in the output
		}{
			"one byte changed":  {change(lines, middle, func(s string) string { return strings.Replace(s, `"outcome":"`, `"outcome":"X`, 1) }), at(middle)},
			"one digit changed": {change(lines, middle, digit), at(middle)},
			"one line cut":      {slices.Delete(slices.Clone(lines), middle, middle+1), append(at(middle), at(middle+1)...)},
			"two lines swapped": {swap(lines, victims[3], victims[4]), append(at(victims[3]), at(victims[4])...)},
			"one line twice":    {slices.Insert(slices.Clone(lines), middle, lines[middle]), append(at(middle), at(middle+1)...)},
			"truncated":         {lines[:middle], nil},
			"emptied":           {nil, nil},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				bad := filepath.Join(t.TempDir(), "bad.jsonl")
				text := strings.Join(c.lines, "\n") + "\n"
				if len(c.lines) == 0 {
					text = ""
				}
				if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				for _, more := range [][]string{nil, {"--jwks", keys}} {
					o := w.Run(append([]string{"audit", "verify", bad}, more...)...)
					if o.Status != 1 {
						t.Fatal(o)
					}
					if len(c.names) > 0 && !slices.ContainsFunc(c.names, func(place string) bool { return strings.Contains(o.String(), place) }) {
						t.Errorf("%v names none of %q", o, c.names)
					}
				}
			})
		}
		t.Run("keys of somebody else", func(t *testing.T) {
			other := harness.Start(t, harness.Options{Engine: harness.SQLite})
			if o := w.Run("audit", "verify", file, "--jwks", checkpointKeys(t, other)); o.Status != 1 {
				t.Error(o)
			}
		})
	})
}

func checkpointKeys(t *testing.T, w *harness.World) string {
	t.Helper()
	keys, err := w.Server().Admin.CheckpointKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// eventLines are the indexes of lines that hold an event.
func eventLines(lines []string) []int {
	var all []int
	for i, line := range lines {
		if strings.Contains(line, `"outcome":"`) {
			all = append(all, i)
		}
	}
	return all
}

func at(index int) []string {
	return []string{fmt.Sprintf("line %d", index+1), fmt.Sprintf(":%d:", index+1)}
}

func change(lines []string, index int, how func(string) string) []string {
	changed := slices.Clone(lines)
	changed[index] = how(changed[index])
	return changed
}

func swap(lines []string, a, b int) []string {
	swapped := slices.Clone(lines)
	swapped[a], swapped[b] = swapped[b], swapped[a]
	return swapped
}

// digit changes a digit of the event's time.
func digit(line string) string {
	i := strings.Index(line, `"at":"2`)
	if i < 0 {
		return line + " "
	}
	i += len(`"at":"`)
	return line[:i] + "3" + line[i+1:]
}

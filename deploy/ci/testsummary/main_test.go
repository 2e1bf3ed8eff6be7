package main

import (
	"strings"
	"testing"
)

const passing = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestOne"}
{"Action":"output","Package":"m/a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"pass","Package":"m/a","Test":"TestOne"}
{"Action":"run","Package":"m/a","Test":"TestTable"}
{"Action":"run","Package":"m/a","Test":"TestTable/x"}
{"Action":"run","Package":"m/a","Test":"TestTable/y"}
{"Action":"pass","Package":"m/a","Test":"TestTable/x"}
{"Action":"pass","Package":"m/a","Test":"TestTable/y"}
{"Action":"pass","Package":"m/a","Test":"TestTable"}
{"Action":"pass","Package":"m/a","Elapsed":0.5}
`

// Each case is the passing run with something added; the last line and the verdict
// are what a caller goes by.
func TestReport(t *testing.T) {
	cases := []struct {
		name  string
		added string
		ci    bool
		lint  string
		last  string
		well  bool
		says  string
	}{
		{name: "all pass", last: "3 passed, 0 failed", well: true},
		{
			name: "a subtest fails, its parent is not counted",
			added: `{"Action":"start","Package":"m/b"}
{"Action":"run","Package":"m/b","Test":"TestB"}
{"Action":"run","Package":"m/b","Test":"TestB/z"}
{"Action":"output","Package":"m/b","Test":"TestB/z","Output":"    b_test.go:7: got 1, want 2\n"}
{"Action":"fail","Package":"m/b","Test":"TestB/z"}
{"Action":"fail","Package":"m/b","Test":"TestB"}
{"Action":"fail","Package":"m/b"}
`,
			last: "3 passed, 1 failed", says: "b_test.go:7: got 1, want 2",
		},
		{
			name: "a parent fails on its own",
			added: `{"Action":"run","Package":"m/b","Test":"TestB"}
{"Action":"run","Package":"m/b","Test":"TestB/z"}
{"Action":"pass","Package":"m/b","Test":"TestB/z"}
{"Action":"fail","Package":"m/b","Test":"TestB"}
{"Action":"fail","Package":"m/b"}
`,
			last: "4 passed, 1 failed",
		},
		{
			name: "a package does not build",
			added: `{"Action":"build-output","ImportPath":"m/c","Output":"c.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"m/c"}
{"Action":"start","Package":"m/c"}
{"Action":"fail","Package":"m/c"}
`,
			last: "3 passed, 1 failed", says: "undefined: x",
		},
		{
			name:  "a package never ends",
			added: `{"Action":"start","Package":"m/d"}` + "\n",
			last:  "3 passed, 1 failed", says: "never ended",
		},
		{
			name: "a skip is told, and allowed outside CI",
			added: `{"Action":"run","Package":"m/e","Test":"TestE"}
{"Action":"output","Package":"m/e","Test":"TestE","Output":"    e_test.go:3: because\n"}
{"Action":"skip","Package":"m/e","Test":"TestE"}
`,
			last: "3 passed, 0 failed, 1 skipped", well: true, says: "because",
		},
		{
			name: "a skip without a reason fails CI",
			ci:   true,
			added: `{"Action":"run","Package":"m/e","Test":"TestE"}
{"Action":"output","Package":"m/e","Test":"TestE","Output":"    e_test.go:3: because\n"}
{"Action":"skip","Package":"m/e","Test":"TestE"}
`,
			last: "3 passed, 0 failed, 1 skipped",
		},
		{
			name: "a skip for the corpora is accepted in CI",
			ci:   true,
			added: `{"Action":"run","Package":"m/e","Test":"TestE"}
{"Action":"output","Package":"m/e","Test":"TestE","Output":"    e_test.go:3: CHANCERY_CORPORA is not set\n"}
{"Action":"skip","Package":"m/e","Test":"TestE"}
`,
			last: "3 passed, 0 failed, 1 skipped", well: true,
		},
		{name: "lint failed", lint: "failed", last: "3 passed, 0 failed", says: "lint failed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.lint == "" {
				c.lint = "passed"
			}
			got, well := summarize(t, passing+c.added, c.ci, c.lint)
			lines := strings.Split(strings.TrimRight(got, "\n"), "\n")
			if last := lines[len(lines)-1]; last != c.last {
				t.Errorf("last line %q, want %q\n%s", last, c.last, got)
			}
			if well != c.well {
				t.Errorf("well = %v, want %v\n%s", well, c.well, got)
			}
			if !strings.Contains(got, c.says) {
				t.Errorf("nothing said of %q in\n%s", c.says, got)
			}
		})
	}
}

func TestNothingRanIsNotWell(t *testing.T) {
	got, well := summarize(t, "", false, "passed")
	if well || !strings.Contains(got, "no test ran") {
		t.Errorf("well = %v\n%s", well, got)
	}
}

func summarize(t *testing.T, events string, ci bool, lint string) (string, bool) {
	t.Helper()
	var out strings.Builder
	r := newRun()
	if err := r.read(strings.NewReader(events), &out); err != nil {
		t.Fatal(err)
	}
	well := r.report(&out, ci, lint)
	return out.String(), well
}

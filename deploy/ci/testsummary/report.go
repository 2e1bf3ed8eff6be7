package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// report prints failures, skips and the counts, and says whether all is well.
func (r *run) report(out io.Writer, ci bool, lint string) bool {
	var passed, skipped int
	var unexcused []key
	failed := r.broken + len(r.started)
	for _, k := range r.order {
		if k.test == "" || r.counted(k) == "" {
			continue
		}
		switch r.counted(k) {
		case "pass":
			passed++
		case "fail":
			failed++
		case "skip":
			skipped++
			if !r.excused(k) {
				unexcused = append(unexcused, k)
			}
		}
	}
	r.printFailures(out)
	r.printSkips(out)

	well := failed == 0 && passed > 0
	if ci && len(unexcused) > 0 {
		fmt.Fprintf(out, "\nskipped without a reason that CI accepts: %d\n", len(unexcused))
		well = false
	}
	if passed+failed+skipped == 0 {
		fmt.Fprintln(out, "\nno test ran")
	}
	if lint != "passed" {
		fmt.Fprintf(out, "\nlint %s: its findings are above the tests\n", lint)
		well = false
	}
	fmt.Fprintln(out)
	fmt.Fprintf(out, "%d passed, %d failed", passed, failed)
	if skipped > 0 {
		fmt.Fprintf(out, ", %d skipped", skipped)
	}
	fmt.Fprintln(out)
	return well
}

// counted is the result under which k counts, or "" when its subtests speak for it.
// A parent that fails although no subtest of it did counts as a failure of its own.
func (r *run) counted(k key) string {
	result := r.result[k]
	if !r.parents[k] {
		return result
	}
	if result != "fail" {
		return ""
	}
	for other, res := range r.result {
		if res == "fail" && other.pkg == k.pkg && strings.HasPrefix(other.test, k.test+"/") {
			return ""
		}
	}
	return "fail"
}

func (r *run) printFailures(out io.Writer) {
	if r.build.Len() > 0 {
		fmt.Fprintf(out, "\n--- build\n%s", r.build.String())
	}
	for _, k := range r.order {
		if r.result[k] != "fail" {
			continue
		}
		if k.test == "" && r.failedTestIn(k.pkg) {
			continue
		}
		if k.test != "" && r.counted(k) == "" {
			continue
		}
		r.printOne(out, k)
	}
	for pkg := range r.started {
		fmt.Fprintf(out, "\n--- FAIL %s: it started and never ended\n", pkg)
	}
}

func (r *run) printOne(out io.Writer, k key) {
	fmt.Fprintf(out, "\n--- FAIL %s %s\n", k.pkg, k.test)
	text := r.outputOf(k).String()
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "=== ") || strings.HasPrefix(trimmed, "--- FAIL: "+k.test) {
			continue
		}
		fmt.Fprint(out, line)
	}
}

func (r *run) printSkips(out io.Writer) {
	for _, k := range r.order {
		if r.counted(k) != "skip" || k.test == "" {
			continue
		}
		fmt.Fprintf(out, "\nskip  %s %s\n", k.pkg, k.test)
		for line := range strings.Lines(r.outputOf(k).String()) {
			if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(strings.TrimSpace(line), "--- SKIP") {
				fmt.Fprint(out, line)
			}
		}
	}
}

func (r *run) excused(k key) bool {
	text := r.outputOf(k).String()
	return slices.ContainsFunc(mayLack[:], func(name string) bool { return strings.Contains(text, name) })
}

// Command testsummary reads the output of `go test -json` and says what came of it.
//
// Packages are named as they finish; failures are printed with their own output
// and nothing else; the last line, alone, is "N passed, N failed" with ", N skipped"
// when tests were skipped. The exit status is 0 only if something ran and nothing
// failed. With CI=true a skipped test is a failure too, unless its message names one
// of the few things that a machine may honestly lack (see mayLack).
//
// It depends on the standard library alone, so that it still builds, and tells,
// when the rest of the module does not.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	lint := flag.String("lint", "passed", "how lint went, to be reported with the tests")
	flag.Parse()

	run := newRun()
	if err := run.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "testsummary: %v\n", err)
		os.Exit(1)
	}
	if !run.report(os.Stdout, os.Getenv("CI") == "true", *lint) {
		os.Exit(1)
	}
}

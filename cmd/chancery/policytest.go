package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
)

// Further forms of a test's outcome.
const (
	asPretty = "pretty" // what opa calls asTable
	asJUnit  = "junit"
)

// testFlags are policy test's flags.
type testFlags struct {
	coverage  bool
	threshold float64
	only      string
	verbose   bool
	watch     bool
}

func (c *command) policyTestCommand() *cobra.Command {
	var t testFlags
	cmd := &cobra.Command{
		Use:   "test FILE|DIR|-...",
		Short: "Run the tests of policies, one line each",
		Long: `Run the tests of the Policy objects of files, one line each, without a server. Of one that does not pass, the expression is shown that was
not true. A folder that holds no YAML but Rego is one policy too: tests are the files that end in _test.rego, or lie in a folder tests,
and data.policy is what data.json has under policy. So are an unpacked bundle and the folder of a template.

With --coverage the lines of the policies' modules that no test evaluates are shown in their text. --watch runs the tests again whenever
a file changes, until it is interrupted.

Exit status: 0 all passed; 1 the files cannot be read, a policy does not compile, or there is no test; 2 a test failed, or the coverage is
below --threshold.`,
		Example: `  chancery policy test objects/notes.yaml
  chancery policy test objects/ --coverage --threshold 90
  chancery policy test objects/ --run 'test_contractors_.*' -v --watch
  chancery policy test objects/ --format junit > report.xml`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&t.coverage, "coverage", "c", false, "show which lines of the policies the tests evaluate")
	flags.Float64Var(&t.threshold, "threshold", 0, "with --coverage: the least of each policy in percent; exit status 2 below it")
	flags.StringVarP(&t.only, "run", "r", "", "run only tests whose package and name match this regular expression (RE2)")
	flags.BoolVarP(&t.verbose, "verbose", "v", false, "show the text of tests that do not pass, and of policies that are covered")
	flags.BoolVarP(&t.watch, "watch", "w", false, "run the tests again when a file changes")
	c.addOutputFlag(cmd, asTable)
	flags.Lookup("output").Usage = "table, json, yaml or junit (default: table); --format means the same, and pretty means table"
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "format" { // as opa has it
			name = "output"
		}
		return pflag.NormalizedName(name)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkTestOutput(); err != nil {
			return err
		}
		if t.threshold != 0 && !t.coverage || t.threshold < 0 || t.threshold > 100 {
			return errors.New("--threshold is of --coverage, from 0 to 100")
		}
		only, err := regexp.Compile(t.only)
		if err != nil {
			return fmt.Errorf("--run: %w", err)
		}
		if t.watch {
			if slices.Contains(args, objectfile.Stdin) {
				return errors.New("standard input cannot be watched")
			}
			return c.watching(cmd.Context(), args, func() error { return c.testAll(cmd.Context(), t, only, args) })
		}
		return plainError(c.testAll(cmd.Context(), t, only, args))
	}
	return cmd
}

func (c *command) checkTestOutput() error {
	switch c.output {
	case asPretty:
		c.output = asTable
	case asJUnit:
	default:
		if err := c.checkOutput(); err != nil {
			return fmt.Errorf("--output: %q: table, json, yaml or junit is expected", c.output)
		}
	}
	return nil
}

// tested is what came of all tests.
type tested struct {
	Passed   int             `json:"passed"`
	Failed   int             `json:"failed"`
	Tests    []policyTest    `json:"tests"`
	Coverage []policyCovered `json:"coverage,omitempty"`
	took     time.Duration
}

// policyTest is one test's outcome.
type policyTest struct {
	Tenant string `json:"tenant"`
	Policy string `json:"policy"`
	policy.TestResult
	text string // of the test's file
}

// policyCovered is how much of one policy its tests evaluate.
type policyCovered struct {
	Tenant  string  `json:"tenant"`
	Policy  string  `json:"policy"`
	Percent float64 `json:"percent"`
	policy.Coverage
	text func(file string) string
}

func (c *command) testAll(ctx context.Context, t testFlags, only *regexp.Regexp, args []string) error {
	subjects, err := c.readSubjects(args)
	if err != nil {
		return err
	}
	began := time.Now()
	all := tested{Tests: []policyTest{}}
	for _, s := range subjects {
		if err := all.add(ctx, t, only, s); err != nil {
			return err
		}
	}
	all.took = time.Since(began)
	if len(all.Tests) == 0 {
		if t.only != "" {
			return fmt.Errorf("--run: no test matches %s", t.only)
		}
		return errors.New("there is no test in these policies")
	}
	if err := c.printTested(all, t.verbose); err != nil {
		return err
	}
	low := slices.ContainsFunc(all.Coverage, func(p policyCovered) bool { return p.Percent < t.threshold })
	if all.Failed > 0 || low {
		return errDiffers
	}
	return nil
}

func (all *tested) add(ctx context.Context, t testFlags, only *regexp.Regexp, s testSubject) error {
	compiled, err := policy.Compile(ctx, s.source)
	if err != nil {
		return fmt.Errorf("%s: %w", s.label, err)
	}
	results, coverage, err := compiled.Test(ctx, policy.TestOptions{Only: only.MatchString, Cover: t.coverage, Why: true})
	if err != nil {
		return fmt.Errorf("%s: %w", s.label, err)
	}
	for _, r := range results {
		if r.Passed {
			all.Passed++
		} else {
			all.Failed++
		}
		all.Tests = append(all.Tests, policyTest{Tenant: s.tenant, Policy: s.source.Name, TestResult: r, text: compiled.Text(r.File)})
	}
	if t.coverage {
		all.Coverage = append(all.Coverage, policyCovered{Tenant: s.tenant, Policy: s.source.Name, Percent: coverage.Percent(), Coverage: coverage, text: compiled.Text})
	}
	return nil
}

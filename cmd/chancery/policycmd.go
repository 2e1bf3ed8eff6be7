package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// maxModule bounds a file that policy fmt reads.
const maxModule = 1 << 20

func (c *command) policyCommand() *cobra.Command {
	parent := &cobra.Command{Use: "policy", Short: "Write, test, replay, publish and watch policies"}
	parent.AddCommand(c.policyFmtCommand(), c.policyCheckCommand(), c.policyTestCommand(), c.policyEvalCommand(), c.policyReplayCommand(), c.policyMatrixCommand(), c.policyTestFromCommand(),
		c.policyInitCommand(), c.policyHistoryCommand(), c.policyDiffCommand(), c.policyStatusCommand(), c.policyPullCommand(),
		c.policyDraftCommand(), c.policyProposeCommand(), c.policyPublishCommand(), c.policyRollbackCommand(), c.policyBundleCommand(), c.policyDataCommand())
	return parent
}

func (c *command) policyFmtCommand() *cobra.Command {
	var check, diff bool
	cmd := &cobra.Command{
		Use:   "fmt FILE|DIR|-...",
		Short: "Lay Rego files out as opa fmt does",
		Long: `Lay Rego files out as opa fmt does, in place, and list those that changed. Of a folder, all .rego files below it. Standard input
is written to standard output.

Exit status: 0 done; 1 a file is not Rego; with --check or --diff 2 if a file would change.`,
		Example: `  chancery policy fmt policies/
  chancery policy fmt --check policies/
  chancery policy fmt --diff policies/
  chancery policy fmt - < notes.rego`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing, list what would change; exit status 2 if anything")
	cmd.Flags().BoolVarP(&diff, "diff", "d", false, "change nothing, show what would change as a patch; exit status 2 if anything")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return c.formatAll(args, check, diff) }
	return cmd
}

func (c *command) formatAll(args []string, check, diff bool) error {
	var files []string
	for _, arg := range args {
		found, err := regoFiles(arg)
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	differs := false
	for _, file := range files {
		changed, err := c.format(file, check, diff)
		if err != nil {
			return err
		}
		differs = differs || changed
	}
	if (check || diff) && differs {
		return errDiffers
	}
	return nil
}

func regoFiles(root string) ([]string, error) {
	if root == objectfile.Stdin {
		return []string{root}, nil
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{root}, nil
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".rego" {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no .rego file", root)
	}
	return files, err
}

// format lays out one file and tells whether it differs.
func (c *command) format(file string, check, diff bool) (bool, error) {
	before, err := c.readModule(file)
	if err != nil {
		return false, err
	}
	after, err := policy.Format(file, string(before))
	if err != nil {
		return false, err
	}
	changed := !bytes.Equal(before, []byte(after))
	switch {
	case file == objectfile.Stdin && !check && !diff:
		_, err = io.WriteString(c.stdout, after)
	case !changed:
	case diff:
		err = writeDiff(c.stdout, file, string(before), after)
	case check:
		_, err = fmt.Fprintln(c.stdout, file)
	default:
		if err = os.WriteFile(file, []byte(after), 0o644); err == nil { //nolint:gosec // it is there, and keeps its mode
			_, err = fmt.Fprintln(c.stdout, file)
		}
	}
	return changed, err
}

func (c *command) readModule(file string) ([]byte, error) {
	in := c.stdin
	if file != objectfile.Stdin {
		f, err := os.Open(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxModule+1))
	if err == nil && len(text) > maxModule {
		err = fmt.Errorf("%s: more than %d bytes", file, maxModule)
	}
	return text, err
}

func (c *command) policyCheckCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "check -f FILE|DIR|-",
		Short: "Check Policy objects as apply would, and read them for mistakes, without a server",
		Long: `Check the Policy objects of files as apply would, without a server: the object, the compiler with its allowed built-ins, the data's
schema, the tests, and that an evaluation ends in time. What needs the neighbours (two policies that grant for the same) is
checked at apply.

Beyond what apply asks, about thirty rules look for what the author cannot have meant: a misspelt member of input, a rule that
allows by default, an e-mail address that decides, a denial without a reason. Each has a page in docs/policy-lint; a comment
"# lint:ignore RULE reason" silences one. Findings are errors, which apply refuses, or warnings, which it repeats.

Exit status: 0 every policy is good, warnings aside; 1 the files cannot be read; 2 a policy would be refused, or has a finding that is an
error.`,
		Example: `  chancery policy check -f objects/
  chancery policy check -f objects/ --output json`,
		Args: cobra.NoArgs,
	}
	c.addOutputFlag(cmd, asTable)
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file, folder or - for standard input; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		written, policies, err := c.readPolicies(files)
		if err != nil {
			return plainError(err)
		}
		return c.checkPolicies(cmd.Context(), written, policies)
	}
	return cmd
}

// namedPolicy is one Policy object of the files.
type namedPolicy struct {
	object object.Object
	spec   *object.PolicySpec
}

// readPolicies refuses files without a policy: a check of nothing passes too easily.
func (c *command) readPolicies(files []string) (objectfile.Written, []namedPolicy, error) {
	if len(files) == 0 {
		return objectfile.Written{}, nil, errors.New("say what to read: a file, a folder, or - for standard input")
	}
	written, err := objectfile.Read(files, c.stdin)
	if err != nil {
		return written, nil, err
	}
	var policies []namedPolicy
	for _, o := range written.Objects {
		if spec, ok := o.Spec.(*object.PolicySpec); ok {
			policies = append(policies, namedPolicy{object: o, spec: spec})
		}
	}
	if len(policies) == 0 {
		return written, nil, fmt.Errorf("there is no Policy object in %s", strings.Join(files, ", "))
	}
	return written, policies, nil
}

func (c *command) checkPolicies(ctx context.Context, written objectfile.Written, policies []namedPolicy) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this binary: %w", err)
	}
	checker := regocheck.Checker{Gate: func(ctx context.Context, r gate.Request) (gate.Report, error) { return gate.Examine(ctx, exe, r) }}
	all := make([]policyChecked, 0, len(policies))
	good := true
	for _, p := range policies {
		one := checkPolicy(ctx, checker, written, p)
		good = good && one.Good
		all = append(all, one)
	}
	err = c.print(all, func(w io.Writer) error {
		for i, one := range all {
			one.write(w, policies[i], written)
		}
		return nil
	})
	if err == nil && !good {
		err = errDiffers
	}
	return err
}

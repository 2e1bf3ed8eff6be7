package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/jws"
)

func (c *command) idpCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "idp", Short: "Why an IdP works, or does not: test, capture, inspect, metadata, bundle"}
	cmd.AddCommand(c.idpTestCommand(), c.idpCaptureCommand(), c.idpInspectCommand(), c.idpMetadataCommand(), c.idpBundleCommand())
	return cmd
}

// sample are the flags of an assertion that is rehearsed.
type sample struct {
	file, client, resource, scope string
}

func (s *sample) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.client, "client", "", "client_id of whoever would send it (default: the assertion's)")
	flags.StringVar(&s.resource, "resource", "", "resource that the request would name")
	flags.StringVar(&s.scope, "scope", "", "scopes that the request would name")
}

func (c *command) idpTestCommand() *cobra.Command {
	var s sample
	var draft string
	cmd := &cobra.Command{
		Use:   "test [NAME]",
		Short: "Test the connection to an IdP, step by step, and rehearse an assertion",
		Long: `Test the connection to an IdP from where the server stands, with that entry's network settings: one row for each check, in
the order in which they are made. What could not be checked because an earlier check failed is skipped, not passed.

With --file an entry is tested before it is applied; nothing is saved. With --assertion a sample goes through the grant as it
is served, up to the claims of the token that it would get: nothing is signed with a key of the tenant, the assertion is not
used up, stored or logged.

Exit status: 0 every check passed (warnings do not count); 1 it could not be tested; 2 a check failed.`,
		Example: `  chancery idp test okta
  chancery idp test okta --assertion id-jag.txt
  chancery idp test --file okta.yaml --output json`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVarP(&draft, "file", "f", "", "an IdentityProvider that is not applied yet, or - for standard input")
	cmd.Flags().StringVar(&s.file, "assertion", "", "file with an assertion, or - for standard input")
	s.add(cmd)
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		ask := client.IdPTest{ClientID: s.client, Resource: s.resource, Scope: s.scope}
		switch {
		case len(args) == 1 && draft == "":
			ask.Name = args[0]
		case len(args) == 0 && draft != "" && (draft != "-" || s.file != "-"):
			entry, err := c.readEntry(draft)
			if err != nil {
				return err
			}
			ask.Object = &entry
		default:
			return errors.New("say what to test: NAME, or --file with an entry that is not applied (standard input holds one thing)")
		}
		if s.file != "" {
			compact, err := c.readAssertion(s.file)
			if err != nil {
				return err
			}
			ask.Assertion = compact
		}
		return c.testIdP(ctx, admin, ask)
	})
}

func (c *command) testIdP(ctx context.Context, admin *client.Client, ask client.IdPTest) error {
	raw, err := admin.TestIdP(ctx, ask)
	if err != nil {
		return err
	}
	var answer rehearsal.TestAnswer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("admin API: read the test: %w", err)
	}
	if err := c.print(raw, func(w io.Writer) error { return writeTest(w, answer) }); err != nil {
		return err
	}
	if !answer.Passed {
		return errDiffers
	}
	return nil
}

func writeTest(w io.Writer, answer rehearsal.TestAnswer) error {
	if len(answer.Rows) > 0 {
		if err := writeRows(w, answer.Rows); err != nil {
			return err
		}
	}
	if len(answer.Give) > 0 {
		_, _ = fmt.Fprintln(w, "\nenter at the IdP, character by character")
		for _, given := range answer.Give {
			_, _ = fmt.Fprintf(w, "  %-44s %s\n", visible(given.Field), visible(given.Value))
		}
	}
	if answer.Assertion == nil {
		return nil
	}
	_, _ = fmt.Fprintln(w, "\nthe assertion, rehearsed (nothing is issued)")
	if err := writeRows(w, answer.Assertion.Rows); err != nil {
		return err
	}
	if answer.Assertion.Token == nil {
		return nil
	}
	_, _ = fmt.Fprintln(w, "\nthe token would say")
	return writeIndented(w, answer.Assertion.Token)
}

// writeRows shows the checks, and below them what to do about those that did not pass.
func writeRows(w io.Writer, rows []diagnose.Row) error {
	t := table{columns: []string{"CHECK", "STATUS", "CODE", "SEEN"}}
	for _, row := range rows {
		t.add(row.Check, string(row.Status), string(row.Code), row.Seen)
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, row := range rows {
		if row.Status != diagnose.Fail && row.Status != diagnose.Warn {
			continue
		}
		_, _ = fmt.Fprintf(w, "\n%s: %s\n", visible(row.Check), visible(strings.TrimSpace(string(row.Status)+" "+string(row.Code))))
		for _, line := range row.Notes {
			_, _ = fmt.Fprintln(w, "  "+visible(line))
		}
		for _, pair := range [][2]string{{"seen", row.Seen}, {"expected", row.Expected}, {"change", row.Change}} {
			if pair[1] != "" {
				_, _ = fmt.Fprintf(w, "  %-9s %s\n", pair[0], visible(pair[1]))
			}
		}
	}
	return nil
}

func writeIndented(w io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		_, _ = fmt.Fprintln(w, visible(line))
	}
	return nil
}

// readEntry reads one IdentityProvider.
func (c *command) readEntry(file string) (object.Object, error) {
	written, err := objectfile.Read([]string{file}, c.stdin)
	if err != nil {
		return object.Object{}, err
	}
	var found []object.Object
	for _, o := range written.Objects {
		if o.Kind == object.KindIdentityProvider {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return object.Object{}, fmt.Errorf("%s holds %d IdentityProviders: one is expected", file, len(found))
	}
	return found[0], nil
}

// readAssertion reads a token; what is larger than one can be is cut, and refused later.
func (c *command) readAssertion(file string) (string, error) {
	text, err := c.readSome(file, jws.MaxBytes+1024)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}

func (c *command) readSome(file string, most int64) ([]byte, error) {
	in := c.stdin
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the caller's own file
		if err != nil {
			return nil, err
		}
		defer opened.Close() //nolint:errcheck // only read
		in = opened
	}
	return io.ReadAll(io.LimitReader(in, most))
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/decision"
)

func (c *command) policyTestFromCommand() *cobra.Command {
	var name, out string
	cmd := &cobra.Command{
		Use:   "test-from DECISION",
		Short: "Turn a recorded decision into a test, personal data replaced",
		Long: `Print a Rego test of what one policy said of a recorded decision: the grant policy, or the one that --policy names. It passes on the
revision that decided; put it among the policy's tests and run policy test. Personal data is replaced by invented values as long as the policy
says the same of them; what it decides by is kept, and named in the first line. The policy's data is part of the test if it is small.`,
		Example: `  chancery policy test-from dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G > objects/notes_test.rego
  chancery policy test-from dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G --policy business-hours --out hours_test.rego`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&name, "policy", "", "which of the policies that were asked (default: the grant policy)")
	cmd.Flags().StringVar(&out, "out", "", "write into a new file")
	c.addOutputFlag(cmd, asTable)
	cmd.Flags().Lookup("output").Usage = "table (the Rego text), json or yaml"
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		raw, err := admin.TestFrom(ctx, args[0], name)
		if err != nil {
			return err
		}
		var made decision.Case
		if err := json.Unmarshal(raw, &made); err != nil {
			return fmt.Errorf("admin API: read the test: %w", err)
		}
		if out == "" {
			return c.print(made, func(w io.Writer) error {
				_, err := io.WriteString(w, visibleLines(made.Text))
				return err
			})
		}
		file, err := newFile(out)
		if err != nil {
			return err
		}
		_, err = io.WriteString(file, made.Text)
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return errors.Join(err, os.Remove(out))
		}
		return nil
	})
}

package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) policyRollbackCommand() *cobra.Command {
	var to int64
	var note string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Publish the content of an earlier revision again, as a new revision",
		Long: `Publish the content of an earlier revision again: the one before the one in force, or --to. It becomes a new revision; nothing of the
history goes. Where the tenant asks a second person, it waits for one.

Exit status: 0 done; 1 refused; 2 it waits for a second person, or with --dry-run if anything would change.`,
		Example: `  chancery policy rollback notes --note "writers were locked out"
  chancery policy rollback notes --to 3`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().Int64Var(&to, "to", 0, "the revision whose content comes again (default: the one before)")
	cmd.Flags().StringVar(&note, "note", "", "why, for those who read the history")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, say what would change; exit status 2 if anything")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		number := to
		if number == 0 {
			live, _, err := admin.RevisionText(ctx, args[0], "live")
			if err != nil {
				return err
			}
			number = max(1, live.Number-1)
		}
		plan, err := admin.Rollback(ctx, args[0], number, note, dryRun)
		if err != nil {
			return err
		}
		if err := c.print(plan, func(w io.Writer) error { return writePlan(w, plan) }); err != nil {
			return err
		}
		if dryRun && plan.Differs() || len(plan.Pending) > 0 {
			return errDiffers
		}
		return nil
	})
}

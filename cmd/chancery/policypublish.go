package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) policyPublishCommand() *cobra.Command {
	var files []string
	var note string
	var flips tolerated
	cmd := &cobra.Command{
		Use:   "publish ID | -f FILE|DIR|-",
		Short: "Put a draft, an approved proposal, or the policies of files in force",
		Long: `Put a draft, an approved proposal, or the policies of files in force, on every replica, without a request failing for it. What was
published since the draft was made is not overwritten. With --max-flips the decisions of the last 7 days, at most the newest 10,000, are put
to it first, and more that turn than that refuse it. Where the tenant asks a second person, files are put to one.

Exit status: 0 done; 1 refused; 2 it waits for a second person.`,
		Example: `  chancery policy publish prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G --note "SEC-112"
  chancery policy publish -f policies/ --note "SEC-112"`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file, folder or - for standard input; may be repeated")
	cmd.Flags().StringVar(&note, "note", "", "why, for those who read the history")
	flips.flag(cmd)
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		w := client.Word{Note: note, MaxFlips: flips.asked()}
		done, err := c.settled(ctx, admin, args, files, w, "publish")
		problem, refused := errors.AsType[*client.Problem](err)
		if refused && problem.Code == "approval_needed" && len(files) > 0 {
			return c.publishLater(ctx, admin, files, w)
		}
		if refused && problem.Code == "approval_needed" {
			_, _ = fmt.Fprintln(c.stderr, "pending_approval: a second person must allow it: chancery policy propose "+visible(first(args)))
			return errDiffers
		}
		if err != nil {
			return err
		}
		return c.print(done, func(out io.Writer) error { return writeProposals(out, done) })
	})
}

// publishLater puts the policies of files to a second person. The drafts that could not be published are those.
func (c *command) publishLater(ctx context.Context, admin *client.Client, files []string, w client.Word) error {
	waiting, err := c.settled(ctx, admin, nil, files, w, "propose")
	if err != nil {
		return err
	}
	if err := c.print(waiting, func(out io.Writer) error { return writeProposals(out, waiting) }); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(c.stderr, "pending_approval: a second person must allow it")
	return errDiffers
}

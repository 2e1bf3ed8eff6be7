package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) policyDiffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff NAME [FROM [TO]]",
		Short: "Compare two revisions of a policy, or the one in force with a draft",
		Long: `Compare two revisions of a policy, by their numbers. Without TO, FROM is compared with the one in force; without both, the one
before with the one in force. TO may be the id of a draft or proposal.

Exit status: 0 nothing differs; 1 failed; 2 something differs.`,
		Example: `  chancery policy diff notes
  chancery policy diff notes 3 7
  chancery policy diff notes live prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G`,
		Args: cobra.RangeArgs(1, 3),
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		var from, to string
		switch len(args) {
		case 3:
			from, to = args[1], args[2]
		case 2:
			from = args[1]
		default:
			live, _, err := admin.RevisionText(ctx, args[0], "live")
			if err != nil {
				return err
			}
			from = strconv.FormatInt(max(1, live.Number-1), 10)
		}
		d, err := admin.DiffRevisions(ctx, args[0], from, to)
		if err != nil {
			return err
		}
		if err := c.print(d, func(w io.Writer) error { return writeRevisionDiff(w, d) }); err != nil {
			return err
		}
		if len(d.Changes)+len(d.Files) > 0 {
			return errDiffers
		}
		return nil
	})
}

func writeRevisionDiff(w io.Writer, d client.RevisionDiff) error {
	to := "revision " + strconv.FormatInt(d.To, 10)
	if d.Draft != "" {
		to = d.Draft
	}
	_, _ = fmt.Fprintf(w, "--- revision %d\n+++ %s\n", d.From, visible(to))
	for _, change := range d.Changes {
		_, _ = fmt.Fprintln(w, visible(changeText(change)))
	}
	for _, f := range d.Files {
		_, _ = fmt.Fprintln(w, visible(f.Path))
		for _, line := range f.Lines {
			_, _ = fmt.Fprintln(w, visible(line))
		}
	}
	return nil
}

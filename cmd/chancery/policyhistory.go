package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) policyHistoryCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "List the revisions of a policy: who published what, why, and who allowed it",
		Long: `List the revisions of a policy, the newest first: when each was published, by whom, who allowed it, why, and the hash of its
content, by which decisions name it.`,
		Example: `  chancery policy history notes
  chancery policy history notes --limit 5 --output json`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (0: all)")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		all := []client.Revision{}
		for cursor := ""; ; {
			found, next, err := admin.Revisions(ctx, args[0], cursor, 500)
			if err != nil {
				return err
			}
			all = append(all, found...)
			if cursor = next; next == "" || limit > 0 && len(all) >= limit {
				break
			}
		}
		if limit > 0 {
			all = all[:min(limit, len(all))]
		}
		t := table{columns: []string{"REVISION", "PUBLISHED", "AUTHOR", "APPROVED BY", "HASH", "NOTE"}}
		for _, r := range all {
			number := strconv.FormatInt(r.Number, 10)
			if r.Live {
				number += " *"
			}
			t.add(number, clock(r.At), r.Author, r.ApprovedBy, short(r.Hash), noteOf(r))
		}
		return c.print(all, t.write)
	})
}

func noteOf(r client.Revision) string {
	note := r.Note
	if r.RollbackOf > 0 {
		note = "rollback to " + strconv.FormatInt(r.RollbackOf, 10) + "  " + note
	}
	if r.Deleted {
		note = "deleted  " + note
	}
	return note
}

// short is enough of a hash for people to compare.
func short(hash string) string { return hash[:min(12, len(hash))] }

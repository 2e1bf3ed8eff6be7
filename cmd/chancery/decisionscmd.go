package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/decision"
)

func (c *command) decisionsCommand() *cobra.Command {
	parent := &cobra.Command{Use: "decisions", Short: "Read, export and purge the log of policy decisions"}
	parent.AddCommand(c.decisionsListCommand(), c.decisionsGetCommand(), c.decisionsExportCommand(), c.decisionsPurgeCommand())
	return parent
}

// decisionFlags narrow a reading.
type decisionFlags struct {
	since, until string
	query        client.DecisionQuery
}

func (f *decisionFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "not before: a time (RFC 3339), or how long ago (90m, 24h, 7d)")
	flags.StringVar(&f.until, "until", "", "before: a time, or how long ago")
	flags.StringVar(&f.query.User, "user", "", "name or id of a user")
	flags.StringVar(&f.query.Client, "client", "", "client")
	flags.StringVar(&f.query.Resource, "resource", "", "resource")
	flags.StringVar(&f.query.Code, "code", "", "code of a denial")
}

func (f *decisionFlags) read() (q client.DecisionQuery, err error) {
	q = f.query
	now := time.Now()
	if q.Since, err = moment("--since", f.since, now); err != nil {
		return q, err
	}
	q.Until, err = moment("--until", f.until, now)
	return q, err
}

func (c *command) decisionsListCommand() *cobra.Command {
	var f decisionFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List recorded decisions, the newest first",
		Long:  "List recorded decisions, the newest first. As JSON, one decision a line, with input and result.",
		Example: `  chancery decisions list --since 24h --code policy_denied
  chancery decisions list --client claude --limit 20 --output json`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many (0: all)")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		q, err := f.read()
		if err != nil {
			return err
		}
		if limit < 0 {
			return errors.New("--limit is not negative")
		}
		return c.listDecisions(ctx, admin, q, limit)
	})
}

const decisionRow = "%-20s  %-10s  %-24s  %-20s  %-30s  %-16s  %s\n"

func (c *command) listDecisions(ctx context.Context, admin *client.Client, q client.DecisionQuery, limit int) error {
	if c.output == asTable {
		_, _ = fmt.Fprintf(c.stdout, decisionRow, "AT", "ACTION", "ANSWER", "CLIENT", "USER", "RESOURCE", "ID")
	}
	for shown := 0; ; {
		q.Limit = pageSize
		if limit > 0 {
			q.Limit = min(limit-shown, pageSize)
		}
		page, err := admin.Decisions(ctx, q)
		if err != nil {
			return err
		}
		for _, raw := range page.Items {
			if err := c.showDecision(raw); err != nil {
				return err
			}
		}
		shown += len(page.Items)
		if page.Next == "" || limit > 0 && shown >= limit {
			return nil
		}
		q.Cursor = page.Next
	}
}

func (c *command) showDecision(raw json.RawMessage) error {
	switch c.output {
	case asJSON:
		_, err := fmt.Fprintf(c.stdout, "%s\n", raw)
		return err
	case asYAML:
		_, _ = fmt.Fprintln(c.stdout, "---")
		return printYAML(c.stdout, raw)
	}
	var d struct {
		decision.Line
		Input struct {
			Client   struct{ ID, Name string }
			User     struct{ ID string }
			Resource struct{ Name string }
		} `json:"input"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("admin API: read the decision: %w", err)
	}
	answer := "allow"
	if !d.Allow {
		answer = d.Code
	}
	name := d.Input.Client.Name
	if name == "" {
		name = d.Input.Client.ID
	}
	cells := []any{clock(d.At), d.Action, answer, name, d.Input.User.ID, d.Input.Resource.Name, d.ID}
	for i, cell := range cells {
		text, _ := cell.(string)
		if text = visible(text); text == "" {
			text = "-"
		}
		cells[i] = text
	}
	_, err := fmt.Fprintf(c.stdout, decisionRow, cells...)
	return err
}

func (c *command) decisionsGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get ID",
		Short:   "Print a recorded decision with its input and result",
		Example: "  chancery decisions get dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
		Args:    cobra.ExactArgs(1),
	}
	c.addOutputFlag(cmd, asJSON)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		raw, err := admin.Decision(ctx, args[0])
		if err != nil {
			return err
		}
		return c.print(raw, func(io.Writer) error { return c.showDecision(raw) })
	})
}

func (c *command) decisionsExportCommand() *cobra.Command {
	var f decisionFlags
	var out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write recorded decisions as JSON lines, the oldest first",
		Long:  "Write recorded decisions as JSON lines, the oldest first, in the form that policy replay --decisions reads.",
		Example: `  chancery decisions export --since 7d --out last-week.jsonl
  chancery decisions export --client claude | chancery policy replay --decisions - --draft objects/`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "write into a new file that only you can read (0600)")
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		q, err := f.read()
		if err != nil {
			return err
		}
		if out == "" {
			return admin.ExportDecisions(ctx, c.stdout, q)
		}
		file, err := newFile(out)
		if err != nil {
			return err
		}
		if err := errors.Join(admin.ExportDecisions(ctx, file, q), file.Sync(), file.Close()); err != nil {
			return errors.Join(err, os.Remove(out)) // half an export is none
		}
		return nil
	})
}

func (c *command) decisionsPurgeCommand() *cobra.Command {
	var before, user string
	cmd := &cobra.Command{
		Use:   "purge --before WHEN",
		Short: "Remove recorded decisions before their time is over",
		Long: `Remove recorded decisions that were made before a time, all of them or those of one user. The audit log keeps the hash of each input and
what was decided, so that audit verify holds; replays and explain lose them. Decisions of the last 25 hours stay.`,
		Example: `  chancery decisions purge --before 90d
  chancery decisions purge --before 25h --user alice`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&before, "before", "", "a time (RFC 3339), or how long ago (25h, 90d)")
	cmd.Flags().StringVar(&user, "user", "", "name or id of a user: only what was decided about him")
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		if strings.TrimSpace(before) == "" {
			return errors.New("say until when: --before 90d")
		}
		until, err := moment("--before", before, time.Now())
		if err != nil {
			return err
		}
		gone, err := admin.PurgeDecisions(ctx, until, user)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "%d decisions are gone\n", gone)
		return err
	})
}

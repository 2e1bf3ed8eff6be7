package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/story"
)

func (c *command) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Tell the story of one request: what came in, each check, what decided, what to change",
		Long: `Tell the story of one request by its trace id (trc_…, at the end of error_uri and in the Chancery-Trace header) or by its
decision id (dec_…): what came in, each check, the rule that decided, and what to change.`,
		Example: `  chancery explain trc_01JZ8Q0V9V2B7T5D4N3M2K1H0G
  chancery explain dec_01JZ8Q0V9V2B7T5D4N3M2K1H0G --output json`,
		Args: cobra.ExactArgs(1),
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		raw, err := admin.Explain(ctx, args[0])
		if err != nil {
			return err
		}
		return c.print(raw, func(w io.Writer) error {
			var told story.Story
			if err := json.Unmarshal(raw, &told); err != nil {
				return fmt.Errorf("admin API: read the story: %w", err)
			}
			for _, line := range told.Lines() {
				_, _ = fmt.Fprintln(w, visible(line))
			}
			return nil
		})
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) webhookCommand() *cobra.Command {
	parent := &cobra.Command{Use: "webhook", Short: "List what the company was told of events, and tell it again"}
	parent.AddCommand(c.webhookListCommand(), c.webhookReplayCommand())
	return parent
}

func (c *command) webhookListCommand() *cobra.Command {
	q := client.WebhookQuery{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List messages, the newest first: of which event, to which address, and what became of them",
		Example: `  chancery webhook list
  chancery webhook list --state given_up --output json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&q.State, "state", "", "pending, delivered or given_up")
	cmd.Flags().StringVar(&q.Endpoint, "endpoint", "", "only those to this address, as the Tenant writes it")
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "how many at most, 1 to 1000")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		all, _, err := admin.Webhooks(ctx, q)
		if err != nil {
			return err
		}
		t := table{columns: []string{"ID", "MADE", "EVENT", "TYPE", "ENDPOINT", "STATE", "ATTEMPTS", "OUTCOME"}}
		for _, one := range all {
			t.add(one.ID, clock(one.CreatedAt), one.EventID, one.Type, one.Endpoint, one.State, strconv.Itoa(one.Attempts), one.Outcome)
		}
		return c.print(all, t.write)
	})
}

func (c *command) webhookReplayCommand() *cobra.Command {
	var since, endpoint string
	cmd := &cobra.Command{
		Use:   "replay --since TIME",
		Short: "Send again what was delivered or given up since a time",
		Long: `Send again what was delivered or given up since a time, to one address or to all. Messages keep their ids, so that a receiver that
remembers them takes nothing twice. They can be sent again for 14 days; what is pending is sent anyway.`,
		Example: `  chancery webhook replay --since 24h
  chancery webhook replay --since 2030-01-31T08:00:00Z --endpoint https://hooks.acme.com/chancery`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&since, "since", "", "made not before: a time (RFC 3339), or how long ago (90m, 24h, 7d)")
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only those to this address, as the Tenant writes it; absent: all")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		at, err := moment("--since", since, time.Now())
		if err != nil {
			return err
		}
		if at.IsZero() {
			return errors.New("--since: name a time, or how long ago")
		}
		n, err := admin.ReplayWebhooks(ctx, at, endpoint)
		if err != nil {
			return err
		}
		return c.print(map[string]int64{"replayed": n}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%d sent again\n", n)
			return err
		})
	})
}

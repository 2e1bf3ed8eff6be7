package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) approvalsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "What waits for you to allow it",
		Long: `Requests of agents that policy lets pass only when a member of a group says yes first. What is listed is what you are asked: you
are in a group that the policy names, and the request is not for you. Each is answered once; what you allow is good for one token.

A person answers, and no program: sign in with chancery login.`,
		Example: "  chancery approvals list",
	}
	cmd.AddCommand(c.approvalsListCommand(), c.approvalsAnswerCommand(true), c.approvalsAnswerCommand(false))
	return cmd
}

func (c *command) approvalsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List what waits for you, the oldest first", Args: cobra.NoArgs,
		Example: "  chancery approvals list\n  chancery approvals list --tenant acme --output json",
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		found, err := admin.Approvals(ctx)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"items": found}, func(w io.Writer) error { return writeApprovals(w, found) })
	})
}

func writeApprovals(w io.Writer, found []client.Approval) error {
	var t table
	t.add("ID", "CLIENT", "FOR", "RESOURCE", "SCOPES", "LASTS", "GROUP", "UNTIL")
	for _, a := range found {
		whom, where := "itself", a.Resource.Name
		if a.For != nil {
			if whom = a.For.Email; whom == "" {
				whom = a.For.Name
			}
		}
		if a.Provider != "" {
			where = a.Provider + " through " + where
		}
		t.add(a.ID, a.Client.Name, whom, where, strings.Join(a.Scopes, " "), (time.Duration(a.Lifetime) * time.Second).String(), a.Group, clock(a.ExpiresAt))
	}
	return t.write(w)
}

func (c *command) approvalsAnswerCommand(allow bool) *cobra.Command {
	use, short := "deny ID", "Deny what waits for you; the agent is told"
	if allow {
		use, short = "allow ID", "Allow what waits for you, for one token"
	}
	verb, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		Example: "  chancery approvals " + verb + " apr_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		done, err := admin.Answer(ctx, args[0], allow)
		if err != nil {
			return err
		}
		return c.print(done, func(w io.Writer) error {
			said := "denied"
			switch {
			case done.Allowed && done.State == "waiting":
				said = "allowed; others are asked as well"
			case done.Allowed:
				said = "allowed"
			}
			_, err := fmt.Fprintf(w, "%s: %s\n", visible(done.ID), said)
			return err
		})
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) proposalCommand() *cobra.Command {
	parent := &cobra.Command{Use: "proposal", Short: "Look at drafts and at changes that wait for a second person, and decide"}
	parent.AddCommand(
		c.proposalListCommand(), c.proposalGetCommand(), c.proposalApproveCommand(),
		c.proposalWord("reject", "Refuse what waits; a person who could allow it does", "rejected"),
		c.proposalWord("withdraw", "Take a draft or proposal back", "withdrawn"),
		c.proposalShadowCommand(),
	)
	return parent
}

func (c *command) proposalListCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List drafts and what waits, the newest first",
		Example: "  chancery proposal list\n  chancery proposal list --all --output json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are published, rejected, dropped or expired")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		shown := []client.Proposal{}
		for cursor := ""; ; {
			found, next, err := admin.Proposals(ctx, cursor, 500)
			if err != nil {
				return err
			}
			for _, p := range found {
				if all || p.State == "draft" || p.State == "proposed" || p.State == "approved" {
					shown = append(shown, p)
				}
			}
			if cursor = next; next == "" {
				return c.print(shown, func(w io.Writer) error { return writeProposals(w, shown) })
			}
		}
	})
}

func (c *command) proposalGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get ID",
		Short:   "Show a proposal: who asks for what, why, and what it would change now",
		Example: "  chancery proposal get prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
		Args:    cobra.ExactArgs(1),
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		p, err := admin.Proposal(ctx, args[0])
		if err != nil {
			return err
		}
		return c.print(p, func(w io.Writer) error { return writeProposal(w, p) })
	})
}

func writeProposal(w io.Writer, p client.Proposal) error {
	if err := writeProposals(w, []client.Proposal{p}); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "\nhash  %s\n", visible(p.Hash))
	if p.Stands != "" {
		_, _ = fmt.Fprintln(w, "it cannot be carried out: "+visible(p.Stands))
	}
	if p.Plan == nil {
		return nil
	}
	_, _ = fmt.Fprintln(w)
	return writePlan(w, *p.Plan)
}

func (c *command) proposalApproveCommand() *cobra.Command {
	var hash, note string
	var publish bool
	cmd := &cobra.Command{
		Use:   "approve ID --hash HASH",
		Short: "Allow exactly the content that you have seen",
		Long: `Allow exactly the content that you have seen: --hash is what chancery proposal get shows, or its first twelve characters or more. Whoever
allows is a person, signed in with chancery login, and has written nothing of it. With --publish it is carried out at once.`,
		Example: "  chancery proposal approve prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G --hash 5f0c2e8d91ab --publish",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&hash, "hash", "", "of the content that you have seen")
	cmd.Flags().StringVar(&note, "note", "", "for people")
	cmd.Flags().BoolVar(&publish, "publish", false, "carry it out at once")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if hash == "" {
			return errors.New("name the content that you have seen: --hash, as chancery proposal get shows it")
		}
		p, err := say(ctx, admin, args[0], "approve", hash, client.Word{Note: note, Publish: publish})
		if err != nil {
			return err
		}
		return c.print(p, func(w io.Writer) error { return writeProposals(w, []client.Proposal{p}) })
	})
}

func (c *command) proposalWord(verb, what, done string) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:     verb + " ID",
		Short:   what,
		Example: "  chancery proposal " + verb + " prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G --note \"see SEC-112\"",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&note, "note", "", "why")
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if _, err := admin.Say(ctx, args[0], verb, client.Word{Note: note}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%s %s\n", visible(args[0]), done)
		return err
	})
}

func (c *command) proposalShadowCommand() *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "shadow ID --for 1h",
		Short: "Let the policies of a draft run beside the live ones for a time",
		Long: `Let the policies of a draft or proposal run beside the live ones for a time: what requests are answered is asked of it as well, after
the answer. chancery policy status shows what it would have decided otherwise. --for 0 ends it.`,
		Example: "  chancery proposal shadow prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G --for 1h",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().DurationVar(&length, "for", time.Hour, "how long, from 1m to 720h and no longer than the proposal lives; 0 ends it")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		w := client.Word{}
		if length != 0 {
			w.For = length.String()
		}
		p, err := say(ctx, admin, args[0], "shadow", "", w)
		if err != nil {
			return err
		}
		return c.print(p, func(w io.Writer) error { return writeProposals(w, []client.Proposal{p}) })
	})
}

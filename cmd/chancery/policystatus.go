package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) policyStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Say which replica runs what revision of a policy, what waits, and what drafts would have decided",
		Long: `Say which revision of a policy each replica runs, which drafts and proposals there are, and of those that run beside it what they
would have decided. Replicas tell within five seconds; one that has not met the tenant yet is not listed.

Exit status: 0 every replica runs what is published; 1 failed; 2 one does not yet, or none has told.`,
		Example: `  chancery policy status notes
  chancery policy status notes --output json`,
		Args: cobra.ExactArgs(1),
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		s, err := admin.PolicyStatus(ctx, args[0])
		if err != nil {
			return err
		}
		if err := c.print(s, func(w io.Writer) error { return writePolicyStatus(w, s) }); err != nil {
			return err
		}
		if !s.Agreed {
			return errDiffers
		}
		return nil
	})
}

func writePolicyStatus(w io.Writer, s client.PolicyStatus) error {
	_, _ = fmt.Fprintf(w, "%s  revision %d  %s  kept by %s\n\n", visible(s.Name), s.Live.Revision, visible(short(s.Live.Hash)), visible(s.ManagedBy))
	t := table{columns: []string{"REPLICA", "RUNS", "HASH", "SINCE", "SEEN"}}
	for _, r := range s.Replicas {
		runs := strconv.FormatInt(r.Revision, 10)
		if r.Revision == 0 {
			runs = "none"
		}
		t.add(r.Replica, runs, short(r.Hash), clock(r.Since), clock(r.SeenAt))
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, p := range s.Proposals {
		_, _ = fmt.Fprintf(w, "\n%s  %s  by %s  until %s  %s\n", visible(p.ID), visible(p.State), visible(p.Author), clock(p.ExpiresAt), visible(p.Note))
		if p.Shadow != nil {
			writeShadow(w, p)
		}
	}
	return nil
}

func writeShadow(w io.Writer, p client.Proposal) {
	h := p.Shadow
	until := "ended"
	if !p.ShadowUntil.IsZero() {
		until = "until " + clock(p.ShadowUntil)
	}
	_, _ = fmt.Fprintf(w, "  beside the live ones %s: %d seen, %d the same, %d otherwise (%d turn the answer), %d not asked, %d without an answer\n",
		until, h.Seen, h.Same, h.Changed, h.Flips, h.Dropped, h.Unanswered)
	if h.Problem != "" {
		_, _ = fmt.Fprintln(w, "  problem: "+visible(h.Problem))
	}
	for _, k := range slices.Sorted(maps.Keys(h.Kinds)) {
		_, _ = fmt.Fprintf(w, "    %s  %d\n", visible(k), h.Kinds[k])
	}
	for _, e := range h.Examples[:min(10, len(h.Examples))] {
		_, _ = fmt.Fprintf(w, "    %s  %s  %s at %s for %s: %s → %s (%s)\n", clock(e.At), visible(e.Trace), visible(e.Client), visible(e.Resource), visible(e.User),
			visible(e.Before), visible(e.After), visible(strings.Join(e.Changes, ", ")))
	}
}

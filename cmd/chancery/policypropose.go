package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/policy/replay"
)

func (c *command) policyProposeCommand() *cobra.Command {
	var files []string
	var note string
	var flips tolerated
	cmd := &cobra.Command{
		Use:   "propose ID | -f FILE|DIR|-",
		Short: "Put a draft, or the policies of files, to a second person",
		Long: `Put a draft, or the policies of files, to a second person, who has a day. It is not in force before somebody publishes it; until then
chancery proposal shadow lets it run beside the live ones.`,
		Example: `  chancery policy propose prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G
  chancery policy propose -f notes.yaml --note "step-up for writers (SEC-112)"`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file, folder or - for standard input; may be repeated")
	cmd.Flags().StringVar(&note, "note", "", "why, for whoever allows it and those who read the history")
	flips.flag(cmd)
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		proposed, err := c.settled(ctx, admin, args, files, client.Word{Note: note, MaxFlips: flips.asked()}, "propose")
		if err != nil {
			return err
		}
		return c.print(proposed, func(w io.Writer) error { return writeProposals(w, proposed) })
	})
}

// settled leads one draft, or drafts of files, a step further.
func (c *command) settled(ctx context.Context, admin *client.Client, args, files []string, w client.Word, verb string) ([]client.Proposal, error) {
	if (len(args) == 0) == (len(files) == 0) {
		return nil, errors.New("name a draft, or files with -f")
	}
	drafts := []client.Proposal{{ID: first(args)}}
	if len(files) > 0 {
		var err error
		if drafts, err = c.keepDrafts(ctx, admin, files, w.Note, ""); err != nil {
			return nil, err
		}
	}
	done := []client.Proposal{}
	for _, d := range drafts {
		p, err := say(ctx, admin, d.ID, verb, d.Hash, w)
		if err != nil {
			return done, err
		}
		done = append(done, p)
	}
	return done, nil
}

// tolerated is how many recorded decisions may be turned.
type tolerated struct{ most int }

func (t *tolerated) flag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&t.most, "max-flips", replay.NoThreshold, "how many decisions of the last 7 days may be turned; negative is as many as the server's policy.max_flips says, and never more")
}

func (t *tolerated) asked() *int {
	if t.most < 0 {
		return nil
	}
	return &t.most
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

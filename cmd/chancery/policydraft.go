package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) policyDraftCommand() *cobra.Command {
	var files []string
	var note, revise string
	cmd := &cobra.Command{
		Use:   "draft -f FILE|DIR|-",
		Short: "Keep policies on the server as drafts, which are not in force",
		Long: `Keep the policies of files on the server as drafts. A draft is checked as apply would, is not in force, and is bound to the revision
that it was made on: one that was published meanwhile is not overwritten. --revise gives a draft or proposal other content,
which takes back what was allowed of the content before.`,
		Example: `  chancery policy draft -f notes.yaml --note "step-up for writers (SEC-112)"
  chancery policy draft -f notes.yaml --revise prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file, folder or - for standard input; may be repeated")
	cmd.Flags().StringVar(&note, "note", "", "why, for those who read the history")
	cmd.Flags().StringVar(&revise, "revise", "", "the draft or proposal whose content this replaces")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		drafts, err := c.keepDrafts(ctx, admin, files, note, revise)
		if err != nil {
			return err
		}
		return c.print(drafts, func(w io.Writer) error { return writeProposals(w, drafts) })
	})
}

func (c *command) keepDrafts(ctx context.Context, admin *client.Client, files []string, note, revise string) ([]client.Proposal, error) {
	written, policies, err := c.readPolicies(files)
	if err != nil {
		return nil, err
	}
	if revise != "" && len(policies) != 1 {
		return nil, fmt.Errorf("--revise replaces one policy, and there are %d in %s", len(policies), strings.Join(files, ", "))
	}
	drafts := []client.Proposal{}
	for _, p := range policies {
		of := admin
		if t := p.object.Metadata.Tenant; t != "" {
			of = admin.Tenant(t)
		}
		var made client.Proposal
		if revise != "" {
			before, err := of.Proposal(ctx, revise)
			if err != nil {
				return drafts, err
			}
			made, err = of.Revise(ctx, revise, before.Hash, p.object, note)
			if err != nil {
				return drafts, located(written, err)
			}
		} else if made, err = of.Draft(ctx, p.object, note); err != nil {
			if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Code == "proposal_empty" {
				_, _ = fmt.Fprintln(c.stderr, visible(p.object.Label())+" is so already")
				continue
			}
			return drafts, located(written, err)
		}
		drafts = append(drafts, made)
	}
	return drafts, nil
}

func writeProposals(w io.Writer, all []client.Proposal) error {
	t := table{columns: []string{"ID", "STATE", "KIND", "NAME", "AUTHOR", "NEEDS", "APPROVED BY", "UNTIL", "HASH", "NOTE"}}
	for _, p := range all {
		t.add(p.ID, p.State, p.Kind, p.Name, p.Author, strings.Join(p.Needs, ","), p.ApprovedBy, clock(p.ExpiresAt), short(p.Hash), p.Note)
	}
	return t.write(w)
}

// say says something of a proposal: of the content that it has now, or of the one that a hash names.
func say(ctx context.Context, admin *client.Client, id, verb, hash string, w client.Word) (client.Proposal, error) {
	p, err := admin.Proposal(ctx, id)
	if err != nil {
		return p, err
	}
	if hash != "" && (len(hash) < 12 || !strings.HasPrefix(p.Hash, hash)) {
		return p, errors.New("the proposal's hash is " + p.Hash + ", not the one that you name: look at it again")
	}
	w.Hash = p.Hash
	return admin.Say(ctx, id, verb, w)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/replay"
)

// replaying are policy replay's flags.
type replaying struct {
	decisions string
	drafts    []string
	tenant    string
	maxFlips  int
	online    onlineReplay
}

func (c *command) policyReplayCommand() *cobra.Command {
	var r replaying
	cmd := &cobra.Command{
		Use:   "replay [--since WHEN | --decisions FILE|-] [--draft FILE|DIR]",
		Short: "Compare recorded decisions with what a draft would have said",
		Long: `Evaluate the inputs of recorded decisions under the Policy objects of a draft and say what differs: allow to deny and the reverse,
scopes won and lost, step-up, approval, lifetime, claims; by client, user, resource, rule (file and line) and reason.

With --since the server replays what it recorded: the draft's policies take the place of those of their names, and the others stay
(--prune: they go); without --draft what is live is replayed. It runs beside the requests; interrupted, it is cancelled (--detach leaves it
and prints its id, --resume ID shows it). With --decisions a file of JSON lines is replayed here, as decisions export writes it, and the
draft is all policies of the tenant.

A flip is a decision whose answer turns: anything but a lifetime or claims alone. Decisions whose input is no longer kept are counted and
not compared. Those of which the draft reads what the record masks are compared by their pseudonyms, counted as not certain, and count
against --max-flips. What a scope implied is recorded; for older records it is read from the Resource objects.

Exit status: 0 done; 1 the files cannot be read, a policy does not compile, the replay did not end, or --max-flips is given and
nothing could be compared; 2 more flips than --max-flips, records that cannot be read, are not certain or are another tenant's included.`,
		Example: `  chancery policy replay --since 7d --draft objects/ --max-flips 5
  chancery policy replay --decisions last-week.jsonl --draft objects/
  chancery policy replay --decisions last-week.jsonl --draft objects/ --max-flips 5 --output json`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&r.decisions, "decisions", "", "the recorded decisions: a file of JSON lines, or - for standard input")
	flags.StringArrayVar(&r.drafts, "draft", nil, "file or folder of objects; may be repeated")
	flags.StringVar(&r.tenant, "tenant", tenant.DefaultName, "whose policies the draft's are")
	flags.IntVar(&r.maxFlips, "max-flips", replay.NoThreshold, "how many flips are tolerated; negative is any number")
	r.online.add(c, cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		if r.decisions == "" {
			return plainError(c.replayOnline(cmd.Context(), r))
		}
		if r.online.given() {
			return errors.New("--decisions replays a file: --since, --until, --client, --user, --resource, --prune, --detach and --resume are for the server's own")
		}
		return plainError(c.replay(cmd.Context(), r))
	}
	return cmd
}

func (c *command) replay(ctx context.Context, r replaying) error {
	if len(r.drafts) == 0 {
		return errors.New("say which draft: --draft FILE or --draft DIR")
	}
	if r.decisions == objectfile.Stdin && slices.Contains(r.drafts, objectfile.Stdin) {
		return errors.New("standard input can be read once")
	}
	set, compiled, written, err := c.draft(ctx, r.drafts, r.tenant)
	if err != nil {
		return err
	}
	decisions := c.stdin
	if r.decisions != objectfile.Stdin {
		f, err := os.Open(r.decisions)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		decisions = f
	}
	progress, done := c.replayed()
	report, err := replay.Replay(ctx, replay.Lines(decisions), set, replay.Options{
		MaxFlips: r.maxFlips, Implies: impliedBy(written.Objects, r.tenant), Progress: progress, Rules: replay.Rules(policy.WitnessOf(nil), set, compiled),
	})
	done()
	_, exceeded := errors.AsType[*replay.ExceededError](err)
	if printed := c.print(report, report.WriteTable); printed != nil {
		return printed
	}
	if exceeded {
		_, _ = fmt.Fprintln(c.stderr, "chancery:", visible(err.Error()))
		return errDiffers
	}
	return err
}

// draft compiles the policies of files that bind a tenant.
func (c *command) draft(ctx context.Context, files []string, of string) (*policy.Set, []*policy.Compiled, objectfile.Written, error) {
	written, policies, err := c.readPolicies(files)
	if err != nil {
		return nil, nil, written, err
	}
	own, inherited, err := compileFor(ctx, of, policies)
	if err != nil {
		return nil, nil, written, err
	}
	if len(own)+len(inherited) == 0 {
		return nil, nil, written, fmt.Errorf("no policy in these files binds tenant %s", of)
	}
	set, err := policy.NewSet(own, inherited)
	return set, slices.Concat(own, inherited), written, err
}

// impliedBy tells what scopes imply, of the resources that the files hold.
func impliedBy(objects []object.Object, of string) func(string) (map[string][]string, bool) {
	known := map[string]map[string][]string{}
	for _, o := range objects {
		if _, ok := o.Spec.(*object.ResourceSpec); ok && o.TenantName() == of {
			known[o.Metadata.Name] = implied(objects, of, &policy.Resource{Name: o.Metadata.Name})
		}
	}
	return func(resource string) (map[string][]string, bool) {
		implies, ok := known[resource]
		return implies, ok
	}
}

// replayed shows progress on one line, where a person looks on, until done.
func (c *command) replayed() (progress func(replay.Progress), done func()) {
	f, ok := c.stderr.(*os.File)
	if !ok {
		return nil, func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	shown := 0
	progress = func(p replay.Progress) {
		if p.Read-shown >= 1000 {
			shown = p.Read
			_, _ = fmt.Fprintf(f, "\r%d decisions, %s ", p.Read, replay.Flipped(p.Flips))
		}
	}
	return progress, func() {
		if shown > 0 {
			_, _ = fmt.Fprintln(f)
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
)

// applying are the flags that apply and diff share.
type applying struct {
	files   []string
	dryRun  bool
	prune   bool
	manager string
	note    string
}

func (a *applying) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&a.files, "filename", "f", nil, "file, folder (read recursively, in the order of the names) or - for standard input; may be repeated")
	flags.BoolVar(&a.prune, "prune", false, "also delete what the same manager made in these tenants and the files leave out")
	flags.StringVar(&a.manager, "manager", object.ManagerApply, "who makes the objects; --prune keeps to what the same manager made")
}

func (c *command) applyCommand() *cobra.Command {
	var a applying
	cmd := &cobra.Command{
		Use:   "apply -f FILE|DIR|-",
		Short: "Make the objects of files so, all or none",
		Long: `Make the objects of files so, all or none, and in force at once. Objects may be of several tenants: one that names none
belongs to --tenant. Everything is tried before anything is made; each tenant is then all or none by itself.

Where a tenant asks a second person (Tenant, spec.approval), what he must allow is kept as a proposal and nothing is made:
pending_approval, with its id.

Exit status: 0 done; 1 refused, and nothing was made; 2 it waits for a second person, or with --dry-run if anything would change.`,
		Example: `  chancery apply -f objects/ --dry-run
  chancery apply -f objects/ --prune
  cat client.yaml | chancery apply -f - --tenant acme`,
		Args: cobra.NoArgs,
	}
	a.add(cmd)
	cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "change nothing, say what would change; exit status 2 if anything")
	cmd.Flags().StringVar(&a.note, "note", "", "why, for those who read the history of policies")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error { return c.apply(ctx, admin, a) })
}

func (c *command) diffCommand() *cobra.Command {
	a := applying{dryRun: true}
	cmd := &cobra.Command{
		Use:   "diff -f FILE|DIR|-",
		Short: "Say what applying files would change",
		Long: `Say what applying files would change, and change nothing. Objects that are not in the files count only with --prune.

Exit status: 0 nothing differs; 1 the files would be refused; 2 something differs.`,
		Example: `  chancery diff -f objects/
  chancery diff -f objects/ --prune --output json`,
		Args: cobra.NoArgs,
	}
	a.add(cmd)
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error { return c.apply(ctx, admin, a) })
}

func (c *command) apply(ctx context.Context, admin *client.Client, a applying) error {
	if len(a.files) == 0 {
		return errors.New("say what to read: -f FILE, -f DIR or -f - for standard input")
	}
	written, err := objectfile.Read(a.files, c.stdin)
	if err != nil {
		return err
	}
	if len(written.Objects) == 0 { // with --prune, an empty file would otherwise be read as a wish
		return fmt.Errorf("there is no object in %s", strings.Join(a.files, ", "))
	}
	plan, err := admin.ApplyAll(ctx, written.Objects, client.ApplyOptions{Manager: a.manager, DryRun: a.dryRun, Prune: a.prune, Note: a.note})
	if err != nil {
		return located(written, err)
	}
	for _, w := range plan.Warnings {
		_, _ = fmt.Fprintln(c.stderr, "warning:", visible(written.Locate(w)))
	}
	if plan.Items == nil {
		plan.Items = []object.Item{}
	}
	if err := c.print(plan, func(w io.Writer) error { return writePlan(w, plan) }); err != nil {
		return err
	}
	if a.dryRun && plan.Differs() || len(plan.Pending) > 0 {
		return errDiffers
	}
	return nil
}

// located says what the server found wrong at the place where it is written.
func located(written objectfile.Written, err error) error {
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || len(problem.Errors) == 0 {
		return err
	}
	lines := []string{fmt.Sprintf("%s (%d) [%s]", problem.Code, problem.Status, problem.Trace)}
	for _, p := range problem.Errors {
		lines = append(lines, written.Locate(p))
	}
	return &objectfile.Invalid{Lines: lines}
}

// writePlan shows each object that changes with what changes in it.
func writePlan(w io.Writer, plan object.Plan) error {
	marks := map[object.Action]string{object.Create: "+", object.Update: "~", object.Delete: "-"}
	counts := map[object.Action]int{}
	for _, item := range plan.Items {
		counts[item.Action]++
		if item.Action == object.Unchanged {
			continue
		}
		_, _ = fmt.Fprintf(w, "%s %s %s (tenant %s)\n", marks[item.Action], item.Kind, visible(item.Name), visible(item.Tenant))
		for _, change := range item.Changes {
			_, _ = fmt.Fprintln(w, "    "+visible(changeText(change)))
		}
	}
	verb := "would be "
	if plan.Applied {
		verb = ""
	}
	var parts []string
	for _, action := range []object.Action{object.Create, object.Update, object.Delete} {
		parts = append(parts, fmt.Sprintf("%d %s%sd", counts[action], verb, action))
	}
	parts = append(parts, fmt.Sprintf("%d unchanged", counts[object.Unchanged]))
	_, err := fmt.Fprintln(w, strings.Join(parts, ", "))
	for _, p := range plan.Pending {
		writePending(w, p)
	}
	return err
}

func writePending(w io.Writer, p object.Pending) {
	needs := make([]string, len(p.Needs))
	for i, n := range p.Needs {
		needs[i] = string(n)
	}
	what := "a second person must allow it (" + strings.Join(needs, ", ") + ")"
	if p.Proposal == "" {
		_, _ = fmt.Fprintf(w, "%s: tenant %s: %s\n", visible(p.Code), visible(p.Tenant), visible(what))
		return
	}
	_, _ = fmt.Fprintf(w, "%s: tenant %s: %s until %s: %s, hash %s\n", visible(p.Code), visible(p.Tenant), visible(what), clock(p.ExpiresAt), visible(p.Proposal), visible(p.Hash))
}

func changeText(f object.FieldChange) string {
	switch {
	case f.From == "":
		return f.Path + ": " + f.To
	case f.To == "":
		return f.Path + ": " + f.From + " → (absent)"
	}
	return f.Path + ": " + f.From + " → " + f.To
}

// kindOf finds the kind that people name: Client, client, clients, idp.
func kindOf(name string) (object.Kind, error) {
	wanted := strings.ToLower(name)
	if wanted == "idp" || wanted == "idps" {
		return object.KindIdentityProvider, nil
	}
	kinds := object.Kinds()
	i := slices.IndexFunc(kinds, func(k object.Kind) bool {
		return strings.ToLower(string(k)) == wanted || k.Plural() == wanted || strings.ReplaceAll(k.Plural(), "-", "") == wanted
	})
	if i < 0 {
		known := make([]string, len(kinds))
		for i, k := range kinds {
			known[i] = string(k)
		}
		return "", fmt.Errorf("unknown kind %q: %s is expected", name, strings.Join(known, ", "))
	}
	return kinds[i], nil
}

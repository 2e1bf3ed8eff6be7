package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
)

func (c *command) getCommand() *cobra.Command {
	var tokens tokenFlags
	cmd := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "Read objects of a kind, or one of them; tokens that were issued, by their jti",
		Long: `Read objects of a kind, or one of them. Of tokens it is the record of what was issued, never the token: who got it, by which IdP's
assertion, for what, under which decision, and whether it is live, expired or revoked, and by what.`,
		Example: `  chancery get clients
  chancery get client claude --output yaml
  chancery get idp okta --tenant acme --output json
  chancery get token tok_01JZ8Q0V9V2B7T5D4N3M2K1H0G
  chancery get tokens --user alice --live
  chancery get connections --user alice`,
		Args: cobra.RangeArgs(1, 2),
	}
	tokens.add(cmd)
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if args[0] == "token" || args[0] == "tokens" {
			return c.getTokens(ctx, admin, args[1:], tokens)
		}
		if args[0] == "connection" || args[0] == "connections" {
			return c.getConnections(ctx, admin, args[1:], connectionFlags{user: tokens.user, client: tokens.client})
		}
		if tokens != (tokenFlags{limit: tokens.limit}) {
			return errors.New("--client, --user, --idp, --live and --since are about tokens")
		}
		kind, err := kindOf(args[0])
		if err != nil {
			return err
		}
		if len(args) == 2 {
			one, err := admin.Get(ctx, kind, args[1])
			if err != nil {
				return err
			}
			return c.printObjects([]object.Object{one}, one, true)
		}
		all, err := admin.List(ctx, kind)
		if err != nil {
			return err
		}
		return c.printObjects(all, orNone(all), true)
	})
}

func (c *command) exportCommand() *cobra.Command {
	var allTenants bool
	cmd := &cobra.Command{
		Use:   "export [KIND...]",
		Short: "Write what is there, in the form that apply reads",
		Long:  "Write the objects of a tenant, or of all, in the form that apply reads: applied again, nothing differs. Secrets are in no export.",
		Example: `  chancery export > objects.yaml
  chancery export clients policies --tenant acme
  chancery export --all-tenants --output json`,
	}
	cmd.Flags().BoolVar(&allTenants, "all-tenants", false, "every tenant, not only --tenant")
	c.addOutputFlag(cmd, asYAML)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		kinds := make([]object.Kind, len(args))
		for i, arg := range args {
			kind, err := kindOf(arg)
			if err != nil {
				return err
			}
			kinds[i] = kind
		}
		found, err := exported(ctx, admin, allTenants)
		if err != nil {
			return err
		}
		if len(kinds) > 0 {
			found = slices.DeleteFunc(found, func(o object.Object) bool { return !slices.Contains(kinds, o.Kind) })
		}
		for i := range found {
			found[i].Metadata = object.Metadata{Name: found[i].Metadata.Name, Tenant: found[i].Metadata.Tenant, Labels: found[i].Metadata.Labels}
		}
		return c.printObjects(found, orNone(found), false)
	})
}

func exported(ctx context.Context, admin *client.Client, allTenants bool) ([]object.Object, error) {
	if !allTenants {
		return admin.Export(ctx)
	}
	tenants, err := admin.List(ctx, object.KindTenant)
	if err != nil {
		return nil, err
	}
	var all []object.Object
	for _, t := range tenants {
		found, err := admin.Tenant(t.Metadata.Name).Export(ctx)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Metadata.Name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (c *command) deleteCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Remove one object, at once",
		Long: `Remove one object, at once. What is created again under its name is another object and inherits nothing.

Exit status: 0 done; 1 refused; 2 it waits for a second person, or with --dry-run, since it would change something.`,
		Example: `  chancery delete client claude
  chancery delete user eve --tenant acme --dry-run`,
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, say what would change; exit status 2 if anything")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		kind, err := kindOf(args[0])
		if err != nil {
			return err
		}
		plan, err := admin.Delete(ctx, kind, args[1], dryRun)
		if err != nil {
			return err
		}
		if err := c.print(plan, func(w io.Writer) error { return writePlan(w, plan) }); err != nil {
			return err
		}
		if dryRun && plan.Differs() || len(plan.Pending) > 0 {
			return errDiffers
		}
		return nil
	})
}

// printObjects prints YAML as the documents that apply reads.
func (c *command) printObjects(objects []object.Object, record any, server bool) error {
	if c.output == asYAML {
		return object.Encode(c.stdout, objects, server)
	}
	return c.print(record, func(w io.Writer) error {
		t := table{columns: []string{"KIND", "TENANT", "NAME", "REVISION", "MANAGED BY", "UPDATED", "UID"}}
		for _, o := range objects {
			m := o.Metadata
			updated := ""
			if m.UpdatedAt != nil {
				updated = clock(*m.UpdatedAt)
			}
			t.add(string(o.Kind), o.TenantName(), m.Name, strconv.FormatInt(m.Revision, 10), m.ManagedBy, updated, m.UID)
		}
		return t.write(w)
	})
}

// orNone is [] where there is nothing, and not null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

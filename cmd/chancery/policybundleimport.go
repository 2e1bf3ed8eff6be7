package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/bundle"
)

// unbundling are policy bundle import's flags.
type unbundling struct {
	keys    []string
	name    string
	role    string
	note    string
	out     string
	manager string
	dryRun  bool
}

func (c *command) policyBundleImportCommand() *cobra.Command {
	var u unbundling
	cmd := &cobra.Command{
		Use:   "import FILE|- --key [ID=]FILE",
		Short: "Make a bundle's policy so, by the way of apply",
		Long: `Check a bundle as "policy bundle verify" does and make its policy so, by the way of apply: compiler, tests, coverage, replay and, where
the tenant asks one, a second person. The history names the key and the bundle's SHA-256. With --out the Policy object is written into a
file, and no server is asked.

A bundle that others wrote ("opa build", "opa sign") says neither name nor role: --name and --role do. Its modules are in package
chancery.authz or below, its data under policy. Of a bundle that was written of a template whose text is another in this version,
the modules are taken.

Exit status: 0 done; 1 refused, and nothing was made; 2 it waits for a second person, or with --dry-run if anything would change.`,
		Example: `  chancery policy bundle import notes.tar.gz --key bundles.pub --dry-run
  chancery policy bundle import notes.tar.gz --key release-2026=bundles.pub --tenant acme
  chancery policy bundle import notes.tar.gz --key bundles.pub --out objects/notes.yaml`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&u.keys, "key", nil, "file with a trusted public key or certificate in PEM, with its key id before it if that is not its thumbprint; may be repeated")
	flags.StringVar(&u.name, "name", "", "the policy's name (default: the bundle's)")
	flags.StringVar(&u.role, "role", "", "grant or guard, of a bundle that does not say")
	flags.StringVar(&u.note, "note", "", "why, for those who read the history (default: key id and SHA-256)")
	flags.StringVar(&u.out, "out", "", "write the Policy object into this new file, or - for standard output, and make nothing")
	flags.BoolVar(&u.dryRun, "dry-run", false, "change nothing, say what would change; exit status 2 if anything")
	flags.StringVar(&u.manager, "manager", object.ManagerApply, "who makes the object")
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		opened, err := c.openBundle(args[0], u.keys)
		if err != nil {
			return plainError(err)
		}
		o, err := u.object(opened)
		if err != nil {
			return plainError(err)
		}
		if opened.Template != "" {
			_, _ = fmt.Fprintf(c.stderr, "warning: the bundle is of the template %s as another version has it: its modules are taken\n", visible(opened.Template))
		}
		if u.out != "" {
			o.Metadata.Tenant = c.remote.tenant
			return plainError(c.writeObject(u.out, o))
		}
		if u.note == "" {
			u.note = "bundle sha256:" + opened.SHA256 + ", signed by " + opened.KeyID
		}
		admin, err := c.admin()
		if err != nil {
			return err
		}
		return plainError(c.applyOne(cmd.Context(), admin, o, client.ApplyOptions{Manager: u.manager, DryRun: u.dryRun, Note: u.note}))
	}
	return cmd
}

// object is a bundle's policy as a Policy object.
func (u unbundling) object(b bundle.Bundle) (object.Object, error) {
	src := b.Source
	if u.role != "" {
		if src.Role != "" && string(src.Role) != u.role {
			return object.Object{}, fmt.Errorf("the bundle says that its role is %s, and --role says %s", src.Role, u.role)
		}
		src.Role = policy.Role(u.role)
	}
	if u.name != "" {
		src.Name = u.name
	}
	if src.Name == "" || src.Role == "" {
		return object.Object{}, errors.New("the bundle does not say what its policy is: say --name and --role (grant or guard)")
	}
	spec := &object.PolicySpec{
		Role: string(src.Role), Binds: string(src.Binds), AppliesTo: object.AppliesTo{Resources: src.Resources, Actions: src.Actions},
		Template: src.Template, Modules: src.Modules, Data: src.Data, DataSchema: src.DataSchema, Tests: src.Tests,
	}
	if spec.Binds == object.BindsTenant { // which it is when it is left out
		spec.Binds = ""
	}
	o := object.Object{APIVersion: object.APIVersion, Kind: object.KindPolicy, Metadata: object.Metadata{Name: src.Name}, Spec: spec}
	if !object.IsName(src.Name) {
		return o, fmt.Errorf("%q is no name of an object: say --name", src.Name)
	}
	return o, spec.Validate()
}

// writeObject writes one object into a new file, or to standard output.
func (c *command) writeObject(out string, o object.Object) error {
	if out == "-" {
		return object.Encode(c.stdout, []object.Object{o}, false)
	}
	file, err := newFile(out)
	if err != nil {
		return err
	}
	err = object.Encode(file, []object.Object{o}, false)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(out))
	}
	return nil
}

// applyOne makes one object so, and says what that changes.
func (c *command) applyOne(ctx context.Context, admin *client.Client, o object.Object, options client.ApplyOptions) error {
	plan, err := admin.Apply(ctx, []object.Object{o}, options)
	if err != nil {
		return err
	}
	for _, w := range plan.Warnings {
		_, _ = fmt.Fprintln(c.stderr, "warning:", visible(w.String()))
	}
	if plan.Items == nil {
		plan.Items = []object.Item{}
	}
	if err := c.print(plan, func(w io.Writer) error { return writePlan(w, plan) }); err != nil {
		return err
	}
	if options.DryRun && plan.Differs() || len(plan.Pending) > 0 {
		return errDiffers
	}
	return nil
}

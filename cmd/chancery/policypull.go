package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
)

func (c *command) policyPullCommand() *cobra.Command {
	var out, revision string
	cmd := &cobra.Command{
		Use:   "pull [NAME...]",
		Short: "Write policies as they are in force, or were, into files",
		Long: `Write policies as they are in force into files in the form that apply, draft and publish read, one a policy: NAME.yaml in --out. Without
--out they are written to standard output. With --revision, as one policy was. A draft is written by its id.`,
		Example: `  chancery policy pull --out policies/
  chancery policy pull notes --revision 3 > notes-3.yaml
  chancery policy pull prop_01JZ8Q0V9V2B7T5D4N3M2K1H0G`,
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write into; files that are there are written over")
	cmd.Flags().StringVar(&revision, "revision", "", "of one policy: its revision's number")
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if revision != "" && len(args) != 1 {
			return errors.New("--revision is of one policy: name it")
		}
		found, err := pulled(ctx, admin, args, revision)
		if err != nil {
			return err
		}
		for i := range found {
			found[i].Metadata = object.Metadata{Name: found[i].Metadata.Name, Tenant: found[i].Metadata.Tenant, Labels: found[i].Metadata.Labels}
		}
		if out == "" {
			return object.Encode(c.stdout, found, false)
		}
		return c.writePolicies(out, found)
	})
}

func pulled(ctx context.Context, admin *client.Client, names []string, revision string) ([]object.Object, error) {
	if len(names) == 0 {
		return admin.List(ctx, object.KindPolicy)
	}
	var all []object.Object
	for _, name := range names {
		if !object.IsName(name) { // a draft
			p, err := admin.Proposal(ctx, name)
			if err != nil {
				return nil, err
			}
			found, err := p.Objects()
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
			continue
		}
		o, err := admin.Get(ctx, object.KindPolicy, name)
		if err != nil {
			return nil, err
		}
		if revision != "" {
			_, spec, err := admin.RevisionText(ctx, name, revision)
			if err != nil {
				return nil, err
			}
			o.Spec = spec
		}
		all = append(all, o)
	}
	return all, nil
}

// writePolicies writes one file a policy; a name is a DNS label, and so no path.
func (c *command) writePolicies(folder string, found []object.Object) error {
	if err := os.MkdirAll(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // policies are no secret
		return err
	}
	for _, o := range found {
		if !object.IsName(o.Metadata.Name) {
			return fmt.Errorf("the server names a policy %q", o.Metadata.Name)
		}
		path := filepath.Join(folder, o.Metadata.Name+".yaml")
		f, err := os.Create(path) //nolint:gosec // the operator names the folder
		if err != nil {
			return err
		}
		err = object.Encode(f, []object.Object{o}, false)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.stdout, visible(path)); err != nil {
			return err
		}
	}
	return nil
}

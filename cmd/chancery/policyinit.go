package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/rego"
)

// policyInitFlags say which template becomes which policy.
type policyInitFlags struct{ template, name, dir string }

func (c *command) policyInitCommand() *cobra.Command {
	var f policyInitFlags
	cmd := &cobra.Command{
		Use:   "init [--template NAME]",
		Short: "Write a Policy object of your own, from a template with its tests; or list the templates",
		Long: `Write a Policy object whose rules, tests and data are those of a template, as modules of your own: "policy check" and "policy test" pass
at once, and you change from there. Beside it goes the page that says when to use it. Without --template, the templates are listed.

An object that only needs other data names the template instead (spec.template): Chancery keeps its rules then.

Nothing that is there is overwritten, and nothing is left half-made.`,
		Example: `  chancery policy init
  chancery policy init --template step-up-by-risk --name notes-step-up --dir policies/
  chancery policy check -f policies/ && chancery policy test policies/`,
		Args: cobra.NoArgs,
	}
	c.addOutputFlag(cmd, asTable)
	cmd.Flags().StringVar(&f.template, "template", "", "the template to begin with")
	cmd.Flags().StringVar(&f.name, "name", "", "name of the Policy (default: the template's)")
	cmd.Flags().StringVar(&f.dir, "dir", ".", "folder to write into; made if it is not there")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		if f.template == "" {
			return c.listTemplates()
		}
		return c.policyInit(f)
	}
	return cmd
}

// templateListed is one template of the list.
type templateListed struct {
	Template string   `json:"template"`
	Roles    []string `json:"roles"`
	Summary  string   `json:"summary"`
}

func (c *command) listTemplates() error {
	var all []templateListed
	for _, t := range rego.Templates() {
		all = append(all, templateListed{Template: t.Name, Roles: t.Roles(), Summary: t.Summary})
	}
	return c.print(all, func(w io.Writer) error {
		table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "TEMPLATE\tROLE\tWHAT")
		for _, t := range all {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", t.Template, strings.Join(t.Roles, ", "), t.Summary)
		}
		return table.Flush()
	})
}

// policyInit writes the page first and the object last: what is there is whole.
func (c *command) policyInit(f policyInitFlags) error {
	t, ok := rego.Lookup(f.template)
	if !ok {
		return fmt.Errorf("template %q is unknown; there are %s", f.template, strings.Join(rego.Names(), ", "))
	}
	if f.name == "" {
		f.name = t.Name
	}
	if !object.IsName(f.name) {
		return fmt.Errorf("%q is no name of an object: lower-case letters, digits and hyphens, at most 63", f.name)
	}
	o, err := ownPolicy(t, f.name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := object.Encode(&text, []object.Object{o}, false); err != nil {
		return err
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil { //nolint:gosec // policies are no secret
		return err
	}
	page, policy := filepath.Join(f.dir, f.name+".md"), filepath.Join(f.dir, f.name+".yaml")
	if err := createFile(page, []byte(t.README)); err != nil {
		return err
	}
	if err := createFile(policy, text.Bytes()); err != nil {
		return errors.Join(err, os.Remove(page))
	}
	for _, path := range []string{policy, page} {
		if _, err := fmt.Fprintln(c.stdout, visible(path)); err != nil {
			return err
		}
	}
	return nil
}

var exampleObject = regexp.MustCompile("(?s)```yaml\n(apiVersion: .*?)```")

// ownPolicy is the object that the template's page shows, with modules of its own.
func ownPolicy(t rego.Template, name string) (object.Object, error) {
	shown := exampleObject.FindStringSubmatch(t.README)
	if shown == nil {
		return object.Object{}, fmt.Errorf("the page of template %s shows no object", t.Name)
	}
	found, err := object.Decode(strings.NewReader(shown[1]), object.Options{})
	if err != nil {
		return object.Object{}, fmt.Errorf("the page of template %s: %w", t.Name, err)
	}
	o := found[0]
	example, ok := o.Spec.(*object.PolicySpec)
	if !ok {
		return object.Object{}, fmt.Errorf("the page of template %s shows a %s", t.Name, o.Kind)
	}
	spec := *example
	spec.Template, spec.Modules, spec.Tests, spec.DataSchema = "", t.Modules, t.Tests, t.DataSchema
	o.Metadata, o.Spec = object.Metadata{Name: name}, &spec
	return o, nil
}

// createFile writes a file that is not there, whole or not at all.
func createFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // the author names it, and policies are no secret
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

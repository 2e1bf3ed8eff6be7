package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/policy"
)

func (c *command) policyDataCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "Change a policy's data, and not its rules"}
	cmd.AddCommand(c.policyDataImportCommand())
	return cmd
}

// filling are policy data import's flags.
type filling struct {
	csv       string
	columns   string
	separator string
	name      string
	file      string
	out       string
	note      string
	manager   string
	add       bool
	dryRun    bool
}

func (c *command) policyDataImportCommand() *cobra.Command {
	var f filling
	cmd := &cobra.Command{
		Use:   "import --csv FILE [--policy NAME|--file FILE]",
		Short: "Make a table of groups, resources and scopes the grants of a policy",
		Long: `Make a CSV table the data.grants of a policy, as the template group-scopes reads them: a row says that a group is granted a scope, or
several with spaces between, of a resource. The first row names the columns; --columns says which are group, resource and scope, in this
order. Rows that are wrong are told by their line, and then nothing is made. A grant that is there twice is told, and counts once.

With --policy the server's policy gets the grants, by the way of apply; its rules stay, and the revision can be rolled back. With --file
the policy of that file is written with them, to standard output or --out, and no server is asked. Without either, the data alone is
written. The whole data is held to the policy's data_schema, or its template's. Other members of the data stay.

Exit status: 0 done; 1 refused, and nothing was made; 2 it waits for a second person, or with --dry-run if anything would change.`,
		Example: `  chancery policy data import --csv grants.csv --policy notes --dry-run
  chancery policy data import --csv export.csv --separator ';' --columns 'AD group,App,Permission' --policy notes
  chancery policy data import --csv grants.csv --file objects/notes.yaml --out notes.new.yaml`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.csv, "csv", "", "the table: a file in UTF-8, or - for standard input")
	flags.StringVar(&f.columns, "columns", "group,resource,scope", "the names of the columns of group, resource and scope")
	flags.StringVar(&f.separator, "separator", ",", "what is between two cells: one character, or tab")
	flags.StringVar(&f.name, "policy", "", "the policy that gets the grants, of the server or of --file")
	flags.StringVar(&f.file, "file", "", "file with the Policy object that gets the grants")
	flags.StringVar(&f.out, "out", "", "write into this new file")
	flags.BoolVar(&f.add, "add", false, "keep the grants that are there, and add those of the table")
	flags.StringVar(&f.note, "note", "", "why, for those who read the history")
	flags.StringVar(&f.manager, "manager", object.ManagerApply, "who makes the object")
	flags.BoolVar(&f.dryRun, "dry-run", false, "change nothing, say what would change; exit status 2 if anything")
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		return plainError(c.importData(cmd.Context(), f))
	}
	return cmd
}

func (c *command) importData(ctx context.Context, f filling) error {
	table, err := c.readTable(f)
	if err != nil {
		return err
	}
	for _, repeat := range table.repeats {
		_, _ = fmt.Fprintln(c.stderr, "warning:", visible(repeat))
	}
	if f.name == "" && f.file == "" {
		return c.writeData(f, table)
	}
	o, admin, err := c.policyToFill(ctx, f)
	if err != nil {
		return err
	}
	spec, ok := o.Spec.(*object.PolicySpec)
	if !ok {
		return fmt.Errorf("%s is no Policy", o.Label())
	}
	if err := c.fillGrants(spec, table, f.add); err != nil {
		return fmt.Errorf("%s: %w", o.Label(), err)
	}
	if _, err := policy.Compile(ctx, regocheck.Source("", o.Metadata.Name, 0, spec)); err != nil {
		return fmt.Errorf("%s: %w", o.Label(), err)
	}
	if f.file != "" || f.out != "" {
		out := f.out
		if out == "" {
			out = "-"
		}
		return c.writeObject(out, o)
	}
	o.Metadata = object.Metadata{Name: o.Metadata.Name, Tenant: o.Metadata.Tenant, Labels: o.Metadata.Labels}
	return c.applyOne(ctx, admin, o, client.ApplyOptions{Manager: f.manager, DryRun: f.dryRun, Note: f.note})
}

func (c *command) readTable(f filling) (grantTable, error) {
	if f.csv == "" {
		return grantTable{}, errors.New("say what to read: --csv FILE, or --csv - for standard input")
	}
	if f.csv == "-" && f.file == "-" {
		return grantTable{}, errors.New("standard input can be read once")
	}
	names := strings.Split(f.columns, ",")
	if len(names) != 3 || slices.Contains(names, "") {
		return grantTable{}, errors.New("--columns: three names are expected: of the group's column, the resource's and the scope's")
	}
	separator, size := utf8.DecodeRuneInString(f.separator)
	if f.separator == "tab" {
		separator, size = '\t', len(f.separator)
	}
	if size != len(f.separator) || strings.ContainsRune("\"\r\n\ufffd\x00", separator) {
		return grantTable{}, errors.New("--separator: one character is expected, or tab")
	}
	text, err := c.readSome(f.csv, maxCSV+1)
	if err != nil {
		return grantTable{}, err
	}
	table, err := readGrants(text, [3]string(names), separator)
	if err != nil {
		return table, fmt.Errorf("%s:\n%w", f.csv, err)
	}
	return table, nil
}

// writeData writes the data alone, to be put into an object.
func (c *command) writeData(f filling, table grantTable) error {
	if f.dryRun || f.add || f.out != "" {
		return errors.New("say which policy: --policy NAME, of the server, or --file FILE")
	}
	made := map[string]any{"grants": entries(table.grants)}
	c.sayGrants(table, nil)
	return c.print(made, func(w io.Writer) error { return printYAML(w, made) })
}

// policyToFill is the policy that gets the grants; the client is nil where no server is asked.
func (c *command) policyToFill(ctx context.Context, f filling) (object.Object, *client.Client, error) {
	if f.file != "" {
		if f.dryRun || f.note != "" {
			return object.Object{}, nil, errors.New("--dry-run and --note are of the server's policy, and --file reads a file")
		}
		var names []string
		if f.name != "" {
			names = []string{f.name}
		}
		o, err := c.policyOfFiles([]string{f.file}, names)
		return o, nil, err
	}
	admin, err := c.admin()
	if err != nil {
		return object.Object{}, nil, err
	}
	o, err := admin.Get(ctx, object.KindPolicy, f.name)
	return o, admin, err
}

// fillGrants puts the table into a policy, in the memory of this process.
func (c *command) fillGrants(spec *object.PolicySpec, table grantTable, add bool) error {
	before, err := grantsOf(spec.Data)
	if err != nil {
		return err
	}
	c.sayGrants(table, before)
	after := maps.Clone(table.grants)
	if add {
		maps.Copy(after, before)
	} else if gone := missing(before, table.grants); gone > 0 {
		_, _ = fmt.Fprintf(c.stderr, "%d grants that are there are not in the table, and go (--add keeps them)\n", gone)
	}
	spec.Data = maps.Clone(spec.Data)
	if spec.Data == nil {
		spec.Data = map[string]any{}
	}
	spec.Data["grants"] = entries(after)
	return nil
}

func (c *command) sayGrants(table grantTable, before map[granted]int) {
	_, _ = fmt.Fprintf(c.stderr, "%d rows, %d grants, %d of them new, %d said again\n", table.rows, len(table.grants), missing(table.grants, before), table.again)
}

// missing counts what is in one and not in the other.
func missing(in, from map[granted]int) (n int) {
	for g := range in {
		if _, there := from[g]; !there {
			n++
		}
	}
	return n
}

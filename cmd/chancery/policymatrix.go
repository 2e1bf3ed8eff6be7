package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/matrix"
	"github.com/chancery-dev/chancery/policy/vocabulary"
)

const asCSV = "csv"

// tabulating are policy matrix's flags.
type tabulating struct {
	files   []string
	against []string
	tenant  string
	groups  []string
	at      string
	online  onlineMatrix
}

func (c *command) policyMatrixCommand() *cobra.Command {
	var t tabulating
	cmd := &cobra.Command{
		Use:   "matrix [-f FILE|DIR]",
		Short: "Show which client gets which scopes of which resource for which group",
		Long: `Evaluate policies for every client, every resource and every group, and show what is granted: scopes, step-up, approval,
or why not. Without files the server is asked about what is live, or with --draft about a draft in its place; --revision shows what was kept
when a revision of --policy was published. Clients and resources are those of the objects; groups are those that the policies' data and text name, those of User
objects, the aliases of IdentityProvider objects, and --group. A row is a person in that group alone, one in no group, or the client for itself,
who asks for every scope that client and resource leave. What the policies read besides, such as the time, has one value in every row;
it is listed below the table. With --against, only what another folder's policies, or an earlier revision, answer differently is shown; with --draft, what it changes.

Exit status: 0 done; 1 the files cannot be read, a policy does not compile, or there are too many rows; 2 with --against or --draft, if anything differs.`,
		Example: `  chancery policy matrix --resource notes
  chancery policy matrix --draft objects/
  chancery policy matrix --policy notes --revision 7 --against 6
  chancery policy matrix -f objects/
  chancery policy matrix -f objects/ --output csv > access.csv
  chancery policy matrix -f draft/ --against objects/`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&t.files, "filename", "f", nil, "file or folder of objects; may be repeated")
	flags.StringArrayVar(&t.against, "against", nil, "file or folder with the policies before; may be repeated")
	flags.StringVar(&t.tenant, "tenant", tenant.DefaultName, "whose policies decide")
	flags.StringArrayVar(&t.groups, "group", nil, "a group more; may be repeated")
	flags.StringVar(&t.at, "at", "", "when it is asked, as 2026-08-31T12:00:00Z (default: now)")
	t.online.add(c, cmd)
	c.addOutputFlag(cmd, asTable)
	flags.Lookup("output").Usage = "table, csv, json or yaml (default: table)"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if c.output != asCSV {
			if err := c.checkOutput(); err != nil {
				return fmt.Errorf("--output: %q: table, csv, json or yaml is expected", c.output)
			}
		}
		if len(t.files) == 0 {
			return plainError(c.tabulateOnline(cmd.Context(), t))
		}
		if t.online.given() {
			return errors.New("-f tabulates files: --draft, --client, --resource, --policy and --revision are for the server's own")
		}
		return plainError(c.tabulate(cmd.Context(), t))
	}
	return cmd
}

func (c *command) tabulate(ctx context.Context, t tabulating) error {
	written, policies, err := c.readPolicies(t.files)
	if err != nil {
		return err
	}
	base, err := t.base(written.Objects)
	if err != nil {
		return err
	}
	axes := axesOf(written.Objects, t.tenant)
	if len(axes.Clients) == 0 || len(axes.Resources) == 0 {
		return fmt.Errorf("the files hold %d clients and %d resources of tenant %s; at least one of each is needed", len(axes.Clients), len(axes.Resources), t.tenant)
	}
	before := policies[:0:0]
	if len(t.against) > 0 {
		if _, before, err = c.readPolicies(t.against); err != nil {
			return err
		}
	}
	axes.Groups = slices.Concat(axes.Groups, t.groups, vocabulary.Of("", sourcesOf(slices.Concat(policies, before), t.tenant)...).Groups)

	compute := func(policies []namedPolicy) (matrix.Matrix, error) {
		own, inherited, err := compileFor(ctx, t.tenant, policies)
		if err != nil {
			return matrix.Matrix{}, err
		}
		if len(own)+len(inherited) == 0 {
			return matrix.Matrix{}, fmt.Errorf("no policy in these files binds tenant %s", t.tenant)
		}
		set, err := policy.NewSet(own, inherited)
		if err != nil {
			return matrix.Matrix{}, err
		}
		return matrix.Compute(ctx, set, axes, matrix.Options{Base: base})
	}
	after, err := compute(policies)
	if err != nil {
		return err
	}
	if len(t.against) == 0 {
		return c.printMatrix(after, after.WriteTable, after.WriteCSV)
	}
	was, err := compute(before)
	if err != nil {
		return err
	}
	differs := matrix.Diff(was, after)
	if err := c.printMatrix(differs, differs.WriteTable, differs.WriteCSV); err != nil {
		return err
	}
	if len(differs.Changes) > 0 {
		return errDiffers
	}
	return nil
}

func (c *command) printMatrix(record any, forPeople, forSpreadsheets func(io.Writer) error) error {
	if c.output == asCSV {
		return forSpreadsheets(c.stdout)
	}
	return c.print(record, forPeople)
}

// base is what does not vary: the tenant, and the time in its zone.
func (t tabulating) base(objects []object.Object) (policy.Input, error) {
	at := time.Now()
	if t.at != "" {
		given, err := time.Parse(time.RFC3339, t.at)
		if err != nil {
			return policy.Input{}, errors.New("--at: a time such as 2026-08-31T12:00:00Z is expected")
		}
		at = given
	}
	of, zone := policy.Tenant{ID: t.tenant}, time.UTC
	for _, o := range objects {
		spec, ok := o.Spec.(*object.TenantSpec)
		if !ok || o.Metadata.Name != t.tenant {
			continue
		}
		of.Plan = spec.Plan
		if spec.Timezone != "" {
			loaded, err := time.LoadLocation(spec.Timezone)
			if err != nil {
				return policy.Input{}, fmt.Errorf("tenant %s: %w", t.tenant, err)
			}
			zone = loaded
		}
	}
	return matrix.At(at.In(zone), of), nil
}

// axesOf are the clients, resources and groups of a tenant's objects; those that are disabled get nothing and are left out.
func axesOf(objects []object.Object, of string) matrix.Axes {
	axes := matrix.Axes{Programs: true}
	for _, o := range objects {
		if o.TenantName() != of {
			continue
		}
		name := o.Metadata.Name
		switch spec := o.Spec.(type) {
		case *object.ClientSpec:
			if !spec.Disabled {
				axes.Clients = append(axes.Clients, clientAxis(name, spec))
			}
		case *object.ResourceSpec:
			if !spec.Disabled {
				axes.Resources = append(axes.Resources, resourceAxis(objects, of, name, spec))
			}
		case *object.UserSpec:
			axes.Groups = append(axes.Groups, spec.Groups...)
		case *object.IdentityProviderSpec:
			axes.Groups = slices.AppendSeq(axes.Groups, maps.Values(spec.Claims.GroupAliases))
		}
	}
	return axes
}

func clientAxis(name string, spec *object.ClientSpec) matrix.Client {
	filled := spec.WithDefaults()
	id := filled.ClientID
	if id == "" {
		id = name
	}
	return matrix.Client{Resources: filled.Resources, Client: policy.Client{
		ID: id, Name: name, Type: filled.Type, AuthMethod: filled.Auth.Method, Plan: filled.Plan, Environment: filled.Environment, Scopes: filled.Scopes,
	}}
}

func resourceAxis(objects []object.Object, of, name string, spec *object.ResourceSpec) matrix.Resource {
	r := matrix.Resource{Resource: policy.Resource{Name: name, URI: spec.URI, Scopes: slices.Sorted(maps.Keys(spec.Scopes)), Risk: map[string]string{}}}
	for scope := range spec.Scopes {
		if risk := spec.Scopes[scope].Risk; risk != "" {
			r.Risk[scope] = risk
		}
	}
	r.Implies = implied(objects, of, &r.Resource)
	return r
}

// sourcesOf are the texts and data of the policies that bind a tenant.
func sourcesOf(policies []namedPolicy, of string) []policy.Source {
	var sources []policy.Source
	for _, p := range policies {
		if p.object.TenantName() == of || (p.object.TenantName() == tenant.DefaultName && p.spec.Binds == object.BindsAll) {
			sources = append(sources, regocheck.Source("", p.object.Metadata.Name, 0, p.spec))
		}
	}
	return sources
}

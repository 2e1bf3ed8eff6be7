package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// completionPatience bounds what a person waits for after a tab: without an answer there are no names.
const completionPatience = time.Second

// names gives what may stand at a place, of which the shell shows what fits.
type names func(ctx context.Context, args []string) []string

// addCompletions says what may stand where, for the script that "chancery completion" makes.
func (c *command) addCompletions(root *cobra.Command) {
	named := func(kind object.Kind) names {
		return func(ctx context.Context, _ []string) []string { return c.objectNames(ctx, kind) }
	}
	ofKind := func(ctx context.Context, args []string) []string {
		kind, err := kindOf(args[0])
		if err != nil {
			return nil
		}
		return c.objectNames(ctx, kind)
	}
	kinds := func(more ...string) names {
		return func(context.Context, []string) []string { return append(kindNames(), more...) }
	}
	clients, idps := named(object.KindClient), named(object.KindIdentityProvider)
	for path, places := range map[string][]names{
		"get":           {kinds("tokens"), ofKind},
		"delete":        {kinds(), ofKind},
		"export":        {kinds()},
		"idp test":      {idps},
		"idp capture":   {idps},
		"secret create": {clients},
		"secret list":   {clients},
		"secret revoke": {clients},
		"revoke": {func(context.Context, []string) []string { return []string{"user", "client", "idp", "token"} }, func(ctx context.Context, args []string) []string {
			if args[0] == "token" {
				return nil
			}
			return ofKind(ctx, args)
		}},
		"config explain": {func(context.Context, []string) []string { return settingNames() }},
	} {
		if found, _, err := root.Find(strings.Fields(path)); err == nil && found.CommandPath() == root.Name()+" "+path {
			found.ValidArgs, found.ValidArgsFunction = nil, completeArgs(places, path == "export")
		}
	}
	for flag, values := range map[string][]string{
		"output": {asTable, asJSON, asYAML}, "profile": {string(config.Dev), string(config.Production), string(config.Regulated)}, "database": {"sqlite", "postgres"},
	} {
		completeFlag(root, flag, values)
	}
}

// completeArgs offers the names of the place that comes next; where repeated, the last place comes again.
func completeArgs(places []names, repeated bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		at := len(args)
		if repeated {
			at = min(at, len(places)-1)
		}
		if at >= len(places) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		var fit []cobra.Completion
		for _, name := range places[at](ctx, args) {
			if strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
				fit = append(fit, name)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

func completeFlag(cmd *cobra.Command, flag string, values []string) {
	if cmd.Flags().Lookup(flag) != nil {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails where there is one already
	}
	for _, child := range cmd.Commands() {
		completeFlag(child, flag, values)
	}
}

func kindNames() []string {
	var all []string
	for _, k := range object.Kinds() {
		all = append(all, k.Plural())
	}
	slices.Sort(all)
	return all
}

func settingNames() []string {
	var all []string
	for _, leaf := range config.Leaves() {
		all = append(all, leaf.Key)
	}
	return all
}

// objectNames asks the admin API, if somebody said where it is. An error is no name, and neither is what could not be one.
func (c *command) objectNames(ctx context.Context, kind object.Kind) []string {
	if !c.adminSaid() {
		return nil
	}
	admin, err := c.admin()
	if err != nil {
		return nil
	}
	found, err := admin.List(ctx, kind)
	if err != nil {
		return nil
	}
	var all []string
	for _, o := range found {
		if object.IsName(o.Metadata.Name) {
			all = append(all, o.Metadata.Name)
		}
	}
	return all
}

// adminSaid: by flag, by the environment or by chancery dev, which runs. A chancery.yaml that merely lies in the folder may be
// anybody's, and names an address and a secret that is sent there: a command does as it says, a tab does not.
func (c *command) adminSaid() bool {
	if c.configFile != "" {
		return true
	}
	server, token, err := c.adminGiven()
	if err == nil && server == "" && token.IsZero() {
		server, token, err = c.devAdminGiven()
	}
	return err == nil && server != "" && !token.IsZero()
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// loadConfig reads file, environment and --set, the strongest last.
func (c *command) loadConfig() (*config.Loaded, error) {
	flags, err := config.ParseSettings(c.settings)
	if err != nil {
		return nil, err
	}
	return config.Load(config.Sources{File: c.configFile, Environ: c.environ, Flags: flags})
}

func (c *command) configCommand() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "Check, explain and print the configuration"}
	parent.AddCommand(
		&cobra.Command{
			Use: "validate", Short: "Check the configuration", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				loaded, err := c.loadConfig()
				if err != nil {
					return err
				}
				if err := loaded.Served(); err != nil {
					return err
				}
				from := loaded.Path
				if from == "" {
					from = "defaults and environment"
				}
				_, err = fmt.Fprintf(c.stdout, "%s: valid (profile %s)\n", from, loaded.Profile)
				return err
			},
		},
		&cobra.Command{
			Use: "explain KEY", Short: "Say what a setting means, what it is and where that came from", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return c.explainConfig(args[0]) },
		},
		&cobra.Command{
			Use: "effective", Short: "Print the merged configuration, secrets hidden", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				loaded, err := c.loadConfig()
				if err != nil {
					return err
				}
				text, err := loaded.Effective()
				if err != nil {
					return err
				}
				_, err = c.stdout.Write(text)
				return err
			},
		},
	)
	return parent
}

func (c *command) explainConfig(key string) error {
	loaded, err := c.loadConfig()
	if err != nil {
		return err
	}
	found, err := loaded.Explain(key)
	if err != nil {
		return err
	}
	for i, e := range found {
		if i > 0 {
			_, _ = fmt.Fprintln(c.stdout)
		}
		value := "(not set)"
		if e.Value != nil {
			value = fmt.Sprint(e.Value)
		}
		_, err = fmt.Fprintf(c.stdout, "%s\n  %s\n  type         %s\n  value        %s\n  from         %s\n  environment  %s\n", e.Key, e.Doc, e.Type, value, e.Origin, e.Env())
	}
	return err
}

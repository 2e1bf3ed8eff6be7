package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/demo"
)

func (c *command) demoCommand() *cobra.Command {
	var stay bool
	var output string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the main job from end to end on this machine, with a fake identity provider",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			executable, err := os.Executable()
			if err != nil {
				return err
			}
			return demo.Run(cmd.Context(), demo.Options{Out: c.stdout, JSON: output == "json", Color: c.isTerminal(), Stay: stay, Executable: executable})
		},
	}
	cmd.Flags().BoolVar(&stay, "stay", false, "keep everything running afterwards, until interrupted")
	cmd.Flags().StringVar(&output, "output", "table", "table or json (one record a step)")
	return cmd
}

// isTerminal tells whether a person reads the output.
func (c *command) isTerminal() bool {
	f, ok := c.stdout.(*os.File)
	if !ok || c.env("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

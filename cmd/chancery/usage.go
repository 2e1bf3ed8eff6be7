package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// sayUsage has every command say how it is called when it is called in another way: one line, and where the rest is.
func sayUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(failed *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, failed.CommandPath())
	})
	if check := cmd.Args; check != nil && cmd.Runnable() {
		cmd.Args = func(called *cobra.Command, args []string) error {
			if err := check(called, args); err != nil {
				return fmt.Errorf("%w: the form is %s", err, called.UseLine())
			}
			return nil
		}
	}
	for _, child := range cmd.Commands() {
		sayUsage(child)
	}
}

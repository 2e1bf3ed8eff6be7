package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/policy/gate"
)

// gateIfAsked becomes the child in which policies are checked (policy/gate). It
// runs before anything else: what the child limits is the whole process.
func gateIfAsked() {
	if len(os.Args) == 2 && os.Args[1] == gate.Argument {
		os.Exit(gate.Main(os.Stdin, os.Stdout))
	}
}

// policyGateCommand keeps the name from meaning anything else.
func (c *command) policyGateCommand() *cobra.Command {
	return &cobra.Command{
		Use: gate.Argument, Hidden: true, Args: cobra.ArbitraryArgs, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New(gate.Argument + " is how this binary starts itself, with nothing else on the command line")
		},
	}
}

package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/policy/gate"
	"github.com/chancery-dev/chancery/policy/pool"
)

// childIfAsked becomes a child in which policies are checked (policy/gate) or evaluated
// (policy/pool). It runs before anything else: what the child limits is the whole process.
func childIfAsked() {
	if len(os.Args) != 2 {
		return
	}
	switch os.Args[1] {
	case gate.Argument:
		os.Exit(gate.Main(os.Stdin, os.Stdout))
	case pool.Argument:
		os.Exit(pool.Main(os.Stdin, os.Stdout))
	}
}

// childCommand keeps the name from meaning anything else.
func (c *command) childCommand(argument string) *cobra.Command {
	return &cobra.Command{
		Use: argument, Hidden: true, Args: cobra.ArbitraryArgs, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New(argument + " is how this binary starts itself, with nothing else on the command line")
		},
	}
}

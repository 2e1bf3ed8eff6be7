// Command chancery is an identity broker for AI agents: it turns the assertions
// of a company's identity provider into short-lived access tokens, as policy
// allows. This package holds the commands, one file each; assembly puts the
// rooms together into a running server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/policy/gate"
	"github.com/chancery-dev/chancery/policy/pool"
)

// version is set by the build.
var version = ""

func main() {
	childIfAsked()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// Exit statuses (docs/commands.md).
const (
	exitDone    = 0
	exitFailed  = 1
	exitDiffers = 2
)

// errDiffers ends a command with status 2: something would change, differs or did not pass.
var errDiffers = errors.New("differs")

// command is what every command shares.
type command struct {
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
	environ    []string
	configFile string
	settings   []string // --set KEY=VALUE
	output     string
	remote     remoteFlags
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	c := &command{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ}
	root := c.root()
	root.SetArgs(keyIDsLast(args))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errDiffers):
		return exitDiffers
	}
	_, _ = fmt.Fprintln(stderr, "chancery:", visibleLines(err.Error()))
	return exitFailed
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "chancery",
		Short:         "Identity broker for AI agents",
		Long:          "Chancery turns the assertions of a company's identity provider into short-lived access tokens for MCP servers and APIs, as Rego policies allow.",
		Version:       buildVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&c.configFile, "config", c.env("CHANCERY_CONFIG"), "configuration file (CHANCERY_CONFIG; default ./chancery.yaml)")
	root.PersistentFlags().StringArrayVar(&c.settings, "set", nil, "a setting of the configuration, KEY=VALUE; stronger than file and environment")
	root.PersistentFlags().Lookup("config").DefValue = "" // help says the same wherever it is asked
	root.AddCommand(c.serveCommand(), c.demoCommand(), c.devCommand(), c.tokenCommand(), c.vendCommand(), c.execCommand(), c.connectCommand(), c.conformanceCommand(), c.configCommand(), c.migrateCommand(), c.childCommand(gate.Argument), c.childCommand(pool.Argument))
	c.addRecordCommands(root)
	c.addCompletions(root)
	sayUsage(root)
	return root
}

func (c *command) env(name string) string {
	for _, pair := range c.environ {
		if value, ok := cutPair(pair, name); ok {
			return value
		}
	}
	return ""
}

func cutPair(pair, name string) (string, bool) {
	if len(pair) > len(name) && pair[:len(name)] == name && pair[len(name)] == '=' {
		return pair[len(name)+1:], true
	}
	return "", false
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

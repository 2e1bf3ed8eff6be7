package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

//go:generate go test -run "TestCommandsPage|TestUnitFile" -update .

var update = flag.Bool("update", false, "write docs/commands.md")

const commandsPage = "../../docs/commands.md"

const pageHead = `# Commands

One static binary. This page is generated from the commands themselves: ` + "`make generate`" + ` writes it, and a test holds it to them.
Each command says the same with ` + "`--help`" + `.

| exit status | means |
| --- | --- |
| 0 | done |
| 1 | failed; standard error says why |
| 2 | something would change, differs or did not pass, where a command asks that |

No command asks a question: what destroys wants ` + "`--yes`" + `. Records go to standard output as a table, JSON or YAML (` + "`--output`" + `); warnings
go to standard error. Parts of what is shown came from clients; control characters in them are written as ` + "`\\u001b`" + `.

Commands about records ask the admin API: ` + "`--server`" + ` or ` + "`CHANCERY_ADMIN_URL`" + `, ` + "`--token-file`" + ` or ` + "`CHANCERY_ADMIN_TOKEN`" + `, and for what these leave
open the admin section of the configuration file. Where all of these say nothing they ask the surroundings of ` + "`chancery dev`" + ` that run in the
folder. The credential is sent over plain http to loopback only.

Kinds are written as ` + "`Client`, `client` or `clients`" + `; ` + "`idp`" + ` is an IdentityProvider. Shells complete commands and flags after
` + "`chancery completion bash|zsh|fish|powershell`" + `.
`

// page writes every command in the order in which help lists them.
func page() string {
	root := (&command{}).root()
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString("\nEvery command takes\n\n```text\n")
	flagText(&b, root.PersistentFlags().FlagUsages())
	b.WriteString("```\n")
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, child := range c.Commands() {
			if child.Hidden {
				continue
			}
			if child.Runnable() {
				section(&b, child)
			}
			walk(child)
		}
	}
	walk(root)
	return b.String()
}

func section(b *strings.Builder, c *cobra.Command) {
	said := c.Long
	if said == "" {
		said = c.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n```console\n$ %s\n```\n", c.CommandPath(), said, strings.TrimSuffix(c.UseLine(), " [flags]"))
	if c.Example != "" {
		fmt.Fprintf(b, "\nFor example\n\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
	}
	if usages := c.LocalNonPersistentFlags().FlagUsages(); usages != "" {
		b.WriteString("\n```text\n")
		flagText(b, usages)
		b.WriteString("```\n")
	}
}

// flagText is the list of flags as help shows it.
func flagText(b *strings.Builder, usages string) {
	for line := range strings.Lines(usages) {
		if !strings.Contains(line, "  help for ") && !strings.Contains(line, "  version for ") {
			b.WriteString(line)
		}
	}
}

func TestCommandsPage(t *testing.T) {
	want := page()
	if *update {
		if err := os.WriteFile(commandsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(commandsPage)
	if err != nil || string(got) != want {
		t.Errorf("docs/commands.md is not what the commands say (%v): run make generate", err)
	}
}

// TestEveryCommandHelps: whatever can be run explains itself, without a server and without a configuration.
func TestEveryCommandHelps(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, child := range c.Commands() {
			if child.Hidden {
				continue
			}
			t.Run(child.CommandPath(), func(t *testing.T) {
				args := append(strings.Fields(child.CommandPath())[1:], "--help")
				got := alone(t).run(exitDone, args...)
				has(t, got.stdout, "Usage:")
				if child.Short == "" {
					t.Error("it does not say what it does")
				}
			})
			walk(child)
		}
	}
	walk((&command{}).root())
}

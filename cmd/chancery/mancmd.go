package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (c *command) manCommand() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "man --dir DIR",
		Short: "Write the man pages, one a command",
		Long:  "Write the man pages of section 1, one a command, into a folder. Those that are there are replaced.",
		Example: `  chancery man --dir /usr/share/man/man1
  chancery man --dir man && man man/chancery-doctor.1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if folder == "" {
				return errors.New("--dir: a folder is expected")
			}
			n, err := writeManPages(cmd.Root(), folder)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "%d pages in %s\n", n, folder)
			return err
		},
	}
	cmd.Flags().StringVar(&folder, "dir", "", "folder to write into; made if it is not there")
	return cmd
}

func writeManPages(root *cobra.Command, folder string) (int, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // manuals are for everybody
		return 0, err
	}
	n := 0
	var walk func(*cobra.Command) error
	walk = func(one *cobra.Command) error {
		if one.Hidden || one.Name() == "help" {
			return nil
		}
		path := filepath.Join(folder, pageName(one)+".1")
		if err := os.WriteFile(path, []byte(manPage(one)), 0o644); err != nil { //nolint:gosec // manuals are for everybody
			return err
		}
		n++
		for _, child := range one.Commands() {
			if err := walk(child); err != nil {
				return err
			}
		}
		return nil
	}
	return n, walk(root)
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is roff as man(7) reads it. There is no date in it, so that a build can be repeated.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p(".TH %s 1 \"\" \"chancery\" \"Chancery\"\n", roff(strings.ToUpper(pageName(c))))
	p(".SH NAME\n%s \\- %s\n", roff(pageName(c)), roff(c.Short))
	p(".SH SYNOPSIS\n.B %s\n", roff(c.CommandPath()))
	if rest := strings.TrimSpace(strings.TrimPrefix(c.UseLine(), c.CommandPath())); rest != "" {
		p("%s\n", roff(rest))
	}
	said := c.Long
	if said == "" {
		said = c.Short + "."
	}
	p(".SH DESCRIPTION\n%s", paragraphs(said))
	options(&b, "OPTIONS", c.LocalNonPersistentFlags())
	options(&b, "OPTIONS OF EVERY COMMAND", c.Root().PersistentFlags())
	if c.Example != "" {
		p(".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n")))
	}
	p(".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nfailed; standard error says why\n.TP\n.B 2\nsomething would change, differs or did not pass, where a command asks that\n")
	if see := related(c); len(see) > 0 {
		p(".SH SEE ALSO\n%s\n", strings.Join(see, ",\n"))
	}
	return b.String()
}

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.Value.Type() != "bool" {
			name += " " + strings.ToUpper(f.Value.Type())
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(f.Usage))
	})
}

func related(c *cobra.Command) []string {
	var see []string
	page := func(one *cobra.Command) {
		if !one.Hidden && one.Name() != "help" {
			see = append(see, fmt.Sprintf(".BR %s (1)", roff(pageName(one))))
		}
	}
	if c.HasParent() {
		page(c.Parent())
	}
	for _, child := range c.Commands() {
		page(child)
	}
	for i := range see[:max(0, len(see)-1)] {
		see[i] = strings.Replace(see[i], "(1)", "(1) ,", 1)
	}
	if len(see) > 0 {
		see = []string{strings.Join(see, "\n")}
	}
	return see
}

func paragraphs(text string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		b.WriteString(".PP\n" + roff(paragraph) + "\n")
	}
	return b.String()
}

// roff keeps text from being taken for requests: what begins a line with a dot or a quote, and backslashes. What is not
// ASCII is named, since not every roff reads UTF-8.
func roff(text string) string {
	var named strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			named.WriteString(`\e`)
		case r == '-':
			named.WriteString(`\-`)
		case r > 0x7e:
			fmt.Fprintf(&named, `\[u%04X]`, r)
		default:
			named.WriteRune(r)
		}
	}
	lines := strings.Split(named.String(), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

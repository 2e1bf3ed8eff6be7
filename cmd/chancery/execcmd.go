package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/obtain"
)

func (c *command) execCommand() *cobra.Command {
	var f askFlags
	var name, header string
	var providers []string
	cmd := &cobra.Command{
		Use:   "exec --resource URL -- CMD [ARG...]",
		Short: "Run a command with a fresh access token in its environment",
		Long: `Get an access token as chancery token does, and become the command, with the token in ` + envAccessToken + `
(--env: another name; --header-env: also as "Bearer …", for programs that want a whole Authorization value). The token is never among
the arguments, and what it was obtained with is taken out of the environment. Since the command takes this process's place, signals
reach it and its exit status is the one that you see; the token is not renewed.

With --provider the command gets providers' tokens instead, lent for the access token (docs/vending.md), each in CHANCERY_NAME_TOKEN; it
gets the access token too only where --env or --header-env asks for it. Nothing is written to disk.

` + askedLong + `

Exit status: that of the command; 1 there is no token (or the command cannot be run), and the command did not run.`,
		Example: `  chancery exec -- sh -c 'curl -H "Authorization: Bearer $` + envAccessToken + `" …'
  chancery exec --resource https://mcp.acme.com/notes --env NOTES_TOKEN --profile agents.yaml -- ./agent --once
  chancery exec --provider 'github=repo:read' -- sh -c 'GH_TOKEN=$CHANCERY_GITHUB_TOKEN gh repo list'`,
		Args: cobra.MinimumNArgs(1),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "env", envAccessToken, "name of the variable that holds the token")
	cmd.Flags().StringVar(&header, "header-env", "", `name of a variable that holds "Bearer …"`)
	cmd.Flags().StringArrayVar(&providers, "provider", nil, "NAME or NAME=KEYS: a provider whose token the command gets, and the keys of its scope_map (again for each)")
	cmd.Flags().SetInterspersed(false) // what follows the command is its own
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, variable := range []string{name, header} {
			if variable != "" && !isVariable(variable) {
				return fmt.Errorf("%q is no name of a variable", variable)
			}
		}
		if f.dpop || f.dpopKey != "" {
			return errors.New("a token that is bound to a key needs a proof for each request: exec gives bearer tokens")
		}
		wanted, err := lentProviders(providers)
		if err != nil {
			return err
		}
		path, err := exec.LookPath(args[0])
		if err != nil {
			return err
		}
		a, err := c.asked(f)
		if err != nil {
			return plainError(err)
		}
		got, leases, err := obtain.Borrow(cmd.Context(), a.request, wanted...)
		if err != nil {
			return refused(err, a.dev != nil)
		}
		given := map[string]string{}
		if len(wanted) == 0 || cmd.Flags().Changed("env") {
			given[name] = got.Token.AccessToken
		}
		for _, lease := range leases {
			given[leaseVariable(lease.Provider)] = lease.Reveal()
		}
		if header != "" {
			given[header] = got.Token.TokenType + " " + got.Token.AccessToken
		}
		return become(path, args, childEnviron(c.environ, given))
	}
	return cmd
}

// become ends this program in favour of another one, under the same process id. It returns only if that failed.
func become(path string, args, environ []string) error {
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, args, environ)) //nolint:gosec // running what the caller names is the purpose
}

func isVariable(name string) bool {
	first := true
	for _, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (first || r < '0' || r > '9') {
			return false
		}
		first = false
	}
	return name != ""
}

// notForChildren are taken out of the environment: the command gets the token, and not what more could be had with.
var notForChildren = []string{envAdminToken, envClientSecret, envIdPClientSecret, envSubjectToken, envAccessToken}

func childEnviron(environ []string, given map[string]string) []string {
	child := slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		_, replaced := given[name]
		return replaced || slices.Contains(notForChildren, name)
	})
	for name, value := range given {
		child = append(child, name+"="+value)
	}
	return child
}

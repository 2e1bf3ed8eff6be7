package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

func (c *command) connectCommand() *cobra.Command {
	var issuer, folder, account string
	var scopes []string
	var another, quiet bool
	cmd := &cobra.Command{
		Use:   "connect PROVIDER",
		Short: "Open the page on which you connect an account at a provider",
		Long: `Print the address of the page on which the signed-in person connects an account of theirs at a provider, so that agents may be lent its
tokens (docs/connections.md), and open it in a browser where somebody sits at a terminal. Nothing is asked here, and no secret is read:
the sign-in, the provider's consent and the confirmation of the account are in the browser.

The authorization server is --issuer, or CHANCERY_ISSUER, or the surroundings of chancery dev that run here, or server.public_url of
the configuration.`,
		Example: "  chancery connect github\n  chancery connect github --scope repo:read --issuer https://auth.acme.com --no-browser",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&issuer, "issuer", "", "the authorization server's issuer ("+envIssuer+")")
	flags.StringVar(&folder, "dir", "", "folder of chancery dev ("+envDevFolder+"; default ./"+dev.DefaultFolder+")")
	flags.StringSliceVar(&scopes, "scope", nil, "keys of the provider's scope_map to connect for (default: its default_scopes, else all)")
	flags.StringVar(&account, "account", "", "id or name of the connected account that is meant, to connect it again")
	flags.BoolVar(&another, "another", false, "connect one more account")
	flags.BoolVar(&quiet, "no-browser", false, "only print the address")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at, err := c.connectAt(issuer, folder)
		if err != nil {
			return plainError(err)
		}
		address, err := connectAddress(at, args[0], scopes, account, another)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.stdout, address); err != nil {
			return err
		}
		if !quiet && c.attended() {
			if err := openInBrowser(cmd.Context(), address); err != nil {
				_, _ = fmt.Fprintln(c.stderr, "chancery: no browser could be opened: open the address yourself")
			}
		}
		return nil
	}
	return cmd
}

// connectAt is the issuer whose page it is.
func (c *command) connectAt(issuer, folder string) (string, error) {
	if issuer == "" {
		issuer = c.env(envIssuer)
	}
	if issuer == "" {
		if found, err := dev.Find(c.devFolder(folder)); err == nil {
			issuer = found.Issuer
		}
	}
	if issuer == "" {
		loaded, err := c.loadConfig()
		if err != nil {
			return "", fmt.Errorf("nothing says where people sign in: --issuer, %s, chancery dev or a configuration (%w)", envIssuer, err)
		}
		issuer = loaded.Server.PublicURL
	}
	issuer = strings.TrimSuffix(issuer, "/")
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
		return "", fmt.Errorf("%q is no https URL of an issuer; http is for loopback only", issuer)
	}
	return issuer, nil
}

var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func connectAddress(issuer, provider string, scopes []string, account string, another bool) (string, error) {
	if !objectName.MatchString(provider) {
		return "", fmt.Errorf("%q is no name of a provider", provider)
	}
	query := url.Values{}
	var keys []string
	for _, scope := range scopes {
		keys = append(keys, strings.Fields(scope)...)
	}
	if len(keys) > 0 {
		query.Set("scope", strings.Join(keys, " "))
	}
	if account != "" {
		query.Set("account", account)
	}
	if another {
		query.Set("another", "yes")
	}
	address := issuer + "/connect/" + provider
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address, nil
}

// attended tells whether somebody sits at a terminal: else no browser is opened for nobody.
func (c *command) attended() bool {
	for _, stream := range []any{c.stdin, c.stdout} {
		f, ok := stream.(*os.File)
		if !ok {
			return false
		}
		info, err := f.Stat()
		if err != nil || info.Mode()&os.ModeCharDevice == 0 {
			return false
		}
	}
	return true
}

// openInBrowser hands an address of ours, which begins with its scheme, to what opens addresses here.
func openInBrowser(ctx context.Context, address string) error {
	program, arguments := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		program = "open"
	case "windows":
		program, arguments = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	return exec.CommandContext(ctx, program, arguments...).Run() //nolint:gosec // G204: a fixed program, and an address that was checked
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/secret"
)

// connectionFlags narrow a list of connections.
type connectionFlags struct{ user, client, provider, status string }

func (c *command) connectionCommand() *cobra.Command {
	parent := &cobra.Command{Use: "connection", Short: "List, hold, test, end and import accounts that are connected at other services"}
	parent.AddCommand(
		c.connectionListCommand(), c.connectionMoveCommand("suspend", "Hold a connection: nobody is lent it until it is resumed"),
		c.connectionMoveCommand("resume", "Let a suspended connection be lent again"), c.connectionRemoveCommand(), c.connectionTestCommand(), c.connectionImportCommand(),
	)
	return parent
}

func (c *command) connectionListCommand() *cobra.Command {
	var flags connectionFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List connected accounts: whose, where, in which state, sealed with what, last used when and by which client",
		Example: `  chancery connection list --user alice
  chancery connection list --provider github --status reauthorization_required --output json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&flags.user, "user", "", "only this user's, by name or uid")
	cmd.Flags().StringVar(&flags.client, "client", "", "only this client's, by name or uid")
	cmd.Flags().StringVar(&flags.provider, "provider", "", "only those at this provider, by name or uid")
	cmd.Flags().StringVar(&flags.status, "status", "", "connected, reauthorization_required, suspended or revoked")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		return c.getConnections(ctx, admin, nil, flags)
	})
}

// getConnections prints one, or all that fit.
func (c *command) getConnections(ctx context.Context, admin *client.Client, args []string, flags connectionFlags) error {
	t := table{columns: []string{"ID", "OWNER", "PROVIDER", "ACCOUNT", "STATUS", "VERSION", "KEY", "SEALED", "USED", "BY"}}
	if len(args) == 1 {
		one, err := admin.Connection(ctx, args[0])
		if err != nil {
			return err
		}
		addConnection(&t, one)
		return c.print(one, t.write)
	}
	all := []client.Connection{}
	for cursor := ""; ; {
		found, next, err := admin.Connections(ctx, client.ConnectionQuery{
			User: flags.user, Client: flags.client, Provider: flags.provider, Status: flags.status, Cursor: cursor, Limit: 500,
		})
		if err != nil {
			return err
		}
		for _, one := range found {
			addConnection(&t, one)
		}
		all = append(all, found...)
		if cursor = next; next == "" {
			return c.print(all, t.write)
		}
	}
}

func addConnection(t *table, one client.Connection) {
	used := ""
	if one.LastUsedAt != nil {
		used = clock(*one.LastUsedAt)
	}
	t.add(one.ID, one.Owner.Kind+" "+one.Owner.Or(), one.Provider.Or(), one.Account.Label, one.Status, strconv.FormatInt(one.Version, 10), one.KeyID,
		clock(one.SealedAt), used, one.LastUsedBy)
}

func (c *command) connectionMoveCommand(action, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: action + " ID", Short: short, Args: cobra.ExactArgs(1),
		Example: "  chancery connection " + action + " con_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
	}
	cmd.Flags().StringVar(&reason, "reason", "", "for the audit log")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		one, err := admin.MoveConnection(ctx, args[0], action, reason)
		if err != nil {
			return err
		}
		return c.print(one, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s of %s at %s: %s\n", one.ID, visible(one.Owner.Or()), visible(one.Provider.Or()), one.Status)
			return err
		})
	})
}

func (c *command) connectionRemoveCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "End a connection, here at once and at the provider as soon as it answers",
		Long: `End a connection. Nobody is lent it from now on. Its provider is told, again and again for a week if it does not answer; the audit
log says what came of it (connection.ended). What the provider cannot revoke stays good there until it ends.`,
		Example: `  chancery connection remove con_01JZ8Q0V9V2B7T5D4N3M2K1H0G --reason "left the company"`,
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "for the audit log")
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if err := admin.RemoveConnection(ctx, args[0], reason); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%s ended\n", visible(args[0]))
		return err
	})
}

func (c *command) connectionTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test ID",
		Short:   "Ask the provider whose credential it is; exit status 2 if it does not work",
		Long:    "Ask the provider whose credential it is. It is refreshed before, if it must be. Exit status: 0 it works; 2 it does not, and why; 1 it could not be asked.",
		Example: "  chancery connection test con_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
		Args:    cobra.ExactArgs(1),
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		done, err := admin.TestConnection(ctx, args[0])
		if err != nil {
			return err
		}
		err = c.print(done, func(w io.Writer) error {
			if !done.Works {
				_, err := fmt.Fprintf(w, "does not work: %s %s\n", visible(done.Code), visible(done.Detail))
				return err
			}
			label := ""
			if done.Account != nil && done.Account.Label != "" {
				label = ": " + visible(done.Account.Label)
			}
			_, err := fmt.Fprintf(w, "works%s\n", label)
			return err
		})
		if err == nil && !done.Works {
			return errDiffers
		}
		return err
	})
}

// maxCredential bounds what is read as a credential.
const maxCredential = 16 << 10

func (c *command) connectionImportCommand() *cobra.Command {
	var m client.ConnectionImport
	var file, kind, expires string
	cmd := &cobra.Command{
		Use:   "import --provider NAME --user NAME|--client NAME",
		Short: "Seal a credential that you have, read from standard input or a file, as somebody's connection",
		Long: `Seal a credential that you have as a user's or a client's connection. It is read from --file or standard input, never from the
command line, and no command and no endpoint shows it again.

A refresh token (--credential refresh_token, what is expected unless told) is refreshed at once, so that it is known to work; where
the provider gives a new one each time, the one that you have is used up by it. access_token is lent until it ends. For a static
provider it is the API key, the personal access token or, with --login, the password.`,
		Example: `  chancery connection import --provider github --user alice < token
  chancery connection import --provider billing --client robot --credential secret --account acme --file /run/secrets/billing`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&m.Provider, "provider", "", "the provider")
	f.StringVar(&m.User, "user", "", "whose it will be: a user, by name or uid")
	f.StringVar(&m.Client, "client", "", "whose it will be: a client, by name or uid")
	f.StringVar(&m.Account, "account", "", "the account, where the provider does not say whose it is")
	f.StringVar(&m.Login, "login", "", "the user name that belongs to the secret, where the provider takes both")
	f.StringVar(&kind, "credential", "refresh_token", "refresh_token, access_token or secret")
	f.StringVar(&expires, "expires-at", "", "when an access token ends, such as 2030-01-31T00:00:00Z")
	f.StringSliceVar(&m.Scopes, "scope", nil, "the provider's scopes, where its answers do not say them")
	f.StringVar(&file, "file", "", "where the credential is; absent: standard input")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		if m.Provider == "" || (m.User == "") == (m.Client == "") {
			return errors.New("name --provider, and one of --user and --client")
		}
		if expires != "" {
			at, err := time.Parse(time.RFC3339, expires)
			if err != nil {
				return errors.New("--expires-at: a time such as 2030-01-31T00:00:00Z is expected")
			}
			m.ExpiresAt = at
		}
		text, err := c.readCredential(file)
		if err != nil {
			return err
		}
		switch kind {
		case "refresh_token":
			m.RefreshToken = text
		case "access_token":
			m.AccessToken = text
		case "secret":
			m.Secret = text
		default:
			return errors.New("--credential: expected refresh_token, access_token or secret")
		}
		one, err := admin.ImportConnection(ctx, m)
		if err != nil {
			return err
		}
		return c.print(one, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s of %s at %s: %s\n", one.ID, visible(one.Owner.Or()), visible(one.Provider.Or()), visible(one.Account.Label))
			return err
		})
	})
}

// readCredential reads one line, without its end.
func (c *command) readCredential(file string) (secret.Text, error) {
	from := c.stdin
	if file != "" {
		opened, err := os.Open(file) //nolint:gosec // the path is the caller's own
		if err != nil {
			return secret.Text{}, err
		}
		defer func() { _ = opened.Close() }()
		from = opened
	}
	text, err := io.ReadAll(io.LimitReader(from, maxCredential+1))
	if err != nil {
		return secret.Text{}, errors.New("the credential could not be read")
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 || len(text) > maxCredential || strings.ContainsAny(string(text), "\r\n") {
		return secret.Text{}, fmt.Errorf("expected the credential on one line of at most %d bytes", maxCredential)
	}
	return secret.New(string(text)), nil
}

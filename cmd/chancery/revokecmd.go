package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) revokeCommand() *cobra.Command {
	var dryRun bool
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke user|client|idp|token ID",
		Short: "End tokens: one, or everything of a user, a client or an IdP",
		Long: `End one token by its id (jti), or every token that a user, a client or an IdP has to do with, by name or uid, and print how
many live ones died. It is in force on every replica when the command ends: introspection calls none of them active, and nothing that was
decided before commits. Servers that verify tokens themselves accept one until it expires.

A client that came by its metadata document is named by its URL, one that registered itself by its client_id. To block such a
client, apply a Client object with that client_id and disabled: true; an object whose client_id is a URL is named by its own name.

What is revoked is what was issued. To keep new tokens away, disable the object as well (disabled: true, of a user status: disabled).`,
		Example: `  chancery revoke user alice --reason "laptop stolen"
  chancery revoke client cli_01JZ8Q0V9V2B7T5D4N3M2K1H0G --dry-run
  chancery revoke client https://app.example.com/oauth/client.json --reason "no longer trusted"
  chancery revoke idp okta --tenant acme
  chancery revoke token tok_01JZ8Q0V9V2B7T5D4N3M2K1H0G --output json`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"user", "client", "idp", "token"},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only count what would die; exit status 2 if anything")
	cmd.Flags().StringVar(&reason, "reason", "", "for the audit log")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		done, err := admin.Revoke(ctx, args[0], args[1], reason, dryRun)
		if err != nil {
			return err
		}
		if err := c.print(done, func(w io.Writer) error { return writeRevocation(w, done) }); err != nil {
			return err
		}
		if dryRun && (done.Tokens == nil || *done.Tokens > 0 || done.Families != nil && *done.Families > 0 || done.Connections != nil && *done.Connections > 0) {
			return errDiffers
		}
		return nil
	})
}

func writeRevocation(w io.Writer, done client.Revocation) error {
	who := done.UID
	if done.Name != "" {
		who = done.Name + " (" + done.UID + ")"
	}
	tokens := "all live tokens, not counted,"
	if done.Tokens != nil {
		tokens = strconv.FormatInt(*done.Tokens, 10) + " live " + plural(*done.Tokens, "token", "tokens")
	}
	if done.Families != nil && *done.Families > 0 {
		tokens += " and " + strconv.FormatInt(*done.Families, 10) + " " + plural(*done.Families, "grant with refresh tokens", "grants with refresh tokens")
	}
	if done.Connections != nil && *done.Connections > 0 {
		tokens += ", " + strconv.FormatInt(*done.Connections, 10) + " connected " + plural(*done.Connections, "account", "accounts")
	}
	verb := "revoked"
	if !done.Applied {
		verb = "would be revoked"
	}
	_, err := fmt.Fprintf(w, "%s %s: %s %s\n", done.Kind, visible(who), tokens, verb)
	return err
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

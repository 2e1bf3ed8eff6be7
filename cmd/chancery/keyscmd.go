package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) keysCommand() *cobra.Command {
	parent := &cobra.Command{Use: "keys", Short: "See and change the keys that sign tokens"}
	parent.AddCommand(c.keysListCommand(), c.keysRotateCommand(), c.keysRetireCommand(), c.keysRevokeCommand())
	return parent
}

func (c *command) keysListCommand() *cobra.Command {
	var sealing bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List a tenant's signing keys, or the keys that seal",
		Example: "  chancery keys list --tenant acme\n  chancery keys list --keyring",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&sealing, "keyring", false, "the keys that seal secrets at rest instead: of the keyring, or the versions of Vault's")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		if sealing {
			return c.listVaultKeys(ctx, admin)
		}
		keys, err := admin.Keys(ctx)
		if err != nil {
			return err
		}
		t := table{columns: []string{"KID", "ALGORITHM", "STATE", "CREATED", "SIGNS FROM", "RETIRED", "PUBLISHED UNTIL"}}
		for _, k := range keys {
			t.add(k.KeyID, k.Algorithm, k.State, clock(k.CreatedAt), clock(k.ActiveAt), clock(k.RetiredAt), clock(k.ExpiresAt))
		}
		return c.print(orNone(keys), t.write)
	})
}

func (c *command) keysRotateCommand() *cobra.Command {
	var algorithm string
	var sealing bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Prepare a successor of the key that signs",
		Long: `Prepare a successor of the key that signs. It is published at once and signs when every verifier had time to see it; what the
old one signed stays good.

With --keyring: make a new root key of the local keyring, which seals from now on. What the others sealed still opens; chancery
vault rewrap moves it. Replicas that have a copy of the file and not the file itself need the new one first.`,
		Example: `  chancery keys rotate
  chancery keys rotate --keyring
  chancery keys rotate --algorithm RS256 --tenant acme`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", "", "ES256, RS256 or EdDSA (default: ES256)")
	cmd.Flags().BoolVar(&sealing, "keyring", false, "rotate the keyring, which seals secrets at rest, instead")
	cmd.MarkFlagsMutuallyExclusive("keyring", "algorithm")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		if sealing {
			keyID, err := admin.RotateVaultKey(ctx)
			return c.printVaultKey(keyID, "seals from now on; move what rests under others: chancery vault rewrap", err)
		}
		outcome, err := admin.RotateKeys(ctx, algorithm)
		return c.printKeyOutcome(outcome, err)
	})
}

func (c *command) keysRetireCommand() *cobra.Command {
	var sealing bool
	cmd := &cobra.Command{
		Use:   "retire KID",
		Short: "End a key's signing; what it signed stays good",
		Long: `End a key's signing; what it signed stays good. With --keyring: take a root key out of the keyring for ever. It is refused
while anything rests under it, or a refresh token that was made with it may live.`,
		Example: "  chancery keys retire 0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&sealing, "keyring", false, "the key is one of the keyring, which seals secrets at rest")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if sealing {
			return c.printVaultKey(args[0], "is gone from the keyring", admin.RetireVaultKey(ctx, args[0]))
		}
		outcome, err := admin.RetireKey(ctx, args[0])
		return c.printKeyOutcome(outcome, err)
	})
}

func (c *command) keysRevokeCommand() *cobra.Command {
	var confirmed bool
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke KID --yes",
		Short: "End a key and every token that it signed",
		Long: `End a key and every token that it signed: it leaves the published set at once. For a key that somebody else may hold. Verifiers
accept what it signed until they fetch the set again.`,
		Example: "  chancery keys revoke 0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx --yes --reason \"laptop stolen\"",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&confirmed, "yes", false, "do it")
	cmd.Flags().StringVar(&reason, "reason", "", "for the audit log")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if !confirmed {
			return errors.New("every token that this key signed ends: say --yes")
		}
		outcome, err := admin.RevokeKey(ctx, args[0], reason)
		return c.printKeyOutcome(outcome, err)
	})
}

func (c *command) printKeyOutcome(o client.KeyOutcome, err error) error {
	if err != nil {
		return err
	}
	return c.print(o, func(w io.Writer) error {
		for _, line := range [][2]string{{"kid", o.KeyID}, {"state", o.State}, {"successor", o.Successor}, {"signs from", clock(o.SignsAt)}, {"seen by", clock(o.SeenBy)}} {
			if line[1] != "" {
				_, _ = fmt.Fprintf(w, "%-10s  %s\n", line[0], visible(line[1]))
			}
		}
		return nil
	})
}

// keyIDsLast puts key ids behind `--`: one in 64 begins with a dash, and would be read as a flag. No flag is as long as a
// thumbprint (RFC 7638 of SHA-256: 43 characters of base64url) without an equals sign.
func keyIDsLast(args []string) []string {
	if len(args) == 0 || args[0] != "keys" {
		return args
	}
	var flags, ids []string
	for i, arg := range args {
		if arg == "--" {
			ids = append(ids, args[i+1:]...)
			break
		}
		if strings.HasPrefix(arg, "-") && isThumbprint(arg) {
			ids = append(ids, arg)
			continue
		}
		flags = append(flags, arg)
	}
	if len(ids) == 0 {
		return args
	}
	return slices.Concat(flags, []string{"--"}, ids)
}

func isThumbprint(s string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(raw) == sha256.Size
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) registrationCommand() *cobra.Command {
	parent := &cobra.Command{Use: "registration", Short: "List and remove clients that registered themselves"}
	parent.AddCommand(c.registrationListCommand(), c.registrationRemoveCommand())
	return parent
}

func (c *command) registrationListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List clients that registered themselves, and when each was last used",
		Example: "  chancery registration list --output json",
		Args:    cobra.NoArgs,
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		t := table{columns: []string{"CLIENT_ID", "REGISTERED", "USED"}}
		all := []client.Registration{}
		for cursor := ""; ; {
			found, next, err := admin.Registrations(ctx, cursor, 500)
			if err != nil {
				return err
			}
			for _, r := range found {
				t.add(r.ClientID, clock(r.RegisteredAt), clock(r.UsedAt))
			}
			all = append(all, found...)
			if cursor = next; next == "" {
				return c.print(all, t.write)
			}
		}
	})
}

func (c *command) registrationRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove CLIENT_ID",
		Short: "Take a client away that registered itself, and end what it was given",
		Long: `Take a client away that registered itself. Its tokens and its registration end with it. Where clients may register, it can
come again under another client_id.`,
		Example: "  chancery registration remove dyn_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
		Args:    cobra.ExactArgs(1),
	}
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if err := admin.RemoveRegistration(ctx, args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%s removed\n", visible(args[0]))
		return err
	})
}

func (c *command) registrationTokenCommand() *cobra.Command {
	parent := &cobra.Command{Use: "registration-token", Short: "Make, list and remove the tokens with which clients may register"}
	parent.AddCommand(c.registrationTokenCreateCommand(), c.registrationTokenListCommand(), c.registrationTokenRemoveCommand())
	return parent
}

// registrationTokenRecord is how a token is printed; its text only when it was just made, and not when a file holds it.
type registrationTokenRecord struct {
	ID        string    `json:"id"`
	Token     string    `json:"token,omitempty"`
	File      string    `json:"file,omitempty"`
	Note      string    `json:"note,omitempty"`
	CreatedBy string    `json:"created_by"`
	ExpiresAt time.Time `json:"expires_at"`
	Uses      int       `json:"uses"`
	UsesLeft  int       `json:"uses_left"`
}

func newRegistrationTokenRecord(t client.RegistrationToken) registrationTokenRecord {
	return registrationTokenRecord{ID: t.ID, Note: t.Note, CreatedBy: t.CreatedBy, ExpiresAt: t.ExpiresAt, Uses: t.Uses, UsesLeft: t.UsesLeft}
}

func (c *command) registrationTokenCreateCommand() *cobra.Command {
	var uses int
	var lifetime time.Duration
	var note, out string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an initial access token, and show it this once",
		Long: `Make an initial access token (RFC 7591): whoever has it may register clients in the tenant, as often as --uses says. It is
shown this once: the server keeps no more than what recognises it.`,
		Example: `  chancery registration-token create --uses 20 --expires-in 168h --note "pilot group"
  chancery registration-token create --out token`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().IntVar(&uses, "uses", 1, "how many clients it lets register, at most 10000")
	cmd.Flags().DurationVar(&lifetime, "expires-in", 24*time.Hour, "how long it counts, at most 2160h")
	cmd.Flags().StringVar(&note, "note", "", "for people")
	cmd.Flags().StringVar(&out, "out", "", "write the token into a new file that only you can read (0600), and do not print it")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		var file *os.File
		if out != "" { // before the token: one that could not be kept would be lost
			var err error
			if file, err = newFile(out); err != nil {
				return err
			}
		}
		made, err := admin.AddRegistrationToken(ctx, uses, lifetime, note)
		if err == nil && made.Text.IsZero() {
			err = errors.New("the answer holds no token")
		}
		if err != nil {
			if file != nil {
				_ = file.Close()
				_ = os.Remove(out)
			}
			return err
		}
		record := newRegistrationTokenRecord(made)
		record.Token = made.Text.Reveal()
		if file != nil {
			if err := finish(file, record.Token+"\n"); err != nil {
				return fmt.Errorf("the token %s was made and could not be written, remove it: %w", made.ID, err)
			}
			record.Token, record.File = "", out
		}
		return c.print(record, func(w io.Writer) error { return c.writeRegistrationToken(w, record) })
	})
}

func (c *command) writeRegistrationToken(w io.Writer, r registrationTokenRecord) error {
	_, _ = fmt.Fprintf(w, "id          %s\nexpires_at  %s\nuses        %d\n", visible(r.ID), clock(r.ExpiresAt), r.Uses)
	if r.File != "" {
		_, err := fmt.Fprintf(w, "file        %s\n", visible(r.File))
		return err
	}
	_, err := fmt.Fprintf(w, "token       %s\n", visible(r.Token))
	_, _ = fmt.Fprintln(c.stderr, "It is not shown again.")
	return err
}

func (c *command) registrationTokenListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens that have not expired, without their text",
		Example: "  chancery registration-token list",
		Args:    cobra.NoArgs,
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		all, err := admin.RegistrationTokens(ctx)
		if err != nil {
			return err
		}
		records := make([]registrationTokenRecord, len(all))
		t := table{columns: []string{"ID", "EXPIRES", "LEFT", "NOTE"}}
		for i, one := range all {
			records[i] = newRegistrationTokenRecord(one)
			t.add(one.ID, clock(one.ExpiresAt), strconv.Itoa(one.UsesLeft)+"/"+strconv.Itoa(one.Uses), one.Note)
		}
		return c.print(records, t.write)
	})
}

func (c *command) registrationTokenRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove ID",
		Short:   "End a token; the clients that it let in stay",
		Example: "  chancery registration-token remove ini_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
		Args:    cobra.ExactArgs(1),
	}
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if err := admin.RemoveRegistrationToken(ctx, args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%s removed\n", visible(args[0]))
		return err
	})
}

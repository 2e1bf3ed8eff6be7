package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) secretCommand() *cobra.Command {
	parent := &cobra.Command{Use: "secret", Short: "Make, list and revoke clients' secrets"}
	parent.AddCommand(c.secretCreateCommand(), c.secretListCommand(), c.secretRevokeCommand())
	return parent
}

// secretRecord is how a secret is printed; its text only when it was just made, and not when a file holds it.
type secretRecord struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret,omitempty"`
	File      string    `json:"file,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func (c *command) secretCreateCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "create CLIENT",
		Short: "Make a secret, and show it this once",
		Long: `Make a secret of a client. It is shown this once: the server keeps no more than what recognises it. A client has at most two,
so that one can be replaced without a pause.`,
		Example: `  chancery secret create claude --out claude.secret
  chancery secret create claude --output json`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&out, "out", "", "write the secret into a new file that only you can read (0600), and do not print it")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		return c.createSecret(ctx, admin, args[0], out)
	})
}

// createSecret makes the file before the secret: one that could not be kept would be lost.
func (c *command) createSecret(ctx context.Context, admin *client.Client, name, out string) error {
	var file *os.File
	if out != "" {
		var err error
		if file, err = newFile(out); err != nil {
			return err
		}
	}
	made, err := admin.AddSecret(ctx, name)
	if err == nil && made.Text.IsZero() {
		err = errors.New("the answer holds no secret")
	}
	if err != nil {
		if file != nil {
			_ = file.Close()
			_ = os.Remove(out)
		}
		return err
	}
	record := secretRecord{ID: made.ID, Secret: made.Text.Reveal(), CreatedAt: made.CreatedAt}
	if file != nil {
		if err := finish(file, record.Secret+"\n"); err != nil {
			return fmt.Errorf("the secret %s was made and could not be written, revoke it: %w", made.ID, err)
		}
		record.Secret, record.File = "", out
	}
	return c.print(record, func(w io.Writer) error {
		_, _ = fmt.Fprintf(w, "id          %s\ncreated_at  %s\n", visible(record.ID), clock(record.CreatedAt))
		if record.File != "" {
			_, err := fmt.Fprintf(w, "file        %s\n", visible(record.File))
			return err
		}
		_, err := fmt.Fprintf(w, "secret      %s\n", visible(record.Secret))
		_, _ = fmt.Fprintln(c.stderr, "It is not shown again.")
		return err
	})
}

// newFile makes a file that only its owner may read, and never touches one that is there.
func newFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already, and is not overwritten", path)
	}
	return f, err
}

// finish writes all of a file, down to the disk.
func finish(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func (c *command) secretListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list CLIENT",
		Short:   "List a client's live secrets, without their text",
		Example: "  chancery secret list claude",
		Args:    cobra.ExactArgs(1),
	}
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		live, err := admin.Secrets(ctx, args[0])
		if err != nil {
			return err
		}
		records := make([]secretRecord, len(live))
		t := table{columns: []string{"ID", "CREATED"}}
		for i, s := range live {
			records[i] = secretRecord{ID: s.ID, CreatedAt: s.CreatedAt}
			t.add(s.ID, clock(s.CreatedAt))
		}
		return c.print(records, t.write)
	})
}

func (c *command) secretRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke CLIENT ID",
		Short:   "End a secret at once",
		Example: "  chancery secret revoke claude sec_01JZ8Q0V9V2B7T5D4N3M2K1H0G",
		Args:    cobra.ExactArgs(2),
	}
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if err := admin.RevokeSecret(ctx, args[0], args[1]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%s revoked\n", visible(args[1]))
		return err
	})
}

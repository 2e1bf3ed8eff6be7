package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

func (c *command) vaultCommand() *cobra.Command {
	parent := &cobra.Command{Use: "vault", Short: "Look after what rests sealed"}
	parent.AddCommand(c.vaultRewrapCommand())
	return parent
}

// rewrapped is what a rewrap led to, all in all.
type rewrapped struct {
	KeyID     string  `json:"key"`
	Rewrapped int64   `json:"rewrapped"`
	Moved     int64   `json:"moved"`
	Failed    int64   `json:"failed"`
	Soon      int64   `json:"not_moved"` // they go by themselves
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"per_second"`
}

var errNotAll = errors.New("some secrets do not open in their place and stay as they are: the server's log names them")

func (c *command) vaultRewrapCommand() *cobra.Command {
	var batch int
	cmd := &cobra.Command{
		Use:   "rewrap",
		Short: "Move everything that rests sealed to the newest key",
		Long: `Move everything that rests sealed to the newest key, after chancery keys rotate --keyring or a rotation in Vault, or from the
keyring into Vault. Servers go on meanwhile. Whoever is interrupted starts it again: what was moved is not found any more. Under
Transit nothing is opened: Vault moves a batch in one call.

Moved are credentials of connections, signing keys of tenants and of the audit log, SAML keys and the installation's secret. What
goes by itself is not: sign-ins and connects under way, links, captures and what sessions keep for the logout at their IdP.
chancery keys list --keyring tells what still rests under which key.`,
		Example: "  chancery vault rewrap\n  chancery vault rewrap --batch 1000",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().IntVar(&batch, "batch", 500, "rows that are moved at a time, at most 1000")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		return c.rewrap(ctx, admin, batch)
	})
}

func (c *command) rewrap(ctx context.Context, admin *client.Client, batch int) error {
	listed, err := admin.VaultKeys(ctx)
	if err != nil {
		return err
	}
	var total rewrapped
	left := int64(0)
	for _, k := range listed.Keys {
		if !k.Seals {
			left += k.Sealed
			total.Soon += k.Soon
		}
	}
	began := time.Now()
	for after := ""; ; {
		step, err := admin.Rewrap(ctx, after, batch)
		if err != nil {
			return fmt.Errorf("%w; %d were moved; run it again to go on", err, total.Rewrapped)
		}
		total.KeyID = step.KeyID
		total.Rewrapped, total.Moved, total.Failed = total.Rewrapped+step.Rewrapped, total.Moved+step.Moved, total.Failed+step.Failed
		if step.Next == "" {
			break
		}
		after = step.Next
		done := total.Rewrapped + total.Moved + total.Failed
		_, _ = fmt.Fprintf(c.stderr, "%s: %d of %d, %.0f a second\n", step.Table, done, max(left, done), float64(done)/max(time.Since(began).Seconds(), 1e-6))
	}
	total.Seconds = time.Since(began).Seconds()
	total.Rate = float64(total.Rewrapped) / max(total.Seconds, 1e-6)
	err = c.print(total, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d secrets were moved to %s in %.1f s (%.0f a second); %d were replaced meanwhile, %d failed, %d go by themselves and were not moved\n",
			total.Rewrapped, visible(total.KeyID), total.Seconds, total.Rate, total.Moved, total.Failed, total.Soon)
		return err
	})
	if err == nil && total.Failed > 0 {
		err = errNotAll
	}
	return err
}

func (c *command) listVaultKeys(ctx context.Context, admin *client.Client) error {
	listed, err := admin.VaultKeys(ctx)
	if err != nil {
		return err
	}
	t := table{columns: []string{"KEY", "CREATED", "STATE", "SECRETS", "GOING BY THEMSELVES"}}
	for _, k := range listed.Keys {
		state := "opens"
		switch {
		case k.Seals:
			state = "seals"
		case k.ID == "":
			state = "not at hand"
		case k.Ended:
			state = "below min_decryption_version"
		}
		t.add(k.ID, clock(k.CreatedAt), state, strconv.FormatInt(k.Sealed, 10), strconv.FormatInt(k.Soon, 10))
	}
	return c.print(listed, t.write)
}

func (c *command) printVaultKey(keyID, what string, err error) error {
	if err != nil {
		return err
	}
	return c.print(map[string]string{"id": keyID}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %s\n", visible(keyID), what)
		return err
	})
}
